"""The stages: what each of them computes."""

from dataclasses import dataclass, field
from typing import Any

from tinydistill.config.schema.option import option


@dataclass
class Optimised:
    """How weights are stepped, wherever a model is trained."""

    accumulate: int = option("batches per optimiser step", at_least=1)
    warmup: float = option("share of the steps in which the rate rises, before it falls linearly to 0", at_least=0)
    weight_decay: float = option("AdamW's, not for biases and LayerNorms", at_least=0)
    clip: float = option("largest gradient norm; 0 for no limit", at_least=0)


@dataclass
class General(Optimised):
    """General distillation: what is computed."""

    epochs: int = option("passes over the corpus", at_least=1)
    max_steps: int | None = option("stop after this many steps; 0 for the student as it starts", at_least=0)
    max_length: int = option("word pieces in a block, [CLS] and [SEP] included", at_least=8)
    batch_size: int = option("blocks per device and forward pass", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)
    heldout_fraction: float = option("share of the documents kept out of training", at_least=0)
    heldout_blocks: int = option("held-out blocks used at most", at_least=1)
    sample_tokens: int = option("training tokens that start=closed_form and mapping=auto look at", at_least=1)


@dataclass
class Pretrain(Optimised):
    """Masked-language-model training: what is computed."""

    epochs: int = option("passes over the corpus", at_least=1)
    max_steps: int | None = option("stop after this many optimiser steps", at_least=1)
    max_length: int = option("word pieces in a block, [CLS] and [SEP] included", at_least=8)
    batch_size: int = option("blocks per device and forward pass", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)
    dropout: float = option("dropout of hidden states and attention while training", at_least=0)
    heldout_fraction: float = option("share of the documents kept out of training", at_least=0)
    heldout_blocks: int = option("held-out blocks used at most", at_least=1)
    masked_share: float = option("share of the text that the model is asked for, between 0 and 1", at_least=0)
    as_mask: float = option("share of that which becomes the mask token", at_least=0)
    as_random: float = option("share of that which becomes any other piece; the rest stays as it is", at_least=0)
    whole_words: bool = option("ask for all pieces of a word or for none")
    sample_tokens: int = option("training tokens whose frequencies are a new head's first bias", at_least=1)


@dataclass
class FinetuneRun:
    """How long and how fast one of the models learns."""

    epochs: int = option("passes over the training rows", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)


@dataclass
class Finetune(Optimised):
    """Supervised training on a task, without distillation."""

    model: str = option("which model: the student's score is the baseline of distillation", "teacher", "student")
    batch_size: int = option("rows per device and forward pass", at_least=1)
    teacher: FinetuneRun = field(default_factory=FinetuneRun)
    student: FinetuneRun = field(default_factory=FinetuneRun)


@dataclass
class Distill:
    """Task distillation: which of its parts, and what is checked of the teacher before."""

    phases: str = option(
        "both in this order, one alone, or merged: both losses at once, with the options of prediction",
        *("both", "intermediate", "prediction", "merged"),
    )
    check_labels: bool = option("stop where the teacher's names of the labels aren't the task's in their order")
    check_score: bool = option("stop where the teacher is no better than the majority class")


@dataclass
class Augmentation:
    """Rows made from the training rows."""

    path: str | None = option("stage=task: Parquet file of stage=augment; null trains on the task's own rows")
    model: str | None = option("masked LM; null for what stage=pretrain made of the teacher, or the teacher itself")
    input: str | None = option("a table to augment instead of the training rows, labelled or not")
    rows: int = option("new rows made from each row, and in pairs from each of its texts (the paper's N)", at_least=0)
    probability: float = option("share of the words that are replaced (the paper's p)", at_least=0)
    candidates: int = option("words that a replacement is drawn from (the paper's K)", at_least=1)
    several_pieces: str = option(
        "words of several pieces, unless word_vectors knows them: one mask in their place, words of like embeddings, "
        "or as they are",
        "masked_lm",
        "embeddings",
        "keep",
    )
    word_vectors: str | None = option("GloVe or word2vec text for words of several pieces, plain or gz/xz/zst")
    stop_words: str | None = option("words that stay, one a line; null for English function words")
    batch_size: int = option("groups of 1,024 masked word pieces between two writes; no row depends on it", at_least=1)


