"""The embedded task of sentence embeddings: sentences of docstrings, and which body belongs to which summary.

Made of what is installed, so it needs no download. It shows that distilling an embedder works, and says little about
prose: files of pairs or of queries that people have judged do, which it can be scored on too.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tinydistill.artifacts.files import built_once, digest, read_json, write_json
from tinydistill.data.tasks.docstring_rows import MEGABYTES, cut_after_word
from tinydistill.data.tasks.embeddings import Relevances
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.text_rows import UnlabeledTexts
from tinydistill.data.text import docstrings
from tinydistill.data.text.sentences import sentences
from tinydistill.errors import InputError

FORMAT = 1  # part of the cache key: raise it when the same docstrings give other rows
ONE_IN = 10  # modules is for retrieval
LEAST_BODY, MOST_BODY = 80, 500  # characters; the rest of a longer body is cut off
LEAST_WORDS = 4  # of a summary
OF_MODULE = 10  # summaries, so that no module dominates


class DocstringSimilarity(UnlabeledTexts):
    """Sentences of docstrings to train on; of other modules' docstrings, the summary asks for the body.

    Args:
        cache_dir: where the rows are kept; reading the docstrings takes some ten seconds.
        train_rows: sentences at most, from all over them.
        queries_of_retrieval: summaries, as many as bodies; 0 for none.
        evaluation: what UnlabeledTexts takes.
    """

    def __init__(
        self, cache_dir: str | Path, train_rows: int = 24_000, queries_of_retrieval: int = 500, **evaluation: Any
    ):
        super().__init__(**evaluation)
        self.cache_dir, self.train_rows = Path(cache_dir), train_rows
        self.queries_of_retrieval = queries_of_retrieval

    def texts(self) -> Iterable[str]:
        """The sentences."""
        sentences_: list[str] = self._rows["texts"]
        return sentences_

    def judged(self) -> dict[str, Split]:
        """Summaries and the bodies that they ask for."""
        summaries, bodies = self._rows["summaries"], self._rows["bodies"]
        count = len(summaries)
        if not count:
            return {}
        every = np.arange(count)
        names = (*(f"summary {row}" for row in every), *(f"body {row}" for row in every))
        labels = Relevances(2 * count, every, every + count, every, every + count, names)
        return {"docstrings": Split("docstrings", [*summaries, *bodies], labels=labels)}

    @cached_property
    def _rows(self) -> dict[str, list[str]]:
        settings = [FORMAT, docstrings.versions(), self.train_rows, self.queries_of_retrieval]
        entry = built_once(self.cache_dir / f"docstring-similarity-{digest(settings)}", self._build)
        rows: dict[str, list[str]] = read_json(entry / "rows.json")
        return rows

    def _build(self, directory: Path) -> None:
        modules = list(docstrings.read_modules(MEGABYTES))
        pairs: dict[str, str] = {}
        bodies: set[str] = set()
        for module in modules[::ONE_IN]:
            for summary, body in list(summaries_of(module.docstrings))[:OF_MODULE]:
                if body not in bodies and summary not in pairs:
                    pairs[summary] = body
                    bodies.add(body)
        wanted = self.queries_of_retrieval
        if len(pairs) < wanted:
            raise InputError(
                f"the docstring_similarity task needs {wanted} docstrings with a body; there are {len(pairs)}",
                "lower {DocstringSimilarity.queries_of_retrieval}, or take your own texts with "
                "{task:embedding_files} and {TaskFiles.train}",
            )
        chosen = dict(list(pairs.items())[:wanted])
        training = (text for place, module in enumerate(modules) if place % ONE_IN for text in module.docstrings)
        found = list(dict.fromkeys(sentence for text in training for sentence in sentences(text)))
        rows = np.sort(np.random.default_rng(0).permutation(len(found))[: self.train_rows])
        texts = [found[row] for row in rows]
        rows_of = {"texts": texts, "summaries": list(chosen), "bodies": list(chosen.values())}
        write_json(directory / "rows.json", rows_of)


def summaries_of(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The first paragraph of every docstring that has a long one behind it, which is its body."""
    for text in texts:
        summary, _, rest = text.partition("\n\n")
        summary, body = " ".join(summary.split()), " ".join(rest.split())
        if len(summary.split()) >= LEAST_WORDS and len(body) >= LEAST_BODY and len(summary) <= MOST_BODY:
            yield summary, cut_after_word(body, MOST_BODY)
