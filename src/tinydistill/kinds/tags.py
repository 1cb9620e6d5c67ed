"""A tag for every word: named entities, parts of speech.

B: windows in a batch, L: tokens in the longest, C: tags, N: rows of a split, P: tokens of all windows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.ragged import Ragged
from tinydistill.data.tasks.tags import IGNORED, Tags, entities
from tinydistill.data.tasks.windows import OVERLAP
from tinydistill.escaping import for_markdown
from tinydistill.kinds import counted
from tinydistill.kinds.base import Batch, Logits, TaskKind, of_targets
from tinydistill.kinds.decisions import Decisions
from tinydistill.kinds.functional import soft_cross_entropy
from tinydistill.models.heads import Head


@of_targets(Tags)
class TokenClassification(TaskKind):
    """A tag for every word, said by the first of its tokens. Answers are `Ragged` numbers of tags, one a word."""

    target: Tags
    per_token = True
    pipeline = "token-classification"
    predicts = "tags"
    answered = "words"
    alike_with = "the same tags to all words"
    read_out = """(logits,) = session.run(["logits"], inputs)
labels = json.load(open("DIRECTORY/config.json"))["id2label"]
for row, tags in zip(rows, logits.argmax(-1)):
    print([(token, labels[str(tag)]) for token, tag in zip(row.tokens, tags) if tag])"""

    @property
    def metrics(self) -> tuple[str, ...]:  # type: ignore[override]
        """F1 of whole entities, where the tags delimit some, and the share of words with the right tag."""
        return ("entity_f1", "token_accuracy") if self.target.entities else ("token_accuracy",)

    @property
    def described(self) -> str:
        """One of its tags."""
        return f"for every word one of the tags {', '.join(map(for_markdown, self.target.labels))}"

    def pipeline_options(self, max_length: int) -> str:
        """Entities put together, and long texts in windows."""
        together = ', aggregation_strategy="first"' if self.target.entities else ""
        return f"{together}, stride={max_length // OVERLAP}"

    @property
    def head(self) -> Head:
        """A token classification's."""
        return Head(self.target.labels, "AutoModelForTokenClassification")

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The mean over the batch's words of the cross-entropy with the right tag."""
        return F.cross_entropy(logits.float().flatten(0, 1), batch["labels"].flatten(), ignore_index=IGNORED)

    def soft_loss(self, logits: Tensor, batch: Batch, *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
        """The mean over the batch's words of the soft cross-entropy (eq. 10)."""
        valid_BL = batch["valid"]
        return scale * soft_cross_entropy(logits[valid_BL], batch["teacher_logits"][valid_BL], temperature)

    def answers(self, split: Split, logits: Logits, rows: EncodedRows | None) -> Ragged:
        """The tag with the largest logit; for a word without a token, which the tokenizer leaves out, the first tag."""
        words, numbers = _words(split), self.decisions(split, logits, rows).logits.argmax(-1)
        return Ragged(numbers, np.append(0, np.cumsum(words)))

    def decisions(self, split: Split, logits: Logits, rows: EncodedRows | None) -> Decisions:
        """One a word; of a word without a token all logits are 0."""
        assert rows is not None
        assert rows.places is not None
        words, places = _words(split), np.asarray(rows.places)
        firsts = np.cumsum(words) - words
        of_words = np.zeros((words.sum(), logits.shape[1]), logits.dtype)
        said = np.flatnonzero(places >= 0)
        owners = np.repeat(rows.owners, rows.lengths)
        of_words[firsts[owners[said]] + places[said]] = logits[said]
        labels = split.labels.values if isinstance(split.labels, Ragged) else None
        return Decisions(of_words, np.repeat(np.arange(len(split)), words), labels)

    def scores(self, names: Sequence[str], answers: Ragged, split: Split) -> dict[str, float]:
        """Of entities, all together, and of words."""
        return counted.scores_of(names, self._counts(answers, split))

    def commonest(self, split: Split) -> Ragged:
        """The commonest tag for every word."""
        assert isinstance(split.labels, Ragged)
        values = split.labels.values
        return Ragged(np.full(len(values), np.bincount(values).argmax()), split.labels.offsets)

    def shown(self, labels: Ragged, split: Split) -> Sequence[str]:
        """Tags, separated by blanks as the words are."""
        return [" ".join(tags) for tags in self._names(labels)]

    def columns(self, split: Split, answers: Ragged, logits: Logits) -> dict[str, Any]:
        """What is counted of every labeled row."""
        if split.labels is None:
            return {}
        return {f"n({name})": values for name, values in self._counts(answers, split).items()}

    def as_rows(self, split: Split, answers: Ragged, logits: Logits) -> dict[str, Sequence[Any]]:
        """Words and their tags as lists."""
        return {"tokens": [text.split(" ") for text in split.texts], "tags": self._names(answers)}

    def predicted(self, split: Split, answers: Ragged, logits: Logits) -> dict[str, Sequence[Any]]:
        """A list of tags, one a word."""
        return {"prediction": self._names(answers)}

    def alike(self, ours: Ragged, theirs: Ragged, split: Split) -> NDArray[np.bool_]:
        """Whether all words of a row have the same tags."""
        same: NDArray[np.bool_] = np.logical_and.reduceat(self.equal(ours, theirs), ours.offsets[:-1])
        return same

    def given(self, answers: Ragged) -> NDArray[np.bool_]:
        """Those that any of its words has."""
        found = np.zeros((len(answers), len(self.target.labels)), np.bool_)
        found[np.repeat(np.arange(len(answers)), np.diff(answers.offsets)), answers.values] = True
        return found

    def equal(self, ours: Ragged, theirs: Ragged) -> NDArray[np.bool_]:
        """Whether each word has the same tag."""
        same: NDArray[np.bool_] = ours.values == theirs.values
        return same

    def _names(self, labels: Ragged) -> list[list[str]]:
        return [[self.target.labels[tag] for tag in labels.row(row)] for row in range(len(labels))]

    def _counts(self, answers: Ragged, split: Split) -> dict[str, NDArray[np.float64]]:
        assert isinstance(split.labels, Ragged)
        counts = {"right words": [], "words": [], "right entities": [], "said entities": [], "entities": []}  # type: ignore[var-annotated]
        for said, known in zip(self._names(answers), self._names(split.labels), strict=True):
            counts["words"].append(len(known))
            counts["right words"].append(sum(one == other for one, other in zip(said, known, strict=True)))
            if self.target.entities:
                ours, theirs = (set(entities(tags, ended=self.target.ended)) for tags in (said, known))
                counts["right entities"].append(len(ours & theirs))
                counts["said entities"].append(len(ours))
                counts["entities"].append(len(theirs))
        return {name: np.array(values, np.float64) for name, values in counts.items() if values}


def _words(split: Split) -> NDArray[np.int64]:
    """How many words each row has [N]."""
    return np.array([text.count(" ") + 1 for text in split.texts], np.int64)
