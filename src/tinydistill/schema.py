"""The options there are, with their types, their choices and what they mean. Values live in conf/ alone."""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

STAGES = {
    "general": "pre-trained teacher -> general student, on plain text",
    "finetune": "pre-trained teacher -> teacher of a task; finetune.model=student for the baseline",
    "task": "fine-tuned teacher and general student -> student of a task",
    "evaluate": "scores, predictions and GLUE submission of any fine-tuned or distilled model",
}


def option(meaning: str, *choices: str, at_least: float | None = None) -> Any:
    """A field that conf/ must set: what it means, the words it may be, the smallest number it may be."""
    return field(default=MISSING, metadata={"meaning": meaning, "choices": choices, "at_least": at_least})


@dataclass
class Paths:
    """Where things are kept."""

    outputs: str = option("artifacts go below this directory")
    cache: str = option("tokenised data and downloads that can be made again")
    glue: str | None = option("directory of the GLUE tasks in their original layout; null takes them from the hub")


@dataclass
class Teacher:
    """The encoder that is imitated: frozen, always in eval mode."""

    path: str = option("directory or hub name of any encoder that AutoModel loads")
    revision: str | None = option("branch, tag or commit on the hub")


@dataclass
class Student:
    """The small encoder: the teacher's architecture and vocabulary at another size."""

    name: str = option("the word for it in the names of outputs")
    path: str | None = option("start from this directory or hub name; its own size and weights are kept")
    init: str = option("how the weights start", "closed_form", "teacher_layers", "random")
    num_layers: int = option("Transformer layers", at_least=1)
    hidden_size: int = option("width of the hidden states", at_least=1)
    intermediate_size: int = option("width of the feed-forward layers", at_least=1)
    num_heads: int = option("attention heads; the attention loss needs the teacher's number", at_least=1)
    dropout: float = option("dropout of hidden states and attention while training", at_least=0)
    learning_rate: float = option("peak rate of the general stage that suits this size", at_least=0)


@dataclass
class Mapping:
    """Which teacher layer each student layer learns from: n = g(m)."""

    strategy: str = option("the rule", "uniform", "top", "bottom", "last", "auto", "list")
    layers: list[Any] | None = option("for strategy=list: one teacher layer per student layer, null for none")


@dataclass
class Objective:
    """Which losses, and how they are weighed."""

    name: str = option("the word for it in the names of outputs")
    embedding: float = option("weight of the embedding loss", at_least=0)
    hidden: float = option("weight of the hidden-state losses", at_least=0)
    attention: float = option("weight of the attention-score losses", at_least=0)
    relation: float = option("weight of the MiniLMv2 query, key and value relation losses", at_least=0)
    relation_heads: int = option("relation heads; must divide both widths", at_least=1)
    scale: str = option("a term as it is, or over the teacher's variance at its layer", "raw", "teacher_variance")
    projection: str = option("linear maps from student to teacher width", "per_layer", "shared", "none")


@dataclass
class Corpus:
    """Plain text for the general stage."""

    name: str = option("the word for it in the names of outputs")
    kind: str = option("where text comes from", "docstrings", "files", "hub")
    paths: list[str] = option("kind=files: files, directories or globs")
    text_column: str = option("column of the text in JSONL and Parquet")
    encoding: str = option("kind=files: encoding of the text")
    max_megabytes: float | None = option("kind=docstrings: take this much text at most", at_least=0)
    repo: str | None = option("kind=hub: name of the data set")
    config: str | None = option("kind=hub: configuration of the data set")
    split: str | None = option("kind=hub: split of the data set")


@dataclass
class General:
    """General distillation: what is computed."""

    epochs: int = option("passes over the corpus", at_least=1)
    max_steps: int | None = option("stop after this many optimiser steps", at_least=1)
    max_length: int = option("word pieces in a block, [CLS] and [SEP] included", at_least=8)
    batch_size: int = option("blocks per device and forward pass", at_least=1)
    accumulate: int = option("batches per optimiser step", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)
    warmup: float = option("share of the steps in which the rate rises, before it falls linearly to 0", at_least=0)
    weight_decay: float = option("AdamW's, not for biases and LayerNorms", at_least=0)
    clip: float = option("largest gradient norm; 0 for no limit", at_least=0)
    heldout_fraction: float = option("share of the documents kept out of training", at_least=0)
    heldout_blocks: int = option("held-out blocks used at most", at_least=1)
    sample_tokens: int = option("training tokens that start=closed_form and mapping=auto look at", at_least=1)


