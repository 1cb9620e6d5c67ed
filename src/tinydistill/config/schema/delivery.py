"""What is done with models that are made: answers, scores, files to ship, certificates, reports, searches."""

from dataclasses import dataclass, field
from typing import Any

from tinydistill.config.schema.option import option


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
    language: str | None = option("language of the texts, as in en; null for what the base model's card says", None)
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
    tolerance: float = option(
        "numbers: share of the range of the training rows' labels within which two answers are alike",
        0.1,
        at_least=0,
        at_most=1,
    )
    columns: list[str] = option("further columns of the rows' file whose values are looked at by themselves", [])
    typos: float = option(
        "share of the longer words that get a typo, to see what changes; 0 for no typos", 0.1, at_least=0, at_most=1
    )
    augmented: float = option(
        "share of the words, function words apart, that are replaced by some whose embeddings in the teacher are near; "
        "0 for none",
        0.0,
        at_least=0,
        at_most=1,
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
        "share of the teacher's score, at least, that the chosen shape keeps; null for any", None, at_least=0
    )
    num_layers: list[int] = option("Transformer layers of the shapes", [2, 3, 4])
    hidden_size: list[int] = option("widths of the hidden states", [96, 144, 192, 288])
    feed_forward: list[float] = option("widths of the feed-forward layers, as multiples of those", [4.0])
    vocabulary: list[str] = option(
        "vocabularies of the shapes, as student.vocabulary has them: [teacher,corpus] tries both",
        ["${student.vocabulary}"],
        choices=("teacher", "corpus"),
    )
    train: int = option("shapes, at most, that are trained after all were solved and timed", 3, at_least=1)
    runtime: Any = option(
        "the form that is timed; of a list, [onnx,onnx_int8], each is, and one of them chosen",
        "onnx_int8",
        choices=("onnx_int8", "onnx", "openvino", "pytorch"),
    )
    prefer: str = option(
        "which is chosen of those that keep search.retention, and of the forms of a shape",
        "fastest",
        choices=("fastest", "smallest"),
    )
    threads: int = option("threads that compute", 1, at_least=1)
    batch_size: int = option("rows in an answer that is timed", 1, at_least=1)
    length: int = option("tokens in a row that is timed", 128, at_least=1)
    seconds: float = option("how long each shape is timed", 1.0, at_least=0, at_most=3600)

    @property
    def forms(self) -> list[str]:
        """Those that are timed, each once."""
        return list(dict.fromkeys([self.runtime] if isinstance(self.runtime, str) else self.runtime or ()))
