"""Any number of labels for a text or a pair of texts: topics, teams, what is wrong with a machine.

B: rows in a batch, C: labels, N: rows of a split.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from transformers import PretrainedConfig

from tinydistill.data.tasks.encoding import EncodedRows
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.several_labels import SeveralLabels
from tinydistill.errors import InputError
from tinydistill.escaping import for_markdown, for_spreadsheet
from tinydistill.kinds import counted
from tinydistill.kinds.base import Batch, Logits, TaskKind, of_targets
from tinydistill.kinds.decisions import Decisions
from tinydistill.kinds.functional import soft_binary_cross_entropy
from tinydistill.kinds.thresholds import DEFAULT, best_thresholds
from tinydistill.models.heads import SEVERAL_LABELS, Head

THRESHOLDS = "tinydistill_thresholds"
"""The attribute of a model's configuration that has them, in the order of the labels' numbers."""
Said = NDArray[np.bool_]  # [N, C]


@of_targets(SeveralLabels)
class MultiLabelClassification(TaskKind):
    """Each of several labels, or not. Answers are bools [N, C].

    A label is given where its probability, the sigmoid of its logit, reaches the label's threshold.

    Args:
        target: the labels.
        thresholds: one for each; None for DEFAULT.
    """

    target: SeveralLabels
    metrics = ("micro_f1", "macro_f1", "subset_accuracy")
    predicts = "several labels at once"
    alike_with = "the same labels"
    answered = "labels of the rows"
    pipeline = "text-classification"
    read_out = f"""(logits,) = session.run(["logits"], inputs)