@dataclass
class FinetuneRun:
    """How long and how fast one of the models learns."""

    epochs: int = option("passes over the training rows", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)


@dataclass
class Finetune:
    """Supervised training on a task, without distillation."""

    model: str = option("which model: the student's score is the baseline of distillation", "teacher", "student")
    batch_size: int = option("rows per device and forward pass", at_least=1)
    accumulate: int = option("batches per optimiser step", at_least=1)
    warmup: float = option("share of the steps in which the rate rises, before it falls linearly to 0", at_least=0)
    weight_decay: float = option("AdamW's, not for biases and LayerNorms", at_least=0)
    clip: float = option("largest gradient norm; 0 for no limit", at_least=0)
    teacher: FinetuneRun = field(default_factory=FinetuneRun)
    student: FinetuneRun = field(default_factory=FinetuneRun)


@dataclass
class Distil:
    """Task distillation: which of its parts, and what is checked of the teacher before."""

    phases: str = option("which phases, in this order", "both", "intermediate", "prediction")
    check_labels: bool = option("stop where the teacher's names of the labels aren't the task's in their order")
    check_score: bool = option("stop where the teacher is no better than the majority class")


@dataclass
class Augmentation:
    """Rows made from the training rows."""

    path: str | None = option("Parquet file of stage=augment; null trains on the task's own rows")


@dataclass
class Phase:
    """One phase of task distillation."""

    epochs: int = option("passes over the training rows, augmented ones if there are", at_least=1)
    max_steps: int | None = option("stop after this many optimiser steps", at_least=1)
    batch_size: int = option("rows per device and forward pass", at_least=1)
    accumulate: int = option("batches per optimiser step", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)
    warmup: float = option("share of the steps in which the rate rises, before it falls linearly to 0", at_least=0)
    weight_decay: float = option("AdamW's, not for biases and LayerNorms", at_least=0)
    clip: float = option("largest gradient norm; 0 for no limit", at_least=0)


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
class IntermediateDefaults:
    """The intermediate phase (embedding, hidden, attention) as the paper does it on this task."""

    epochs: int = option("passes over the training rows, augmented ones if there are", at_least=1)
    batch_size: int = option("rows per device and forward pass", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)


@dataclass
class PredictionDefaults:
    """The prediction phase (the teacher's logits) as the paper does it on this task."""

    epochs: int = option("passes over the training rows, augmented ones if there are", at_least=1)
    batch_size: int = option("rows per device and forward pass", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)
    batch_sizes: list[int] = option("batch sizes that a search tries")
    learning_rates: list[float] = option("learning rates that a search tries")


@dataclass
class AugmentationDefaults:
    """How the task's training rows are augmented in the paper and its code."""

    rows: int = option("augmented rows made from each training row (the paper's N)", at_least=0)
    probability: float = option("share of the words that are replaced (the paper's p)", at_least=0)
    candidates: int = option("words that a replacement is drawn from (the paper's K)", at_least=1)


