"""The embedded task: which library does a docstring come from? Real text and real labels without a download."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from tinydistill.data.tasks.docstring_rows import DocstringRows, Row, cut_after_word
from tinydistill.data.tasks.targets import Target
from tinydistill.data.text import docstrings
from tinydistill.errors import InputError

# Python itself and dependencies that always come along, in the order of the class numbers
LIBRARIES = ("huggingface_hub", "networkx", "numpy", "pandas", "python", "sympy", "torch", "transformers")
# what would give the answer away, in any spelling; one word stands for them all
NAMES = re.compile(
    r"""(?<![a-z]) (?: hugging\ ?face (?:_?hub)? | hf_ | hf\b | networkx | nx\b | numpy | np\b | pandas | pd\b
    | c?python | sympy | (?:py)?torch | transformers )""",
    re.IGNORECASE | re.VERBOSE,
)
MASK = "library"
MIN_CHARACTERS, MAX_CHARACTERS = 100, 320  # of a row; the rest of a longer docstring is cut off
MAX_OF_MODULE = {"train": 40, "validation": 10}  # rows, so that none dominates
SAME_START = 60  # characters: rows that begin alike count as copies, as of one docstring adapted from another


@dataclass(frozen=True)
class DocstringsTask(DocstringRows):
    """A balanced classification task. No two rows begin alike.

    Args:
        cache_dir: where the rows are kept.
        train_rows: of each library, at most; all libraries have as many as the poorest.
        validation_rows: of each library.
    """

    train_rows: int = 400
    validation_rows: int = 60
    name: ClassVar[str] = "docstrings"

    @property
    def target(self) -> Target:
        """The libraries."""
        return Target(LIBRARIES)

    def build(self, modules: Sequence[docstrings.Module]) -> Mapping[str, Sequence[Row]]:
        """As many rows of every library."""
        splits = balanced(modules, self.train_rows, self.validation_rows)
        return {
            name: [(text, None, label) for text, label in zip(*columns, strict=True)]
            for name, columns in splits.items()
        }


def balanced(
    modules: Iterable[docstrings.Module], train_rows: int, validation_rows: int
) -> dict[str, tuple[list[str], list[int]]]:
    """(texts, class numbers) of both splits, library after library in turn.

    Modules come in the order of their names' hashes: the first of a library are for validation, as many as it takes.
    Raises InputError where a library isn't there, or has too little to say.
    """
    rows: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in LIBRARIES}
    seen: set[str] = set()
    for module in modules:
        if module.library not in rows:
            continue
        for docstring in module.docstrings:
            text = row_text(docstring)
            start = text[:SAME_START].lower()
            if len(text) >= MIN_CHARACTERS and start not in seen:
                seen.add(start)
                rows[module.library][module.module].append(text)

    splits: dict[str, list[list[str]]] = {"train": [], "validation": []}
    for library, of_library in rows.items():
        of_split: dict[str, list[str]] = {"train": [], "validation": []}
        for texts in of_library.values():
            name = "validation" if len(of_split["validation"]) < validation_rows else "train"
            of_split[name] += texts[: MAX_OF_MODULE[name]]
        if len(of_split["validation"]) < validation_rows or not of_split["train"]:
            raise InputError(
                f"the docstrings task needs {validation_rows} docstrings of {library} for validation and more for "
                f"training; there are {sum(map(len, of_library.values()))}",
                "lower {DocstringRows.validation_rows}, or take your own rows with {task:files} and {TaskFiles.train}",
            )
        splits["train"].append(of_split["train"][:train_rows])
        splits["validation"].append(of_split["validation"][:validation_rows])
    return {name: _in_turn(lists) for name, lists in splits.items()}


def _in_turn(lists: list[list[str]]) -> tuple[list[str], list[int]]:
    rounds = min(map(len, lists))
    texts = [texts[i] for i in range(rounds) for texts in lists]
    return texts, list(range(len(lists))) * rounds


def row_text(docstring: str) -> str:
    """The docstring on one line, with no library's name in it, cut after a word."""
    return cut_after_word(NAMES.sub(MASK, " ".join(docstring.split())), MAX_CHARACTERS)
