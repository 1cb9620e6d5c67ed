"""Cells of tables that hold lists."""

from collections.abc import Sequence
from typing import Any

from tinydistill.data.formats import shortened
from tinydistill.data.tasks.targets import FIX_ROW
from tinydistill.errors import InputError


def as_python(value: Any) -> Any:
    """A cell of pandas' or numpy's as Python's own lists and numbers."""
    return value.tolist() if hasattr(value, "tolist") else value


def as_list(value: Any, where: str, column: str, what: str, advice: str = FIX_ROW) -> list[Any]:
    """A cell's list, whichever library it comes from. Raises InputError for anything else."""
    value = as_python(value)
    if not isinstance(value, list | tuple):
        raise InputError(f"{where}: column '{column}' holds {shortened(value)}, which is no list of {what}", advice)
    return list(value)


def names_of(rows: Any, column: str) -> Sequence[str]:
    """What a `datasets.Dataset` calls the numbers of a column of lists."""
    feature = (getattr(rows, "features", None) or {}).get(column)
    return getattr(getattr(feature, "feature", None), "names", None) or []