@dataclass
class Task:
    """What is learnt from labelled rows: where these are, what is predicted, how it is scored."""

    name: str = option("the word for it in the names of outputs")
    kind: str = option("where rows come from; glue reads paths.glue=DIR if that is set", "docstrings", "files", "glue")
    text: str = option("column of the text")
    text_pair: str | None = option("column of the second text")
    label: str | None = option("column of the label")
    labels: list[Any] = option("class names in the order of their numbers; empty to take the training file's")
    regression: bool | None = option("predict a number; null decides by the training file's labels")
    metrics: list[str] = option("any of accuracy, f1, matthews, pearson, spearman")
    monitor: str = option("the one that counts", "accuracy", "f1", "matthews", "pearson", "spearman")
    max_length: int = option("word pieces in a row, special tokens included", at_least=8)
    train: str | None = option("kind=files: CSV, TSV, JSONL or Parquet, plain or gz/xz/zst")
    validation: str | None = option("kind=files: the same; null cuts it off the training file")
    test: str | None = option("kind=files: the same, with or without labels")
    validation_fraction: float = option("kind=files: share of the training rows that is cut off", at_least=0)
    split_seed: int = option("kind=files: which rows are cut off", at_least=0)
    encoding: str = option("kind=files: encoding of the text")
    quoting: bool | None = option("kind=files: whether quotes delimit cells; null: in CSV they do, in TSV not")
    train_rows: int | None = option("kind=docstrings: training rows of each library at most", at_least=1)
    validation_rows: int | None = option("kind=docstrings: validation rows of each library", at_least=1)
    repo: str | None = option("kind=glue: data set on the hub")
    config: str | None = option("kind=glue: its configuration")
    directory: str | None = option("kind=glue: directory below paths.glue")
    tsv_text: str | None = option("kind=glue: column of the text in the original files")
    tsv_text_pair: str | None = option("kind=glue: column of the second text in the original files")
    tsv_label: str | None = option("kind=glue: column of the label in the original files")
    tsv_header: list[str] = option("kind=glue: columns of the original files that have no header")
    tsv_skip_damaged: bool = option("kind=glue: leave out labelled rows with a wrong number of cells")
    validation_splits: list[str] = option("kind=glue: validation splits; the first is the one to monitor")
    test_splits: list[str] = option("kind=glue: test splits")
    submission: list[str] = option("files of the test splits in a submission to GLUE; empty for none")
    submission_labels: list[str] = option("what these files call the classes, in the order of their numbers")
    intermediate: IntermediateDefaults = field(default_factory=IntermediateDefaults)
    prediction: PredictionDefaults = field(default_factory=PredictionDefaults)
    augmentation: AugmentationDefaults = field(default_factory=AugmentationDefaults)


@dataclass
class Trainer:
    """How fast, never what: devices, precision, workers, checkpoints."""

    accelerator: str = option("Lightning's accelerator", "auto", "cpu", "gpu")
    devices: Any = option("number of devices, or auto")
    num_nodes: int = option("machines", at_least=1)
    strategy: str = option("Lightning's strategy, as in ddp or fsdp")
    precision: str = option("auto is bf16-mixed where the hardware multiplies bf16", "auto", "32", "bf16-mixed")
    workers: int = option("processes that load batches; 0 loads in the training process", at_least=0)
    validations: int = option("held-out evaluations in the middle of training", at_least=0)
    checkpoint_minutes: float = option("minutes between checkpoints to resume from", at_least=0)
    progress: bool = option("show progress")


@dataclass
class Logger:
    """Where metrics go, beside the artifact's own CSV files."""

    kinds: list[str] = option("any of csv, tensorboard, wandb")
    project: str = option("project in Weights & Biases")
    group: str | None = option("group in Weights & Biases")


@dataclass
class Config:
    """Everything there is to choose."""

    stage: str = option("what to do", *STAGES)
    seed: int = option("of initialisation, data order and dropout", at_least=0)
    output_dir: str | None = option("where the artifact is published; null for a name made from the choices")
    overwrite: bool = option("replace an output made with other settings")
    paths: Paths = field(default_factory=Paths)
    teacher: Teacher = field(default_factory=Teacher)
    student: Student = field(default_factory=Student)
    mapping: Mapping = field(default_factory=Mapping)
    objective: Objective = field(default_factory=Objective)
    corpus: Corpus = field(default_factory=Corpus)
    general: General = field(default_factory=General)
    task: Task = field(default_factory=Task)
    finetune: Finetune = field(default_factory=Finetune)
    distil: Distil = field(default_factory=Distil)
    augmentation: Augmentation = field(default_factory=Augmentation)
    intermediate: Phase = field(default_factory=Phase)
    prediction: Prediction = field(default_factory=Prediction)
    evaluate: Evaluate = field(default_factory=Evaluate)
    trainer: Trainer = field(default_factory=Trainer)
    logger: Logger = field(default_factory=Logger)
