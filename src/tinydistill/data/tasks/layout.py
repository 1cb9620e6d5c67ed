"""Which columns of a table hold what, and how the bytes of a text file become cells."""

from collections.abc import Sequence
from dataclasses import dataclass

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


@dataclass(frozen=True)
class Layout:
    """Which columns hold what, and how the bytes of a file become cells.

    `quoting`: whether quotes delimit cells that may hold delimiters and line ends (None: in CSV, not in TSV).
    `delimiter`: one of DELIMITERS (None: a comma in CSV, a tab in TSV, or that of them which a header with the columns
    has). `header` names the columns of files whose first line doesn't. `skip_damaged` leaves out rows of a wrong number
    of cells. `arguments` begins what the arguments are called that name the columns, as "TaskFiles." in
    {TaskFiles.text_pair}, `dialect` those of encoding, quoting and delimiter; they are empty where these are fixed.
    `others` are further columns, which are read as they are. Where several columns stand for labels, `label_columns`
    names them in place of `label`, and a row's label is the list of their cells; with `lists` the one column may hold
    lists. With `keep` the table has all other columns and those of the texts as they are.
    """

    text: str
    text_pair: str | None = None
    label: str | None = None
    arguments: str = ""
    encoding: str = "utf-8"
    quoting: bool | None = None
    delimiter: str | None = None
    header: Sequence[str] = ()
    skip_damaged: bool = False
    dialect: str = ""
    others: Sequence[str] = ()
    label_columns: Sequence[str] = ()
    lists: bool = False
    keep: bool = False

    def advice(self, role: str, argument: str) -> str:
        """What to do about a column that is missing or holds the wrong thing, in the file that `argument` named."""
        role = "label_columns" if role == "label" and self.label_columns else role
        return f"set {{{self.arguments}{role}}} to another column" if self.arguments else f"check {argument}"

    def roles(self) -> list[tuple[str, str]]:
        """(text, text_pair, label or other, the column) of all that there are."""
        texts = [(role, column) for role in ("text", "text_pair") if (column := getattr(self, role)) is not None]
        labels = self.label_columns or ([] if self.label is None else [self.label])
        return texts + [("label", column) for column in labels] + [("others", column) for column in self.others]
