"""The stages: what each of them computes."""

import math
from dataclasses import dataclass, field
from typing import Any

from tinydistill.config.schema.models import WEIGHT
from tinydistill.config.schema.option import RATE, option


def passes(rows: int, *, steps: int, least: int, most: int) -> int:
    """Passes over so many training rows that make about so many steps of 32 rows; `least` and `most` bound them."""
    return min(max(math.ceil(32 * steps / rows), least), most)


@dataclass
class Training:
    """What is the trainer's wherever a model is trained. Optimizer and schedule are groups of their own."""

    accumulate_grad_batches: int = option("batches per optimizer step", 1, at_least=1)
    gradient_clip_val: float = option("largest gradient norm; 0 for no limit", 1.0, at_least=0)


@dataclass
class OnText(Training):
    """Training on blocks of plain text."""

    epochs: int = option("passes over the corpus", 1, at_least=1)
    max_steps: int | None = option("stop after this many optimizer steps", None, at_least=0)
    max_length: int = option("tokens in a block, [CLS] and [SEP] included", 128, at_least=8)
    batch_size: int = option("blocks per device and forward pass", 64, at_least=1)
    heldout_fraction: float = option("share of the documents kept out of training", 0.02, at_least=0, below=1)
    heldout_blocks: int = option("held-out blocks used at most", 256, at_least=1)
    val_check_interval: float = option("share of an epoch between two held-out evaluations", 0.34, above=0, at_most=1)


@dataclass
class General(OnText):
    """General distillation. With max_steps=0 the student stays as it starts."""

    learning_rate: float = option("peak learning rate", "${student.learning_rate}", at_least=0, at_most=RATE)
    sample_tokens: int = option(
        "training tokens that student.init=closed_form and mapping=auto are computed on", 25_000, at_least=1
    )


@dataclass
class Pretrain(OnText):
    """Masked-language-model training."""

    learning_rate: float = option("peak learning rate", 5e-4, at_least=0, at_most=RATE)
    dropout: float = option("dropout of hidden states and attention while training", 0.0, at_least=0, below=1)
    masked_share: float = option("share of the tokens that are predicted", 0.15, above=0, below=1)
    as_mask: float = option("share of these that become the mask token", 0.8, at_least=0, at_most=1)
    as_random: float = option("share of these that become any other token; the rest stays", 0.1, at_least=0, at_most=1)
    whole_words: bool = option("predict all tokens of a word or none", False)
    sample_tokens: int = option("training tokens whose frequencies are a new head's first bias", 1_000_000, at_least=1)


@dataclass
class Distill:
    """Task distillation: what the student starts from, which phases it goes through, what is checked of the teacher."""

    start: str = option(
        "where no student.path is given: a new student of the fine-tuned teacher and the task's rows, made as "
        "student.init says, or what stage=general made",
        "task",
        choices=("task", "general"),
    )
    sample_tokens: int = option("tokens of the task's rows that a new student is solved on", 60_000, at_least=1)
    head: str = option(
        "a new prediction layer before its first step: solved for from the teacher's logits, or random",
        "solved",
        choices=("solved", "random"),
    )
    head_tokens: int = option("tokens of the task's rows that it is solved on", 250_000, at_least=1)
    phases: str = option(
        "both in this order, one alone, none, or merged: both losses at once, with the options of prediction",
        "both",
        choices=("both", "intermediate", "prediction", "merged", "none"),
    )
    check_labels: bool = option("stop where the teacher's names of the labels aren't the task's in their order", True)
    check_score: bool = option("stop where the teacher is no better than the majority class", True)


