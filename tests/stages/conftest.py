"""Stages of a second or two: a general one, and those on a task."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertTokenizerFast, PreTrainedModel

from tests.conftest import WORDS, bert
from tinydistill import __main__ as door
from tinydistill.models.heads import Head, add_head
from tinydistill.models.loading import save_model


@pytest.fixture
def arguments(teacher_dir, text_file, tmp_path) -> dict[str, str]:
    return {
        "teacher.path": str(teacher_dir),
        "corpus": "files",
        "corpus.paths": f"[{text_file}]",
        "student.num_layers": "2",
        "student.hidden_size": "16",
        "student.intermediate_size": "32",
        "student.num_heads": "4",
        "general.max_length": "16",
        "general.batch_size": "8",
        "general.max_steps": "12",
        "general.sample_tokens": "1000",
        "general.heldout_fraction": "0.1",
        "trainer.accelerator": "cpu",
        "trainer.precision": "'32'",
        "runtime.num_workers": "0",
        "paths.outputs": str(tmp_path / "outputs"),
        "output_dir": str(tmp_path / "outputs" / "student"),
    }


class Cut(BaseException):
    """Stands for a process that is killed."""


@pytest.fixture
def cut(monkeypatch):
    """Kills training once: `seen = cut(LayerDistiller, 7)` stops before batch 7; it lists the batches begun."""

    def at(module: type, number: int) -> list[int]:
        step, seen = module.training_step, []

        def training_step(self, batch, batch_idx):
            seen.append(batch_idx)
            if len(seen) == number + 1:
                raise Cut
            return step(self, batch, batch_idx)

        monkeypatch.setattr(module, "training_step", training_step)
        return seen

    return at


def changed(arguments: dict[str, str], **changes: str | None) -> dict[str, str | None]:
    """The arguments with some changed: `general__epochs` stands for `general.epochs`."""
    return {**arguments, **{key.replace("__", "."): value for key, value in changes.items()}}


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command line with {option: value}, None for an option left out; returns (exit code, stdout, stderr)."""

    def call(arguments: dict[str, str | None]) -> tuple[int, str, str]:
        words = [f"{key}={value}" for key, value in arguments.items() if value is not None]
        monkeypatch.setattr(sys, "argv", ["tinydistill", *words])
        capsys.readouterr()
        try:
            door.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def write_csv(file: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("text", "label")) -> str:
    """A table as a CSV file; its path."""
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([header, *rows])
    return str(file)


def animal_rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Sentences about a cat or a dog, and which."""
    generator = torch.Generator().manual_seed(seed)
    words = [word for word in WORDS if word not in ("cat", "dog")]
    rows = torch.randint(len(words), (count, 6), generator=generator).tolist()
    animals = ("cat", "dog")
    return [(" ".join(["the", animals[i % 2], *(words[w] for w in row)]), animals[i % 2]) for i, row in enumerate(rows)]


@pytest.fixture
def task_arguments(arguments, tmp_path) -> dict[str, str]:
    """A task that the tiny models learn: is it a cat or a dog?"""
    kept = {name: value for name, value in arguments.items() if not name.startswith(("general.", "corpus"))}
    return {
        **kept,
        "task": "files",
        "task.train": write_csv(tmp_path / "train.csv", animal_rows(160, 0)),
        "task.validation": write_csv(tmp_path / "validation.csv", animal_rows(40, 1)),
        "task.max_length": "12",
        "output_dir": str(tmp_path / "outputs" / "made"),
    }


STATES = ("asleep", "awake")


def state_rows(count: int, seed: int) -> list[tuple[str, str, float]]:
    """Words; which half of the words they are from; how many of them are `dog`, more or less."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 2, count)
    texts = [" ".join(random.choice(WORDS[4 * c : 4 * c + 4], random.integers(3, 10))) for c in classes]
    return [(text, STATES[c], text.split().count("dog") + 0.25) for text, c in zip(texts, classes, strict=True)]


def write_states(file: Path, table: list[tuple[str, str, float]]) -> Path:
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([("text", "label", "number"), *table])
    return file


