"""stage=certify for tasks that don't give one class to a text: what agrees, and how sure it is."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

import tinydistill as td
from tests.conftest import bert
from tests.stages.conftest import state_rows, write_csv, write_states
from tests.stages.test_questions import question_rows, write_squad
from tests.stages.test_several_labels import LABELS, labeled_rows
from tests.stages.test_tags import tagged, write_conll
from tinydistill.config.build import data
from tinydistill.config.compose import composed
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.several_labels import SeveralLabels
from tinydistill.data.tasks.spans import Spans
from tinydistill.data.tasks.tags import Tags
from tinydistill.data.tasks.targets import Target
from tinydistill.errors import InputError
from tinydistill.kinds import TaskKind, kind_of
from tinydistill.kinds.several_labels import MultiLabelClassification
from tinydistill.models.heads import add_head
from tinydistill.models.loading import save_model
from tinydistill.models.source import find
from tinydistill.training.answering import Answering, in_torch

ROWS = 80


class Case(NamedTuple):
    """A kind, options of a task of it, its metric, and whether answers to a row of a split are alike."""

    kind: TaskKind
    task: dict[str, str]
    metric: str
    alike: Callable[[Any, Any, Split, int], bool]


def tags(root: Path) -> Case:
    files = [write_conll(root / f"{seed}.conll", tagged(rows, seed)) for seed, rows in enumerate((200, ROWS))]
    task = {"task": "tag_files", "task.train": files[0], "task.validation": files[1], "task.max_length": "8"}
    return Case(
        kind_of(Tags(("O", "B-ANIMAL", "I-ANIMAL"))),
        task,
        "entity_f1",
        lambda ours, theirs, split, row: ours.row(row).tolist() == theirs.row(row).tolist(),
    )


def labels(root: Path) -> Case:
    header = ("text", "topics")
    files = [write_csv(root / f"{seed}.csv", labeled_rows(rows, seed), header) for seed, rows in enumerate((400, ROWS))]
    task = {"task": "multilabel_files", "task.train": files[0], "task.validation": files[1], "task.max_length": "12"}
    task |= {"task.label": "topics", "task.label_separator": "pipe"}
    kind = MultiLabelClassification(SeveralLabels(LABELS), (0.4, 0.5, 0.6, 0.5))
    return Case(kind, task, "micro_f1", lambda ours, theirs, split, row: ours[row].tolist() == theirs[row].tolist())


def questions(root: Path) -> Case:
    def words(answers: Any, split: Split, row: int) -> list[str]:
        assert split.pairs is not None
        start, end = answers[row]
        return [word for word in split.pairs[row][max(start, 0) : max(end, 0)].split() if word not in ("a", "the")]

    files = [write_squad(root / f"{seed}.json", question_rows(rows, seed)) for seed, rows in enumerate((200, ROWS))]
    task = {"task": "question_files", "task.train": files[0], "task.validation": files[1], "task.max_length": "16"}
    kind = kind_of(Spans(unanswerable=True))
    return Case(kind, task, "answer_f1", lambda ours, theirs, *of: words(ours, *of) == words(theirs, *of))


def numbers(root: Path) -> Case:
    tables = [state_rows(rows, seed) for seed, rows in enumerate((300, ROWS))]
    files = [str(write_states(root / f"{seed}.csv", table)) for seed, table in enumerate(tables)]
    task = {"task": "files", "task.train": files[0], "task.validation": files[1], "task.max_length": "16"}
    task |= {"task.label": "number", "task.monitor": "spearman", "task.metrics": "[spearman]"}
    known = [number for *_, number in tables[0]]
    most = 0.1 * (max(known) - min(known))

    def near(ours: Any, theirs: Any, split: Split, row: int) -> bool:
        return abs(ours[row] - theirs[row]) <= most

    return Case(kind_of(Target()), task, "spearman", near)


@pytest.fixture
def models(tokenizer, tmp_path) -> Callable[[TaskKind], None]:
    """Makes a teacher of a kind, and a student that differs from it by noise on its weights."""

    def make(kind: TaskKind) -> None:
        teacher = add_head(bert(2, 16, seed=1, initializer_range=0.4), kind.head, seed=0)
        for name, value in kind.configuration.items():
            setattr(teacher.config, name, value)
        student, generator = copy.deepcopy(teacher), torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weights in student.parameters():
                weights += 0.05 * torch.randn(weights.shape, generator=generator)
        for name, model in (("teacher", teacher), ("student", student)):
            save_model(model, tokenizer, tmp_path / name)

    return make


@pytest.fixture
def options(tmp_path) -> dict[str, str]:
    return {
        "stage": "certify",
        "certify.path": str(tmp_path / "student"),
        "certify.teacher": str(tmp_path / "teacher"),
        "certify.agreement": "0.6",
        "certify.seconds": "0.001",
        "certify.augmented": "0.5",
        "trainer.accelerator": "cpu",
        "trainer.precision": "'32'",
        "paths.outputs": str(tmp_path / "outputs"),
        "output_dir": str(tmp_path / "made"),
    }


def answers(path: Path, kind: TaskKind, split: Split, max_length: int) -> Any:
    source = find(str(path))
    answer = in_torch(source.with_head(kind.head), kind)
    (part,) = Answering(str(path), kind, source.tokenizer, answer, max_length, 16).parts([split])
    return part.answers


@pytest.mark.parametrize("of_kind", [tags, labels, questions, numbers])
def test_a_row_agrees_where_its_whole_answer_does(of_kind, models, options, command, tmp_path):
    case = of_kind(tmp_path)
    models(case.kind)
    given = options | case.task
    code, out, err = command(given)
    assert code == 0, err
    config = composed([f"{name}={value}" for name, value in given.items()])
    task = data.task(config)
    split, training = task.validation()["validation"], task.train()
    seen = set(zip(training.texts, training.pairs or training.texts, strict=True))
    rows = [row for row, of in enumerate(zip(split.texts, split.pairs or split.texts, strict=True)) if of not in seen]
    ours, theirs = (answers(tmp_path / n, case.kind, split, config.task.max_length) for n in ("student", "teacher"))
    differing = [row for row in rows if not case.alike(ours, theirs, split, row)]

    result = json.loads((tmp_path / "made" / "result.json").read_text())
    (form,) = result["forms"]
    assert (form["rows"], form["agreeing"]) == (len(rows), len(rows) - len(differing))
    assert 0 < form["agreeing"] < form["rows"]
    table = pd.read_csv(tmp_path / "made" / "disagreements" / "pytorch.tsv", sep="\t", keep_default_na=False)
    assert sorted(table["row"]) == differing
    assert (table["flip"] == "teacher alone is right").sum() == form["flips"]["negative"]
    assert form["retention"]["metric"] == case.metric
    for noise in ("typos", "augmented"):
        if (noise, of_kind) != ("augmented", questions):
            assert 0 < form[noise]["kept"] <= 1
            assert form[noise]["rows"] == len(rows)
    assert ("answers stand elsewhere" in " ".join(out.split())) == (of_kind is questions) == ("augmented" not in form)
    assert np.isfinite([form["retention"][name] for name in ("score", "teacher_score")]).all()
    assert sum(one["rows"] for one in form["slices"] if one["group"] == "length") == len(rows)
    assert f"Both agree where they give {result['alike']}" in " ".join(out.split())
    if of_kind is numbers:
        assert form["cascade"] is None
        assert "confidence" not in table
        assert "no cascade, as its answers come without a confidence" in " ".join(out.split())
    else:
        assert form["cascade"]["tested"] > 0
        assert table["confidence"].between(0, 1).all()


def test_columns_of_any_file_are_slices_and_a_report_shows_what_there_is(models, options, command, tmp_path):
    case = labels(tmp_path)
    models(case.kind)
    rows = [(*row, ("mail", "chat")[i % 2]) for i, row in enumerate(labeled_rows(ROWS, 1))]
    file = write_csv(tmp_path / "dev.csv", rows, ("text", "topics", "source"))
    code, _, err = command({**options, **case.task, "task.validation": file, "certify.columns": "[source]"})
    assert code == 0, err
    (form,) = json.loads((tmp_path / "made" / "result.json").read_text())["forms"]
    assert {one["name"] for one in form["slices"] if one["group"] == "source"} == {"mail", "chat"}
    assert {one["name"] for one in form["slices"] if one["group"] == "label"} == set(LABELS)
    report = {"stage": "report", "report.paths": f"[{tmp_path / 'made'}]", "output_dir": str(tmp_path / "report")}
    code, _, err = command(report)
    assert code == 0, err
    assert "labels of the rows are equal" in (tmp_path / "report" / "report.md").read_text()


def test_a_cascade_of_other_kinds_is_one_clear_line(models, tmp_path):
    for kind in (tags(tmp_path).kind, labels(tmp_path).kind):
        models(kind)
        with pytest.raises(InputError, match="gives no single class to a text, which a cascade needs"):
            td.Cascade(tmp_path / "student", list, threshold=0.9)


def test_embeddings_are_refused_in_one_line(options, command, tmp_path):
    file = write_csv(tmp_path / "texts.csv", [(text,) for text, *_ in state_rows(50, 0)], ("text",))
    code, _, err = command({**options, "task": "embedding_files", "task.train": file})
    assert code == 2
    assert "task=embedding_files predicts embeddings, which are never quite alike" in err
    assert err.count("\n") == 1