@dataclass
class Augmentation:
    """Rows made from the training rows."""

    path: str | None = option("stage=task: Parquet file of stage=augment; null trains on the task's own rows", None)
    method: str = option(
        "how rows are made: words replaced by a masked LM, or of pairs new ones of texts that are like theirs",
        "masked_lm",
        choices=("masked_lm", "neighbors"),
    )
    neighbors: int | None = option(
        "method=neighbors: new pairs made from each; null for about 20,000 in all, 8 each at most", None, at_least=0
    )
    model: str | None = option(
        "masked LM; null for what stage=pretrain made of the teacher, or the teacher itself", None
    )
    input: str | None = option("a table to augment instead of the training rows, labeled or not", None)
    rows: int = option(
        "new rows made from each row, and in pairs from each of its texts (the paper's N)",
        "${task.augmentation.rows}",
        at_least=0,
    )
    probability: float = option(
        "share of the words that are replaced (the paper's p)",
        "${task.augmentation.probability}",
        at_least=0,
        at_most=1,
    )
    candidates: int = option(
        "words that a replacement is drawn from (the paper's K)", "${task.augmentation.candidates}", at_least=1
    )
    several_pieces: str = option(
        "words of several tokens, unless word_vectors knows them: one mask in their place, words of like embeddings, "
        "or as they are",
        "masked_lm",
        choices=("masked_lm", "embeddings", "keep"),
    )
    word_vectors: str | None = option("GloVe or word2vec text for words of several tokens, plain or gz/xz/zst", None)
    keep_entities: bool = option("tags: leave the words of entities as they are", False)
    stop_words: str | None = option("words that stay, one a line; null for English function words", None)
    batch_size: int = option("groups of 1,024 masked tokens between two writes; no row depends on it", 16, at_least=1)

    def new_pairs(self, rows: int) -> int:
        """How many method=neighbors makes from each of so many pairs."""
        return min(round(20_000 / rows), 8) if self.neighbors is None else self.neighbors


@dataclass
class Intermediate(Training):
    """The intermediate phase of task distillation: embeddings, hidden states, attention."""

    epochs: int | None = option(
        "passes over the training rows, augmented ones if there are; null for about 500 steps of 32 rows, 1 to 20 "
        "passes",
        "${task.intermediate.epochs}",
        at_least=1,
    )
    max_steps: int | None = option("stop after this many optimizer steps", None, at_least=1)
    batch_size: int = option("rows per device and forward pass", "${task.intermediate.batch_size}", at_least=1)
    learning_rate: float = option("peak learning rate", "${task.intermediate.learning_rate}", at_least=0, at_most=RATE)

    def passes(self, rows: int) -> int:
        """Over so many training rows."""
        return self.epochs or passes(rows, steps=500, least=1, most=20)


@dataclass
class EmbeddingLosses:
    """The losses between sentence embeddings, the student's and its teacher's, in the teacher's space."""

    cosine: float = option("weight of the cosine distance", 1.0, at_least=0, at_most=WEIGHT)
    mse: float = option("weight of the squared distance, over the embeddings' square", 0.0, at_least=0, at_most=WEIGHT)
    similarity: float = option(
        "weight of the KL divergence of similarities within a batch", 0.0, at_least=0, at_most=WEIGHT
    )
    similarity_temperature: float = option(
        "what the cosines of that divergence are divided by", 0.05, at_least=0.001, at_most=1000
    )


@dataclass
class Prediction(Training):
    """The prediction phase: the teacher's logits, or for a regression its scores."""

    epochs: int | None = option(
        "passes over the training rows, augmented ones if there are; null for about 2,000 steps of 32 rows, 1 to 30 "
        "passes",
        "${task.prediction.epochs}",
        at_least=1,
    )
    max_steps: int | None = option("stop after this many optimizer steps", None, at_least=1)
    batch_size: int = option("rows per device and forward pass", "${task.prediction.batch_size}", at_least=1)
    learning_rate: float = option("peak learning rate", "${task.prediction.learning_rate}", at_least=0, at_most=RATE)
    temperature: float = option("classes: what both sides' logits are divided by", 1.0, at_least=0.01, at_most=1000)
    scale_by_temperature: bool = option(
        "classes: multiply the loss by temperature², which keeps its gradients' size", False
    )
    hard_share: float = option("weight of the labels' loss; the teacher has the rest", 0.0, at_least=0, at_most=1)
    embedding: EmbeddingLosses = field(default_factory=EmbeddingLosses)

    def passes(self, rows: int) -> int:
        """Over so many training rows."""
        return self.epochs or passes(rows, steps=2000, least=1, most=30)


