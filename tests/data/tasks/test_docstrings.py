from pathlib import Path

import pytest

from tests.data.conftest import task_options
from tinydistill.data.tasks.docstrings import LIBRARIES, DocstringsTask, balanced, row_text
from tinydistill.data.text.docstrings import Module
from tinydistill.errors import InputError


def modules(libraries: tuple[str, ...] = LIBRARIES, count: int = 6) -> list[Module]:
    return [
        Module(
            library, f"{library}.m{m}", tuple(f"{library[:3]}x{m} {i} is a docstring {'of words ' * 12}" for i in "ab")
        )
        for m in range(count)
        for library in libraries
    ]


def test_docstring_rows_are_balanced_and_no_module_is_on_both_sides() -> None:
    splits = balanced(modules(), train_rows=5, validation_rows=3)
    assert splits["validation"][1] == list(range(8)) * 3
    assert splits["train"][1] == list(range(8)) * 5
    sides = [{text.split()[0] for text in splits[name][0]} for name in ("train", "validation")]
    assert not sides[0] & sides[1]
    assert balanced(modules(), 5, 3) == splits


def test_docstrings_of_a_library_that_is_missing_are_an_error() -> None:
    with pytest.raises(InputError, match=r"needs 3 docstrings of transformers .* there are 0: lower validation_rows"):
        balanced(modules(LIBRARIES[:-1]), 5, 3)


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np",
        "a PyTorch tensor",
        "Hugging Face's hub",
        "torch.nn",
        "NumPy",
        "pd.DataFrame",
        "huggingface_hub",
    ],
)
def test_no_row_names_its_library(text: str) -> None:
    words = row_text(f"This is {text}, used in many\n\n    places").split()
    assert any("library" in word for word in words)
    assert not {"numpy", "np", "pytorch", "hugging", "torch.nn", "pd.dataframe"} & {word.lower() for word in words}
    assert row_text("words " * 100) == "words " * 52 + "words"
    assert row_text("transform the pdf of an input") == "transform the pdf of an input"


def test_the_embedded_task_is_built_once_and_is_of_a_useful_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    monkeypatch.setattr("tinydistill.data.text.docstrings.read_modules", lambda _: reads.append(1) or modules())
    tasks = [DocstringsTask(tmp_path, train_rows=4, validation_rows=2) for _ in range(2)]
    train, validation = tasks[0].train(), tasks[1].validation()["validation"]
    assert reads == [1]
    assert (len(train), len(validation)) == (32, 16)
    assert tasks[0].target.labels == LIBRARIES == tuple(task_options("docstrings").labels)
    assert tasks[0].identity() == tasks[1].identity()
    assert tasks[0].test() == {}


@pytest.mark.slow
def test_real_docstrings_make_the_same_balanced_rows_whenever_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinydistill.data.tasks.docstring_rows.MEGABYTES", 2.0)
    task = DocstringsTask(tmp_path, train_rows=40, validation_rows=20)
    train, validation = task.train(), task.validation()["validation"]
    assert len(validation) == 160
    assert len(train) == 320
    assert not set(train.texts) & set(validation.texts)
    assert 100 <= min(map(len, train.texts)) < max(map(len, train.texts)) <= 320
    assert not any("numpy" in text.lower() or "torch" in text.lower().split() for text in train.texts)
