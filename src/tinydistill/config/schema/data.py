"""Text and labelled rows."""

from dataclasses import dataclass, field
from typing import Any

from tinydistill.config.schema.option import option


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
class FinetuneDefaults:
    """Supervised training on this task."""

    epochs: int = option("passes of the teacher over the training rows", at_least=1)
    learning_rate: float = option("the teacher's peak learning rate", at_least=0)
    student_epochs: int = option("passes of a student without distillation", at_least=1)


@dataclass
class IntermediateDefaults:
    """The intermediate phase (embedding, hidden, attention) as the paper does it on this task."""

    epochs: int = option("passes over the training rows, augmented ones if there are", at_least=1)
    batch_size: int = option("rows per device and forward pass", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)


@dataclass
class PredictionDefaults(IntermediateDefaults):
    """The prediction phase (the teacher's logits) as the paper does it on this task."""

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
    train_share: float = option("share of the training rows that is learned from, a fixed sample", at_least=0)
    split_seed: int = option("which rows are cut off, and which are the share", at_least=0)
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
    also: list[str] = option("tasks without rows to learn from that stage=pipeline evaluates this one's model on")
    finetune: FinetuneDefaults = field(default_factory=FinetuneDefaults)
    intermediate: IntermediateDefaults = field(default_factory=IntermediateDefaults)
    prediction: PredictionDefaults = field(default_factory=PredictionDefaults)
    augmentation: AugmentationDefaults = field(default_factory=AugmentationDefaults)