def fine_tuned(
    tokenizer: BertTokenizerFast, labels: tuple[str, ...], encoder: PreTrainedModel | None = None, steps: int = 40
) -> PreTrainedModel:
    """A teacher that knows the task, or another encoder that does."""
    table = state_rows(300, 0)
    encoder = encoder or bert(4, 32, seed=1, initializer_range=0.2, hidden_dropout_prob=0)
    model = add_head(encoder, Head(labels), seed=0).train()
    inputs = tokenizer([text for text, *_ in table], padding=True, return_tensors="pt")
    targets = torch.tensor([labels.index(label) if labels else number for _, label, number in table])
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    for _ in range(steps):
        model(**inputs, labels=targets).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


@pytest.fixture(scope="session")
def made(tmp_path_factory, tokenizer) -> Path:
    """A directory with a teacher of classes and one of numbers, a general student, and the rows."""
    directory = tmp_path_factory.mktemp("task")
    save_model(fine_tuned(tokenizer, STATES), tokenizer, directory / "teacher")
    save_model(fine_tuned(tokenizer, ()), tokenizer, directory / "regressor")
    save_model(bert(2, 16, seed=2, initializer_range=0.2), tokenizer, directory / "student")
    write_states(directory / "train.csv", state_rows(96, 1))
    write_states(directory / "dev.csv", state_rows(40, 2))
    return directory


def made_task(directory: Path) -> dict[str, str]:
    """The task of the rows and the teacher in a directory."""
    return {
        "task": "files",
        "task.train": str(directory / "train.csv"),
        "task.validation": str(directory / "dev.csv"),
        "task.max_length": "16",
        "teacher.path": str(directory / "teacher"),
    }


@pytest.fixture
def distillation_arguments(made, tmp_path) -> dict[str, str]:
    """stage=task with what is made."""
    return {
        **made_task(made),
        "stage": "task",
        "student.path": str(made / "student"),
        "intermediate.epochs": "2",
        "intermediate.batch_size": "16",
        "intermediate.learning_rate": "3e-3",
        "prediction.epochs": "3",
        "prediction.batch_size": "16",
        "prediction.learning_rate": "3e-3",
        "trainer.accelerator": "cpu",
        "trainer.precision": "'32'",
        "paths.outputs": str(tmp_path / "outputs"),
    }


def glue_rows(directory: Path, split: str, count: int, *, label: object = None) -> None:
    """A file of the original layout with all columns that any of the tasks looks for."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = [text for text, _ in animal_rows(count, 5)]
    names = ["index", "sentence", "sentence1", "sentence2", "#1 String", "#2 String", "question1", "question2"]
    names += ["question"]
    columns = [[str(i) for i in range(count)], *[texts] * 8]
    if label is not None:
        names += ["label", "Quality", "is_duplicate", "gold_label", "score"]
        columns += [[str(label(i)) for i in range(count)]] * 5
    rows = zip(*columns, strict=True)
    (directory / f"{split}.tsv").write_text("\n".join("\t".join(row) for row in [names, *rows]) + "\n")


@pytest.fixture
def glue(tmp_path) -> Path:
    """All tasks in the original layout, a few rows each; the label tells a cat from a dog."""
    root = tmp_path / "glue"
    entailed = ("entailment", "not_entailment")
    for task in ("CoLA", "SST-2", "MRPC", "QQP", "WNLI", "STS-B", "QNLI", "RTE"):
        by_name = task in ("QNLI", "RTE")
        for split, count in (("train", 32), ("dev", 6)):
            glue_rows(root / task, split, count, label=lambda i, names=by_name: entailed[i % 2] if names else i % 2)
        glue_rows(root / task, "test", 4)
    glue_rows(root / "MNLI", "train", 32, label=lambda i: ("entailment", "neutral")[i % 2])
    for kind in ("matched", "mismatched"):
        glue_rows(root / "MNLI", f"dev_{kind}", 6, label=lambda i: ("entailment", "neutral", "contradiction")[i % 3])
        glue_rows(root / "MNLI", f"test_{kind}", 4)
    glue_rows(root / "AX", "test", 5)
    return root
