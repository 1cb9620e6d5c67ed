"""The whole pipeline as a function: what `stage=pipeline` does, for a notebook or another program."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import transformers
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tinydistill import stages
from tinydistill.artifacts.provenance import record_of
from tinydistill.config.compose import composed
from tinydistill.errors import InputError
from tinydistill.models.loading import save_model
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER

_ROLES = {TEACHER: "teacher", BASELINE: "baseline", STUDENT: "student"}


@dataclass(frozen=True, eq=False)
class DistillResult:
    """What a distillation made.

    Attributes:
        table: a row a model, by its name (the teacher, the student trained on labels alone, the distilled student
            before its first step, and after its last), with `metric`, `score`, `interval` (95%, over rows), `retention`
            in percent of the teacher's, `parameters`, `bytes`, `latency_ms` and `speedup`.
        paths: the directories of teacher, baseline and student, of the comparison, and of the report if there is one.
    """

    table: pd.DataFrame
    paths: dict[str, Path]

    @property
    def score(self) -> float | None:
        """The distilled student's, in the metric of the task."""
        score: float | None = self.table["score"].iloc[-1]
        return score

    @cached_property
    def student(self) -> PreTrainedModel:
        """The distilled student, in eval mode."""
        config = AutoConfig.from_pretrained(self.paths["student"], trust_remote_code=False)
        return getattr(transformers, config.architectures[0]).from_pretrained(self.paths["student"])

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The student's."""
        return AutoTokenizer.from_pretrained(self.paths["student"], trust_remote_code=False)


def distill(
    model: str | Path | PreTrainedModel,
    train: Any,
    *,
    text: str | None = None,
    label: str | None = None,
    text_pair: str | None = None,
    task: str = "files",
    validation: Any = None,
    test: Any = None,
    student: str = "tiny3",
    tokenizer: PreTrainedTokenizerBase | None = None,
    out: str | Path = "outputs",
    overrides: Sequence[str] = (),
) -> DistillResult:
    """Distill a model into a small student of a task, and compare them; a second call returns what is finished.

    Args:
        model: a fine-tuned encoder with a classification head, or one without, which is fine-tuned first: its
            directory, its name on the hub, or the model itself with its `tokenizer`.
        train: labeled rows: a CSV, TSV, JSON lines or Parquet file, a pandas DataFrame, or a `datasets.Dataset`.
        text: the column of the text; None for the task's usual one, `text`.
        label: the column of the label: class names, or numbers to regress on; None for `label`.
        text_pair: the column of the second text, for pairs.
        task: what the rows are, a file of conf/task: files for a label or number a text, tag_files for a tag a word.
        validation: rows to score on, as `train`; None cuts a tenth off the training rows.
        test: further rows, labeled or not, that are predicted.
        student: the student's size: a file of conf/student, such as tiny3, tinybert4, tinybert6.
        tokenizer: of a `model` that is given as an object.
        out: the directory of everything that is made.
        overrides: any options of the command line, as in ["general.max_steps=200", "pipeline.export=true"].

    Raises:
        InputError: the model or the rows can't be used.
        UserError: an override is wrong.

    Examples:
        >>> result = distill("my-finetuned-bert", "rows.csv", text="message", label="team", out="small")
        >>> result.student.num_parameters()
    """
    directory = Path(out)
    given = directory / "given"
    splits = {"train": train, "validation": validation, "test": test}
    columns = {"text": text, "text_pair": text_pair, "label": label}
    config = composed(
        ["stage=pipeline", f"task={task}", f"student={student}", *overrides],
        {
            "teacher.path": _saved(model, tokenizer, given / "model"),
            "paths.outputs": str(directory),
            "output_dir": str(directory / "comparison"),
            **{f"task.{name}": column for name, column in columns.items() if column is not None},
            **({"task.max_length": 128} if text_pair and not _sets(overrides, "task.max_length") else {}),
            **{f"task.{name}": _written(rows, given / f"{name}.parquet") for name, rows in splits.items()},
        },
    )
    stages.run(config)
    made = record_of(directory / "comparison")
    assert made is not None
    rows = made.result["models"]
    paths = {_ROLES[row["model"]]: Path(row["path"]) for row in rows if row["model"] in _ROLES and row["path"]}
    table = pd.DataFrame(rows).set_index("model").drop(columns=["task", "path", "latency_p95_ms"], errors="ignore")
    report = directory / "comparison-report"
    return DistillResult(table, paths | {"comparison": made.path} | ({"report": report} if report.is_dir() else {}))


def _sets(overrides: Sequence[str], option: str) -> bool:
    return any(word.lstrip("+").split("=")[0] == option for word in overrides)


def _saved(model: str | Path | PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, directory: Path) -> str:
    """Where a model is, after it has been saved if it was given as an object."""
    if isinstance(model, str | Path):
        return str(model)
    if tokenizer is None:
        raise InputError("a model that is given as an object needs its tokenizer", "set {distill.tokenizer}")
    save_model(model, tokenizer, directory)
    return str(directory)


def _written(rows: Any, file: Path) -> str | None:
    """The file of some rows, after they have been written if they were given in memory."""
    if rows is None or isinstance(rows, str | Path):
        return None if rows is None else str(rows)
    file.parent.mkdir(parents=True, exist_ok=True)
    write = getattr(rows, "to_parquet", None)
    if write is None:
        raise InputError(
            f"rows of type {type(rows).__name__} can't be read", "give a file, a pandas DataFrame or a datasets.Dataset"
        )
    write(str(file))
    return str(file)
