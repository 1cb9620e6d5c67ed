"""What sentence embeddings are scored on, from files: pairs of texts with how alike they are, queries on documents."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinydistill.data.formats import column_index, shortened, text_of, unit_of
from tinydistill.data.tasks.embeddings import Relevances, Similarities
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.layout import Layout
from tinydistill.data.tasks.tables import read_table, rows_of_file
from tinydistill.data.tasks.targets import FIX_ROW, as_number, label_name
from tinydistill.errors import InputError

# What columns may be called: BEIR's names first.
IDS, TEXT, TITLE = ("_id", "id"), ("text",), ("title",)
QUERY, DOCUMENT = ("query-id", "query_id", "query"), ("corpus-id", "corpus_id", "document_id", "document")
RELEVANCE = ("score", "relevance")


def read_similarities(file: str | Path, name: str, columns: Sequence[str], dialect: dict[str, Any]) -> Split:
    """The texts of a file of pairs, each once, and how alike people say the pairs are.

    `columns` are those of first text, second text and score; `dialect` is how a Layout reads bytes. Raises InputError,
    with file and line, for an empty text, and for a score that is no finite number.
    """
    argument = "{TextRows.sts}"
    if len(columns) != 3:
        raise InputError(
            f"sts_columns={list(columns)} aren't three columns",
            "set {TextRows.sts_columns} to those of first text, second text and score",
        )
    try:
        layout = Layout(columns[0], columns[1], columns[2], **dialect)
        table = read_table(file, layout, argument=argument)
    except InputError as error:
        if "has no column" in error.message:
            raise InputError(error.message, "set {TextRows.sts_columns} to [FIRST, SECOND, SCORE]") from None
        raise
    assert table.pairs is not None
    texts: dict[str, int] = {}
    rows: tuple[list[int], list[int]] = ([], [])
    for place, texts_of_row in enumerate(zip(table.texts, table.pairs, strict=True)):
        for side, (text, of) in enumerate(zip(texts_of_row, rows, strict=True)):
            if not text.strip():
                raise InputError(f"{table.where(place)}: the {('first', 'second')[side]} text is empty", FIX_ROW)
            of.append(texts.setdefault(text, len(texts)))
    scores = [as_number(value) for value in table.labels or []]
    for place, score in enumerate(scores):
        if score is None or not np.isfinite(score):
            assert table.labels is not None
            raise InputError(
                f"{table.where(place)}: {shortened(table.labels[place])} in column '{columns[2]}' is no number",
                f"{FIX_ROW}, or set {{TextRows.sts_columns}} to [FIRST, SECOND, SCORE]",
            )
    first, second = (np.array(of, np.int64) for of in rows)
    labels = Similarities(len(texts), first, second, np.array(scores, np.float64))
    if labels.uniform:
        same = f"all {len(table)} rows have the same score" if len(table) else "there are no rows"
        raise InputError(f"{table.source}: {same}, so no correlation is defined", f"check {argument}")
    return Split(name, list(texts), labels=labels)


def read_retrieval(queries: str | Path, documents: str | Path, relevance: str | Path, dialect: dict[str, Any]) -> Split:
    """Queries and documents of three files in BEIR's format, and which document answers which query.

    A title stands before its document's text, as in BEIR. What has a score above 0 is relevant; queries to which
    nothing is are left out. Raises InputError, with file and line, for an empty text, an id that comes twice, and one
    that relevance names and that there isn't.
    """
    of_queries = _texts(Path(queries), "{TextRows.queries}", dialect)
    of_documents = _texts(Path(documents), "{TextRows.documents}", dialect)
    pairs = _pairs(Path(relevance), of_queries, of_documents, (Path(queries), Path(documents)), dialect)
    asked = list(dict.fromkeys(query for query, _ in pairs))
    places = {name: place for place, name in enumerate(asked)}
    below = {name: len(asked) + place for place, name in enumerate(of_documents)}
    labels = Relevances(
        len(asked) + len(below),
        np.array([places[query] for query, _ in pairs], np.int64),
        np.array([below[document] for _, document in pairs], np.int64),
        np.arange(len(asked)),
        np.arange(len(asked), len(asked) + len(below)),
        (*asked, *of_documents),
    )
    if labels.uniform:
        raise InputError(f"{documents} has one document: there is nothing to choose from", "check {TextRows.documents}")
    return Split("retrieval", [*(of_queries[name] for name in asked), *of_documents.values()], labels=labels)


def _texts(file: Path, argument: str, dialect: dict[str, Any]) -> dict[str, str]:
    """The texts of a file by their ids."""
    found: dict[str, str] = {}
    unit = unit_of(file)
    chosen = _Chosen(argument, id=IDS, text=TEXT, title=TITLE)
    for place, cells in rows_of_file(file, chosen, Layout("text", **dialect), argument):
        where, row = f"{file} {unit} {place}", chosen.row(cells)
        name, title = label_name(row["id"]), row.get("title") or ""
        text = text_of(row["text"], where, "text", f"check {argument}")
        if not name or not text.strip():
            raise InputError(f"{where}: there is no {'text' if name else 'id'}", FIX_ROW)
        if name in found:
            raise InputError(f"{where}: the id {shortened(name)} comes twice", "ids must differ")
        found[name] = f"{title} {text}".strip() if isinstance(title, str) else text
    if not found:
        raise InputError(f"{file} has no rows", f"check {argument}")
    return found


def _pairs(
    file: Path,
    queries: dict[str, str],
    documents: dict[str, str],
    files: tuple[Path, Path],
    dialect: dict[str, Any],
) -> list[tuple[str, str]]:
    """(query, document) of every line that says that one is relevant to the other."""
    argument = "{TextRows.relevance}"
    found: dict[tuple[str, str], None] = {}
    unit = unit_of(file)
    chosen = _Chosen(argument, query=QUERY, document=DOCUMENT, score=RELEVANCE)
    for place, cells in rows_of_file(file, chosen, Layout("query-id", **dialect), argument):
        where, row = f"{file} {unit} {place}", chosen.row(cells)
        query, document = label_name(row["query"]), label_name(row["document"])
        for name, known, what, of in (
            (query, queries, "query", files[0]),
            (document, documents, "document", files[1]),
        ):
            if name not in known:
                raise InputError(f"{where}: {of} has no {what} {shortened(name)}", FIX_ROW)
        score = as_number(row.get("score", 1))
        if score is None or not np.isfinite(score):
            raise InputError(f"{where}: {shortened(row['score'])} is no number", FIX_ROW)
        if score > 0:
            found[query, document] = None
    if not found:
        raise InputError(f"{file} says of no document that it is relevant to a query", f"check {argument}")
    return list(found)


class _Chosen:
    """Chooses columns by any of several names; those of `title` and `score` may be missing."""

    def __init__(self, argument: str, **columns: Sequence[str]):
        self.argument, self.columns = argument, columns
        self.roles: list[str] = []

    def __call__(self, names: Sequence[str], where: str) -> list[int]:
        self.roles, chosen = [], []
        for role, known in self.columns.items():
            column = next((name for name in known if name in names), None)
            if column is None and role in ("title", "score"):
                continue
            chosen.append(column_index(names, column or known[0], where, f"check {self.argument}"))
            self.roles.append(role)
        return chosen

    def row(self, cells: Sequence[Any] | None) -> dict[str, Any]:
        return dict(zip(self.roles, cells or (), strict=True))