@dataclass
class Label:
    """What is labeled, and by which model."""

    file: str | None = option("texts to label, a file with the columns of the training rows", None)
    path: str | None = option(
        "directory or hub name of a model with a head; null for the task's fine-tuned teacher", None
    )
    batch_size: int = option("rows per forward pass", 64, at_least=1)


@dataclass
class Predict:
    """What is answered, by which model, and how."""

    file: str | None = option("texts to answer: a file with the columns of the training rows and any others", None)
    path: str | None = option(
        "directory or hub name of a model with a head; null for what stage=task made, or stage=export where its files "
        "answer",
        None,
    )
    runtime: str = option(
        "what computes: PyTorch, or onnxruntime or OpenVINO from one of the files that stage=export wrote",
        "pytorch",
        choices=("pytorch", "onnx", "onnx_int8", "openvino"),
    )
    max_length: int | None = option(
        "tokens in a row; null for what the model's tokenizer says, which for models made here is what they were "
        "trained with",
        None,
        at_least=8,
    )
    batch_size: int = option("rows per forward pass", 64, at_least=1)
    prefix: str = option("what the names of the added columns begin with, for files that have such columns", "")


@dataclass
class Evaluate:
    """What is scored."""

    path: str | None = option("directory or hub name of a model with a head; null for what stage=task made", None)
    batch_size: int = option("rows per forward pass", 64, at_least=1)
    submission: list[str] = option(
        "the files of a whole submission to GLUE; they are zipped when all are there",
        [
            f"{name}.tsv"
            for name in ["CoLA", "SST-2", "MRPC", "STS-B", "QQP", "MNLI-m", "MNLI-mm", "QNLI", "RTE", "WNLI", "AX"]
        ],
    )


@dataclass
class ExportLatency:
    """What is timed of teacher and student: every combination."""

    batch_sizes: list[int] = option("rows in a batch", [1, 32])
    lengths: list[int] = option("tokens in a row", [16, 128])
    threads: list[Any] = option("threads that compute; null for all cores", [1, None])
    seconds: float = option(
        "how long each model is timed in each combination, five times at least", 1.0, at_least=0, at_most=3600
    )


@dataclass
class Export:
    """A model as it is shipped: in which formats, how true they must be, what is measured."""

    path: str | None = option("directory or hub name of a model with a head; null for what stage=task made", None)
    formats: list[str] = option(
        "beside the Hugging Face directory: any of onnx, onnx_int8, openvino", ["onnx", "onnx_int8"]
    )
    max_difference: float = option("fp32: largest difference of a logit from PyTorch's", 1e-4, at_least=0)
    least_equal: float = option(
        "int8, classes: share of the rows with PyTorch's answer, at least; refused where chance can't explain the rest",
        0.99,
        at_least=0,
        at_most=1,
    )
    close: float = option(
        "int8, classes: where PyTorch's most probable answer leads by no more than this, another one is as good",
        0.1,
        at_least=0,
        at_most=1,
    )
    least_correlation: float = option("int8, numbers: correlation with PyTorch's, at least", 0.99, at_least=-1)
    least_cosine: float = option("int8, embeddings: mean cosine with PyTorch's, at least", 0.98, at_least=-1)
    batch_size: int = option("rows per forward pass of these checks", 64, at_least=1)
    page: bool = option("write a page beside the model, on which its int8 file answers in a browser", False)
    page_rows: int = option(
        "validation rows that the page shows with the answers of student and teacher; 0 for none", 200, at_least=0
    )
    license: str | None = option("license of the weights, as in apache-2.0; null for the teacher's", None)
    push: bool = option("upload the finished directory to the hub, with the token of HF_TOKEN or hf auth login", False)
    repo: str | None = option("the repository that it goes to, USER/NAME; made where there is none", None)
    private: bool = option("whether a repository that is made is private", True)
    latency: ExportLatency = field(default_factory=ExportLatency)


