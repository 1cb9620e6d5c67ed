"""Labeled rows."""

from dataclasses import dataclass, field
from typing import Any

from tinydistill.config.schema.option import RATE, SEED, option


@dataclass
class FinetuneDefaults:
    """Supervised training on this task."""

    epochs: int | None = option(
        "passes of the teacher over the training rows, at most; null chooses by their number", None, at_least=1
    )
    learning_rate: Any = option(
        "the teacher's peak learning rate, or a list of those to try", 5e-5, at_least=0, at_most=RATE
    )
    student_epochs: int = option("passes of a student without distillation", 10, at_least=1)


@dataclass
class IntermediateDefaults:
    """The intermediate phase (embedding, hidden, attention) on this task.

    The rates of both phases are larger than the paper's, 5e-5 and 3e-5: small students stand that, and need it.
    """

    epochs: int | None = option("passes over the training rows; null: by their number", None, at_least=1)
    batch_size: int = option("rows per device and forward pass", 32, at_least=1)
    learning_rate: float = option("peak learning rate", 3e-4, at_least=0, at_most=RATE)


@dataclass
class PredictionDefaults:
    """The prediction phase (the teacher's logits) on this task."""

    epochs: int | None = option("passes over the training rows; null: by their number", None, at_least=1)
    batch_size: int = option("rows per device and forward pass", 32, at_least=1)
    learning_rate: float = option("peak learning rate", 1e-4, at_least=0, at_most=RATE)


@dataclass
class AugmentationDefaults:
    """How the task's training rows are augmented in the paper and its code."""

    rows: int = option("augmented rows made from each training row (the paper's N)", 20, at_least=0)
    probability: float = option("share of the words that are replaced (the paper's p)", 0.4, at_least=0, at_most=1)
    candidates: int = option("words that a replacement is drawn from (the paper's K)", 15, at_least=1)


@dataclass
class Task:
    """What is learned from labeled rows: where these are, what is predicted, how it is scored."""

    name: str = option("the word for it in the names of outputs")
    source: dict[str, Any] = option("where rows come from: `_target_` and its arguments", {})
    text: str = option("column of the text", "text")
    text_pair: str | None = option("column of the second text", None)
    label: str | None = option("column of the label", "label")
    labels: list[Any] = option("class names in the order of their numbers; empty to take the training file's", [])
    label_columns: list[str] = option(
        "task=multilabel_files: a column of 0 and 1 for each label, in place of the one with lists of labels", []
    )
    label_separator: str | None = option(
        "task=multilabel_files: what is between the labels of a text that is no list: comma, semicolon, tab, pipe, "
        "space, or the characters themselves",
        None,
    )
    answer_start: str = option(
        "task=question_files: column of the answers' first characters, counted from 0; files may lack it",
        "answer_start",
    )
    max_answer_length: int = option("of questions: tokens in an answer at most", 30, at_least=1)
    regression: bool | None = option("predict a number; null decides by the training file's labels", None)
    metrics: list[str] = option(
        "of classes accuracy, f1, matthews; of numbers pearson, spearman; of tags entity_f1, token_accuracy; of "
        "answers answer_f1, exact_match; of embeddings spearman, pearson, ndcg_at_10, cosine; of several labels "
        "micro_f1, macro_f1, subset_accuracy",
        ["accuracy"],
    )
    monitor: str = option("the one that counts, and chooses the best epoch", "accuracy")
    max_length: int = option("tokens in a row, special ones included", 64, at_least=8)
    train: Any = option(
        "task=files: CSV, TSV, JSONL or Parquet, plain or gz/xz/zst; task=embedding_files: such files, and any others "
        "with a text a line, directories and globs, or a list of these",
        None,
    )
    validation: str | None = option("task=files: the same; null cuts it off the training file", None)
    test: str | None = option("task=files: the same, with or without labels", None)
    soft_labels: list[str] = option(
        "task=files: columns of probabilities that take a teacher's place: one a class in their order, or a single one "
        "with a list, or an object by label, in every cell",
        [],
    )
    unlabeled: str | None = option(
        "a file of further rows with the columns of the training rows; the teacher's answers are their labels", None
    )
    validation_fraction: float = option("task=files: share of the training rows that is cut off", 0.1, above=0, below=1)
    split_seed: int = option(
        "which rows are cut off or kept aside, and which are the share", 0, at_least=0, at_most=SEED
    )
    encoding: str = option("task=files: encoding of the text", "utf-8")
    quoting: bool | None = option("task=files: whether quotes delimit cells; null: in CSV they do, in TSV not", None)
    delimiter: str | None = option(
        "task=files: what separates cells; null: a comma in CSV, a tab in TSV, or what the header with the columns has",
        None,
        choices=("comma", "semicolon", "tab", "pipe"),
    )
    train_share: float = option(
        "share of the training rows that is learned from, a fixed sample", 1.0, above=0, at_most=1
    )
    selection_rows: int = option(
        "training rows kept aside to choose the best epoch and rate by, at most a tenth of them; 0 chooses by the "
        "first validation split",
        1000,
        at_least=0,
    )
    max_rows: int | None = option("at most so many rows of every split, to try whether all runs", None, at_least=2)
    validation_splits: list[str] = option(
        "validation splits; the score of the first is the one that counts", ["validation"]
    )
    test_splits: list[str] = option("test splits", [])
    submission: list[str] = option("files of the test splits in a submission to GLUE; empty for none", [])
    submission_labels: list[str] = option("what these files call the classes, in the order of their numbers", [])
    corpus: list[str] = option(
        "task=embedding_files: documents whose sentences are rows too, as corpus.paths takes them", []
    )
    max_sentences: int | None = option(
        "task=embedding_files: sentences of task.corpus, at most; null for all", 50_000, at_least=1
    )
    sts: Any = option(
        "embeddings: a file of pairs of texts with a score of how alike they are, or a list of such files", None
    )
    sts_columns: list[str] = option(
        "embeddings: its columns of first text, second text and score", ["text", "text_pair", "score"]
    )
    queries: str | None = option("embeddings: a file of queries, with their ids, as BEIR has it", None)
    documents: str | None = option("embeddings: a file of documents, with their ids, that queries are to find", None)
    relevance: str | None = option("embeddings: a file that says which document is relevant to which query", None)
    also: list[str] = option("tasks without training rows that stage=pipeline evaluates this one's model on", [])
    finetune: FinetuneDefaults = field(default_factory=FinetuneDefaults)
    intermediate: IntermediateDefaults = field(default_factory=IntermediateDefaults)
    prediction: PredictionDefaults = field(default_factory=PredictionDefaults)
    paper_epochs: int = option("passes of the paper's intermediate phase over its augmented rows", 20, at_least=1)
    augmentation: AugmentationDefaults = field(default_factory=AugmentationDefaults)
