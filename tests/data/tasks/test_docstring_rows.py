"""Tasks that are made of docstrings: which modules are on which side, and what is said where there are too few."""

import numpy as np
import pytest

from tinydistill.data.tasks.docstring_questions import DocstringQuestions
from tinydistill.data.tasks.docstring_tags import DocstringTags
from tinydistill.data.tasks.docstring_topics import DocstringTopics
from tinydistill.data.text.docstrings import Module
from tinydistill.errors import InputError

DOCSTRING = """Return the ``value{n}`` of a thing, or raise an error where the thing has none of its own kind.

Args:
    name{n}: The thing to look up.

Raises:
    KeyError: There is no thing of the name {n}.
"""
TASKS = [DocstringQuestions, DocstringTags, DocstringTopics]


@pytest.fixture
def modules(monkeypatch):
    """Ten of two docstrings each."""
    found = [Module("python", f"m{n}", tuple(DOCSTRING.format(n=10 * n + i) for i in range(2))) for n in range(10)]
    monkeypatch.setattr("tinydistill.data.text.docstrings.read_modules", lambda _: iter(found))


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("task", TASKS)
def test_every_fifth_module_is_for_validation(task, tmp_path):
    made = task(tmp_path, train_rows=100, validation_rows=2)
    train, validation = made.train(), made.validation()["validation"]
    assert len(validation) == 2
    texts = [text for split in (train, validation) for text in (split.pairs or split.texts)]
    assert len(train) >= 8
    assert not set(texts[: len(train)]) & set(texts[len(train) :])
    assert made.identity() == task(tmp_path, train_rows=100, validation_rows=2).identity()
    assert train.take(np.arange(2)).texts == train.texts[:2]
    assert train.file is None


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("task", TASKS)
def test_too_few_rows_are_one_clear_line(task, tmp_path):
    wanted = rf"the {task.name} task needs 90 {task.made_of} for validation; there are \d+: lower validation_rows"
    with pytest.raises(InputError, match=wanted):
        task(tmp_path, validation_rows=90).train()