@dataclass
class Certify:
    """A student beside its teacher on rows that neither was trained on: what is promised, and of which rows."""

    path: str | None = option(
        "directory or hub name of the student, or of its exported directory; null for what stage=task made", None
    )
    teacher: str | None = option(
        "directory or hub name of its teacher; null for the one that it learned from, or else the task's", None
    )
    file: str | None = option(
        "further texts with the columns of the training rows, labels unneeded, that agreement and threshold are found "
        "on; null for the validation rows",
        None,
    )
    agreement: float = option(
        "share of the rows that student and teacher are to answer alike, in a cascade above the threshold",
        0.99,
        above=0,
        below=1,
    )
    confidence: float = option("how sure bounds are", 0.95, at_least=0.5, below=1)
    columns: list[str] = option("task=files: further columns whose values are looked at by themselves", [])
    typos: float = option(
        "share of the longer words that get a typo, to see what changes; 0 for no typos", 0.1, at_least=0, at_most=1
    )
    seconds: float = option("how long each model is timed for the cost of a cascade", 1.0, at_least=0, at_most=3600)
    batch_size: int = option("rows per forward pass", 64, at_least=1)


@dataclass
class Report:
    """Which artifacts are shown side by side."""

    paths: list[str] = option("artifacts, or directories searched for them, as of a sweep; empty for paths.outputs", [])
    sentences: list[str] = option(
        "texts whose attention maps are drawn; empty for none",
        [
            "The old lighthouse keeper said that he had never seen the sea so calm.",
            "She didn't like the soup, but the bread was better than I had expected.",
        ],
    )
    head: int | None = option(
        "attention head that is drawn, counted from 1; null for the mean over all", None, at_least=1
    )
    sweeps: bool = option("end a sweep with a report of all its jobs", True)


@dataclass
class Search:
    """Which shapes of a student are tried, and what is asked of the one that is chosen."""

    target_ms: float | None = option("milliseconds for an answer, at most; null for any", None, at_least=0)
    retention: float | None = option(
        "share of the teacher's score, at least; the fastest shape that keeps it is chosen", None, at_least=0
    )
    num_layers: list[int] = option("Transformer layers of the shapes", [2, 3, 4])
    hidden_size: list[int] = option("widths of the hidden states", [96, 144, 192, 288])
    feed_forward: list[float] = option("widths of the feed-forward layers, as multiples of those", [4.0])
    train: int = option("shapes, at most, that are trained after all were solved and timed", 3, at_least=1)
    runtime: str = option("the form that is timed", "onnx_int8", choices=("onnx_int8", "onnx", "pytorch"))
    threads: int = option("threads that compute", 1, at_least=1)
    batch_size: int = option("rows in an answer that is timed", 1, at_least=1)
    length: int = option("tokens in a row that is timed", 128, at_least=1)
    seconds: float = option("how long each shape is timed", 1.0, at_least=0, at_most=3600)


@dataclass
class Pipeline:
    """All stages that a distilled model of a task takes."""

    tasks: list[str] = option("files of conf/task, or glue for all of its tasks; empty for the one of task=", [])
    glue: list[str] = option(
        "what glue stands for", ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]
    )
    budget: str | None = option(
        "time in which all of it is to end, as in 30min, 2h or 1h30min: this machine is measured, and what is trained "
        "is as long as fits; null for the lengths that the other options say",
        None,
    )
    pairs: bool = option(
        "tasks of two texts: train on new pairs of them too (augmentation.method=neighbors), labeled by the teacher",
        True,
    )
    augment: bool = option(
        "train on rows with replaced words instead; where there is no masked LM, stage=pretrain makes it first", False
    )
    baseline: bool = option("train a student without distillation too, from random weights, to compare with", True)
    export: bool = option("stage=export at the end: ONNX files and a model card", False)
    certify: bool = option(
        "stage=certify after that: the student beside its teacher, with bounds, and a cascade", False
    )
    report: bool = option("stage=report at the end: the results on one page", True)
    latency_length: int = option("tokens of the row whose answer is timed", 128, at_least=1)
    latency_seconds: float = option("how long each model is timed", 2.0, at_least=0, at_most=3600)


PIECES = ("general", "finetune", "intermediate", "prediction", "augmentation", "tokenization", "latency")


@dataclass
class Benchmark:
    """What is measured of this machine at work, with the settings of the stages."""

    pieces: list[str] = option(f"any of {', '.join(PIECES)}: in this order", list(PIECES))
    seconds: float = option("how long each piece is timed, a few steps at least", 8.0, at_least=0, at_most=3600)