config = json.load(open("DIRECTORY/config.json"))
for scores in 1 / (1 + np.exp(-logits)):
    given = np.flatnonzero(scores >= config["{THRESHOLDS}"])
    print([config["id2label"][str(number)] for number in given])"""

    def __init__(self, target: SeveralLabels, thresholds: tuple[float, ...] | None = None):
        super().__init__(target)
        self.thresholds = thresholds or (DEFAULT,) * len(target.labels)

    @property
    def head(self) -> Head:
        """A sequence classification's, which transformers reads by sigmoids."""
        return Head(self.target.labels, problem_type=SEVERAL_LABELS)

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The mean over the batch and the labels of the binary cross-entropy."""
        return F.binary_cross_entropy_with_logits(logits.float(), batch["labels"].float())

    def soft_loss(self, logits: Tensor, batch: Batch, *, temperature: float = 1.0, scale: float = 1.0) -> Tensor:
        """The same with the teacher's sigmoids in place of labels."""
        return scale * soft_binary_cross_entropy(logits, batch["teacher_logits"], temperature)

    # thresholds

    def fitted_to(self, split: Split, logits: Logits, rows: EncodedRows | None) -> Self:
        """With the thresholds that are best for a model with these logits."""
        assert isinstance(split.labels, np.ndarray)
        return type(self)(self.target, best_thresholds(_probabilities(logits), split.labels))

    def read_from(self, config: PretrainedConfig) -> Self | None:
        """With a model's thresholds. Raises InputError where they are no numbers from 0 to 1, one for each label."""
        found = getattr(config, THRESHOLDS, None)
        if found is None:
            return None
        good = isinstance(found, list) and len(found) == len(self.target.labels)
        if not (good and all(type(one) in (int, float) and 0 <= one <= 1 for one in found)):
            raise InputError(
                f"{THRESHOLDS} in the model's config.json must be {len(self.target.labels)} numbers from 0 to 1",
                "fix or delete them",
            )
        return type(self)(self.target, tuple(map(float, found)))

    @property
    def configuration(self) -> dict[str, Any]:
        """The thresholds."""
        return {THRESHOLDS: list(self.thresholds)}

    # answers

    def answers(self, split: Split, logits: Logits, rows: EncodedRows | None = None) -> Said:
        """Which labels reach their thresholds."""
        reached: Said = _probabilities(logits) >= np.array(self.thresholds)
        return reached

    def scores(self, names: Sequence[str], answers: Said, split: Split) -> dict[str, float]:
        """Of labels, all together and one by one, and of rows."""
        return counted.scores_of(names, self._counts(answers, split))

    def commonest(self, split: Split) -> Said:
        """The commonest labels for every row: as many of them as have the best micro F1."""
        assert isinstance(split.labels, np.ndarray)
        counts = split.labels.sum(0, dtype=np.float64)
        order = np.argsort(-counts, kind="stable")
        taken = np.arange(1, len(order) + 1)
        f1 = 2 * np.cumsum(counts[order]) / np.maximum(len(split) * taken + counts.sum(), 1)
        said = np.zeros((len(split), len(order)), np.bool_)
        said[:, order[: taken[f1.argmax()]]] = True
        return said

    def shown(self, labels: NDArray[Any], split: Split) -> Sequence[str]:
        """Their names, separated by bars."""
        names = self.target.labels
        return [" | ".join(names[number] for number in np.flatnonzero(row)) or "(none)" for row in labels]

    def as_rows(self, split: Split, answers: Said, logits: Logits) -> dict[str, Sequence[Any]]:
        """A split's rows with lists of labels."""
        names = self.target.labels
        given = [[names[number] for number in np.flatnonzero(row)] for row in answers]
        texts = {"text": split.texts} | ({} if split.pairs is None else {"text_pair": split.pairs})
        return {**texts, "labels": given}

    def predicted(self, split: Split, answers: Said, logits: Logits) -> dict[str, Sequence[Any]]:
        """A list of labels, and every label's probability, as p(NAME), to six digits."""
        given, shares = self.as_rows(split, answers, logits)["labels"], _probabilities(logits).round(6)
        return {"prediction": given} | {
            f"p({name})": shares[:, n].tolist() for n, name in enumerate(self.target.labels)
        }

    def columns(self, split: Split, answers: Said, logits: Logits) -> dict[str, Any]:
        """Every label's probability, as p(NAME), and what is counted of every labeled row."""
        shares = _probabilities(logits)
        found = {f"p({for_spreadsheet(name)})": shares[:, number] for number, name in enumerate(self.target.labels)}
        if split.labels is None:
            return found
        counts = self._counts(answers, split)
        return found | {f"n({for_spreadsheet(name)})": values.astype(np.int64) for name, values in counts.items()}

    def equal(self, ours: Said, theirs: Said) -> NDArray[np.bool_]:
        """Whether both give a label or both don't, for every label of every row."""
        return np.ravel(ours == theirs)

    def given(self, answers: NDArray[Any]) -> Said:
        """Those that it is given."""
        said: Said = answers > 0
        return said

    def decisions(self, split: Split, logits: Logits, rows: EncodedRows | None = None) -> Decisions:
        """One a label and row: yes or no."""
        labels = split.labels.astype(np.int64).ravel() if isinstance(split.labels, np.ndarray) else None
        yes = np.asarray(logits).ravel()
        of_rows = np.repeat(np.arange(len(split)), len(self.target.labels))
        return Decisions(np.stack([np.zeros_like(yes), yes], axis=1), of_rows, labels)

    def confidences(self, split: Split, logits: Logits, rows: EncodedRows | None = None) -> NDArray[np.float64]:
        """The least of max(q, 1 − q) over the labels, log-odds of q being counted from the label's threshold."""
        odds = torch.tensor(np.asarray(logits, np.float64)) - torch.tensor(self.thresholds).double().logit()
        sure: NDArray[np.float64] = odds.abs().sigmoid().amin(-1).numpy()
        return sure

    def margins(self, logits: Logits) -> NDArray[np.float64]:
        """How far each probability is from its threshold."""
        return np.abs(_probabilities(logits) - np.array(self.thresholds)).ravel()

    @property
    def described(self) -> str:
        """Its labels with their thresholds."""
        pairs = zip(self.target.labels, self.thresholds, strict=True)
        named = ", ".join(f"{for_markdown(name)} ({threshold:.3g})" for name, threshold in pairs)
        return f"any number of the labels {named}; in parentheses the probability from which on a label is given"

    def in_transformers(self, max_length: int, *, pair: bool) -> str:
        """A program in transformers that prints the labels of a text."""
        row = '{"text": "first text", "text_pair": "second text"}' if pair else '"a text"'
        return f"""from transformers import pipeline

answer = pipeline("{self.pipeline}", "DIRECTORY"{self.pipeline_options(max_length)})
config = answer.model.config
for found in answer([{row}]):
    print([one["label"] for one in found if one["score"] >= config.{THRESHOLDS}[config.label2id[one["label"]]]])"""

    def pipeline_options(self, max_length: int) -> str:
        """The probabilities of all labels."""
        return f", top_k=None{super().pipeline_options(max_length)}"

    def _counts(self, answers: Said, split: Split) -> dict[str, NDArray[np.float64]]:
        assert isinstance(split.labels, np.ndarray)
        known = split.labels > 0
        counts = {"exact rows": (known == answers).all(1), "rows": np.ones(len(known))}
        for number, name in enumerate(self.target.labels):
            ours, theirs = answers[:, number], known[:, number]
            of_label = {"right": ours & theirs, "said": ours, "labeled": theirs}
            counts |= {f"{what}: {name}": values for what, values in of_label.items()}
        return {name: values.astype(np.float64) for name, values in counts.items()}


def _probabilities(logits: Logits) -> NDArray[np.float64]:
    """Sigmoids [N, C]."""
    return torch.tensor(np.asarray(logits, np.float32), dtype=torch.float64).sigmoid().numpy()
