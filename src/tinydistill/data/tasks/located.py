"""Where the rows of a split stand in their file, and what chosen columns of it say of them."""

from collections.abc import Sequence

from tinydistill.data.formats import list_names
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.file_rows import FileRows
from tinydistill.errors import InputError


def located(split: Split, columns: Sequence[str]) -> FileRows:
    """The places of a split's rows, and the cells of some columns, labels apart, as texts.

    Without places where the rows come from no file. Raises InputError where columns are asked for that aren't there.
    """
    file = split.file or FileRows("line", ())
    if columns and not file.columns:
        raise InputError(
            f"the column {columns[0]} is asked for, and the rows come from no file of yours",
            "leave {located.columns} empty, or take rows of a file with {task:files}",
        )
    if missing := [name for name in columns if name not in file.columns]:
        there = list_names(list(file.columns))
        raise InputError(f"the rows have no column '{missing[0]}' but {there}", "name others in {located.columns}")
    texts = {name: ["" if cell is None else str(cell) for cell in file.columns[name]] for name in columns}
    return FileRows(file.unit, file.places, texts)
