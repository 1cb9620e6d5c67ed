"""The stages: what each of them computes."""

import math
from dataclasses import dataclass, field

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
    sample_tokens: int = option("tokens of the task's rows that a new student is solved on", 120_000, at_least=1)
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