@dataclass
class Phase(Optimised):
    """One phase of task distillation."""

    epochs: int = option("passes over the training rows, augmented ones if there are", at_least=1)
    max_steps: int | None = option("stop after this many optimiser steps", at_least=1)
    batch_size: int = option("rows per device and forward pass", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)


@dataclass
class Prediction(Phase):
    """The prediction phase: the teacher's logits, or for a regression its scores."""

    temperature: float = option("classes: what both sides' logits are divided by", at_least=0.01)
    scale_by_temperature: bool = option("classes: multiply the loss by temperature², which keeps its gradients' size")
    hard_share: float = option("weight of the labels' loss, 0 to 1; the teacher has the rest", at_least=0)


@dataclass
class Evaluate:
    """What is scored."""

    path: str | None = option("directory or hub name of a model with a head; null for what stage=task made")
    batch_size: int = option("rows per forward pass", at_least=1)
    submission: list[str] = option("the files of a whole submission to GLUE; they are zipped when all are there")


@dataclass
class ExportLatency:
    """What is timed of teacher and student: every combination."""

    batch_sizes: list[int] = option("rows in a batch")
    lengths: list[int] = option("word pieces in a row")
    threads: list[Any] = option("threads that compute; null for all cores")
    seconds: float = option("how long each model is timed in each combination, five times at least", at_least=0)


@dataclass
class Export:
    """A model as it is shipped: in which formats, how true they must be, what is measured."""

    path: str | None = option("directory or hub name of a model with a head; null for what stage=task made")
    formats: list[str] = option("beside the Hugging Face directory: any of onnx, onnx_int8")
    max_difference: float = option("fp32: largest difference of a logit from PyTorch's", at_least=0)
    least_equal: float = option("int8, classes: share of the rows with PyTorch's answer, at least", at_least=0)
    least_correlation: float = option("int8, numbers: correlation with PyTorch's, at least", at_least=-1)
    batch_size: int = option("rows per forward pass of these checks", at_least=1)
    license: str | None = option("licence of the weights, as in apache-2.0; null for the teacher's")
    push: bool = option("upload the finished directory to the hub, with the token of HF_TOKEN or hf auth login")
    repo: str | None = option("the repository that it goes to, USER/NAME; made where there is none")
    private: bool = option("whether a repository that is made is private")
    latency: ExportLatency = field(default_factory=ExportLatency)


@dataclass
class Report:
    """Which artifacts are shown side by side."""

    paths: list[str] = option("artifacts, or directories searched for them, as of a sweep; empty for paths.outputs")
    sentences: list[str] = option("texts whose attention maps are drawn; empty for none")
    head: int | None = option("attention head that is drawn, counted from 1; null for the mean over all", at_least=1)
    sweeps: bool = option("end a sweep with a report of all its jobs")


@dataclass
class Pipeline:
    """All stages that a distilled model of a task takes."""

    tasks: list[str] = option("files of conf/task, or glue for all of its tasks; empty for the one of task=")
    glue: list[str] = option("what glue stands for")
    general: bool = option("train the general student; false takes a student with its first weights in its place")
    augment: bool = option("train on augmented rows; where there is no masked LM, stage=pretrain makes it first")
    baseline: bool = option("train a student without distillation too, from random weights, to compare with")
    export: bool = option("stage=export at the end: ONNX files and a model card")
    report: bool = option("stage=report at the end: what came of it on one page")
    latency_length: int = option("word pieces of the row whose answer is timed", at_least=1)
    latency_seconds: float = option("how long each model is timed", at_least=0)


@dataclass
class Benchmark:
    """What is measured of this machine at work, with the settings of the stages."""

    pieces: list[str] = option(
        "any of general, intermediate, prediction, augmentation, tokenisation, latency: in this order"
    )
    seconds: float = option("how long each piece is timed, a few steps at least", at_least=0)
