from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from hydra.utils import instantiate

from tests.data.conftest import TSV_ODDITIES, task_complaint, task_options
from tinydistill.data.tasks.glue import GlueTask
from tinydistill.errors import InputError

GLUE = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")


def glue_task(task: str, root: Path | None = None) -> GlueTask:
    """The task as its file in conf/task describes it."""
    return instantiate(task_options(task, *([] if root is None else [f"paths.glue={root}"])).source)


@pytest.mark.parametrize("task", [*GLUE, "docstrings", "files"])
def test_every_task_names_its_columns_metrics_and_splits(task: str) -> None:
    values = task_options(task)
    assert values.name == task
    assert values.monitor == values.metrics[0]
    assert set(values.metrics) <= {"accuracy", "f1", "matthews", "pearson", "spearman"}
    assert values.max_length == (128 if values.text_pair else 32 if task == "docstrings" else 64)
    if task in GLUE:
        source = instantiate(values.source)
        assert (source.repo, source.config) == ("nyu-mll/glue", task)
        assert source.target.regression == (not values.labels) == (task == "stsb")


@pytest.mark.parametrize("task", ["sst2", "mrpc", "cola", "stsb", "qqp"])
def test_the_original_files_are_read_without_quoting_and_in_order(glue: Path, task: str) -> None:
    source = glue_task(task, glue)
    train, validation, test = source.train(), source.validation()["validation"], source.test()["test"]
    assert train.texts == list(TSV_ODDITIES)
    assert (len(validation), len(test)) == (3, 4)
    assert test.texts == train.texts[:4]
    assert test.labels is None
    assert (train.pairs is not None) == (task_options(task).text_pair is not None)
    if train.pairs:
        assert train.pairs[4] == "the cat sat 4"
    if task == "stsb":
        assert source.target.regression
        assert (train.labels.dtype, train.labels[:2].tolist()) == (np.float32, [0.25, 1.25])
    else:
        assert (train.labels.dtype, train.labels.tolist()) == (np.int64, [0, 1, 0, 1, 0, 1])


def test_mnli_has_two_validation_splits_the_monitored_one_first_and_labels_by_name(glue: Path) -> None:
    source = glue_task("mnli", glue)
    assert list(source.validation()) == ["validation_matched", "validation_mismatched"]
    assert source.validation()["validation_mismatched"].texts[0].startswith("dev_mismatched ")
    assert source.train().labels.tolist() == [0, 1, 2, 0]
    assert source.target.labels == ("entailment", "neutral", "contradiction")


def test_rows_that_are_cut_short_are_left_out_where_the_task_is_known_for_them(glue: Path) -> None:
    file = glue / "QQP/train.tsv"
    file.write_text(file.read_text() + "7\tbroken question\n8\ta\t\t1\n")
    train = glue_task("qqp", glue).train()
    assert (len(train), train.skipped, train.pairs[-1]) == (7, 1, "")
    file.write_text(file.read_text() + "9\tbroken\n" * 11)
    assert "12 rows have a wrong number of columns, 7 the right one" in task_complaint(glue_task("qqp", glue))
    (glue / "QQP/test.tsv").write_text("id\tquestion1\tquestion2\n0\ta\tb\n1\tc\n")
    with pytest.raises(InputError, match=r"test.tsv line 3 has too few columns"):
        glue_task("qqp", glue).test()


def test_a_missing_glue_file_or_column_is_named(glue: Path) -> None:
    assert f"there is no file {glue}/RTE/train.tsv: check GlueTask.root" in task_complaint(glue_task("rte", glue))
    (glue / "SST-2/train.tsv").write_text("text\tlabel\na\t1\n")
    message = task_complaint(glue_task("sst2", glue))
    assert (
        "SST-2/train.tsv has no column 'sentence' but text, label: set GlueTask.tsv_text to another column" in message
    )


def offer(monkeypatch: pytest.MonkeyPatch, load: Callable[..., datasets.Dataset]) -> None:
    monkeypatch.setattr(datasets, "load_dataset", load)


def hub_rows(labels: list[Any], names: list[str] | None = None) -> datasets.Dataset:
    rows = datasets.Dataset.from_dict({"sentence": [f"text {i}" for i in range(len(labels))], "label": labels})
    return rows.cast_column("label", datasets.ClassLabel(names=names)) if names else rows


def test_hub_rows_are_read_and_labels_of_minus_one_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["negative", "positive"]
    offer(monkeypatch, lambda *_, split, **__: hub_rows([-1, -1] if split == "test" else [1, 0], names))
    source = glue_task("sst2")
    assert source.train().texts == ["text 0", "text 1"]
    assert source.validation()["validation"].labels.tolist() == [1, 0]
    assert source.test()["test"].labels is None


def test_hub_labels_in_another_order_keep_their_names_and_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, lambda *_, **__: hub_rows([1, 0], ["positive", "negative"]))
    assert glue_task("sst2").train().labels.tolist() == [0, 1]
    offer(monkeypatch, lambda *_, **__: hub_rows([1, 0], ["negative", "good"]))
    message = task_complaint(glue_task("sst2"))
    assert "nyu-mll/glue/sst2/train row 0: 'good' in column 'label' is no label of this task" in message
    assert "negative, positive: fix the row, or name all that there are in Target.labels" in message


def test_hub_rows_without_the_column_list_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, lambda *_, **__: hub_rows([1, 0]))
    assert "has no column 'question' but sentence, label: set GlueTask.text" in task_complaint(glue_task("qnli"))


def test_without_a_network_the_hub_says_what_works_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> datasets.Dataset:
        raise ConnectionError("Couldn't reach 'nyu-mll/glue' on the Hub\nmany\nlines")

    offer(monkeypatch, unreachable)
    message = task_complaint(glue_task("sst2"))
    assert "nyu-mll/glue/sst2/train can't be loaded" in message
    assert all(way in message for way in ("GlueTask.root", "task:docstrings", "task:files"))


def test_a_development_file_of_one_class_is_refused(glue: Path) -> None:
    (glue / "SST-2/dev.tsv").write_text("sentence\tlabel\na\t1\nb\t1\n")
    assert "SST-2/dev.tsv: all 2 rows have the same label" in (message := task_complaint(glue_task("sst2", glue)))
    assert f"GlueTask.root={glue} must hold the original files" in message
