"""Shapes of a student by latency, size and score: which to train next, which is chosen, and how they look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tinydistill.console import count
from tinydistill.console import table as printed
from tinydistill.export.markdown import cell, table
from tinydistill.report import plots

LEAST_RANKED = 4  # trained shapes, of fewer a rank correlation says nothing
_SIZE = (8.8, 4.0)  # inches
COLUMNS = ("shape", "parameters", "MB", "ms", "faster", "alike", "solved", "trained", "95% interval", "of teacher")


@dataclass(frozen=True)
class Candidate:
    """A shape of a student, in one of the forms that it may be shipped in.

    `form` is that one, where there are several; `ms` and `bytes` are the form's, all scores the model's: `solved` is
    its score before any step, `trained` that of the same shape after training, `retention` its share of the teacher's
    in percent, `interval` that of `trained`. `alike` says how far the solved one answers the training rows that were
    kept aside as its teacher does, from 0 to 1.
    """

    name: str
    parameters: int
    bytes: int
    ms: float
    speedup: float
    solved: float | None
    trained: float | None = None
    retention: float | None = None
    interval: Sequence[float] | None = None
    path: str | None = None
    form: str | None = None
    alike: float | None = None

    @property
    def promise(self) -> float | None:
        """What shapes are ranked by before any is trained, not on the rows that it is reported on if it can be."""
        return self.solved if self.alike is None else self.alike

    @property
    def label(self) -> str:
        """The shape's name, with the form where there are several."""
        return self.name if self.form is None else f"{self.name}, {self.form}"


Cost = Callable[[Candidate], float]


@dataclass(frozen=True)
class Target:
    """What is asked of a student: milliseconds for an answer, at most, and a share of the teacher's score, at least.

    `prefer` says which of those that keep to both is the best: the fastest, or the smallest.
    """

    ms: float | None = None
    retention: float | None = None  # from 0 to 1
    prefer: str = "fastest"

    @property
    def cost(self) -> Cost:
        """What is to be small."""
        return milliseconds if self.prefer == "fastest" else megabytes

    def fast_enough(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Those that answer in time."""
        return [one for one in candidates if self.ms is None or one.ms <= self.ms]

    def reached(self, candidate: Candidate) -> bool:
        """Whether a trained one keeps as much of the teacher."""
        return self.retention is None or (candidate.retention or 0) >= 100 * self.retention

    def next(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """Which to train next; None where no other could be chosen.

        Of those that are fast enough and that no other is both cheaper and more promising than: with a retention the
        middle one between the costliest that missed it and the cheapest that reached it, else the most promising one,
        and after these the others, the most promising first.
        """
        eligible = self.fast_enough(candidates)
        front = frontier(eligible, lambda one: one.promise, self.cost)
        if self.retention is not None:
            missed = [i for i, one in enumerate(front) if one.trained is not None and not self.reached(one)]
            reached = [i for i, one in enumerate(front) if one.trained is not None and self.reached(one)]
            first, last = max(missed, default=-1) + 1, min(reached, default=len(front))
            return front[(first + last) // 2] if first < last else None
        others = sorted((one for one in eligible if one not in front), key=_promise)
        return next((one for one in [*reversed(front), *reversed(others)] if one.trained is None), None)

    def choice(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """The cheapest trained one that reaches both; without a retention the best in time. None where none does."""
        trained = [one for one in self.fast_enough(candidates) if one.trained is not None and self.reached(one)]
        if self.retention is not None:
            return min(trained, key=self.cost, default=None)
        return max(trained, key=lambda one: (one.trained or 0.0, -self.cost(one)), default=None)


def milliseconds(candidate: Candidate) -> float:
    """For an answer."""
    return candidate.ms


def megabytes(candidate: Candidate) -> float:
    """Of its files."""
    return candidate.bytes / 1e6


def frontier(
    candidates: Sequence[Candidate], score: Callable[[Candidate], float | None], cost: Cost = milliseconds
) -> list[Candidate]:
    """Those with a score that no other is at least as cheap and better than, the cheapest first."""
    front: list[Candidate] = []
    best = float("-inf")
    for one in sorted(candidates, key=lambda one: (cost(one), -(score(one) or 0.0))):
        if (found := score(one)) is not None and found > best:
            front.append(one)
            best = found
    return front


def rank_correlation(candidates: Sequence[Candidate]) -> float | None:
    """Spearman's, of promises and of scores after training; None of fewer than LEAST_RANKED trained shapes."""
    shapes = {one.name: one for one in candidates}.values()  # each in one of its forms
    trained = [one for one in shapes if one.trained is not None and one.promise is not None]
    if len(trained) < LEAST_RANKED:
        return None
    ranks = pd.DataFrame([(one.promise, one.trained) for one in trained]).rank()
    found = float(ranks[0].corr(ranks[1]))
    return None if pd.isna(found) else found


def lines(candidates: Sequence[Candidate], chosen: str | None) -> list[list[str]]:
    """A row a candidate under COLUMNS, the fastest first; the chosen one, by its label, has a star."""
    return [
        [
            f"{one.label} *" if one.label == chosen else one.label,
            count(one.parameters),
            f"{megabytes(one):.1f}",
            f"{one.ms:.2f}",
            f"{one.speedup:.1f}x",
            cell(one.alike),
            cell(one.solved),
            cell(one.trained),
            "-" if one.interval is None else f"{one.interval[0]:.3f} to {one.interval[1]:.3f}",
            cell(one.retention, "{:.1f}%"),
        ]
        for one in sorted(candidates, key=lambda one: one.ms)
    ]


@dataclass(frozen=True)
class Found:
    """What a search has found, as its result keeps it; `runtime` names the forms."""

    candidates: list[Candidate]
    target: Target
    chosen: Candidate | None
    monitor: str
    teacher_score: float | None
    runtime: str
    timed_as: str
    rank_correlation: float | None

    @property
    def score(self) -> float | None:
        """That of the chosen one, or else the best of those that were trained."""
        trained = [one.trained for one in self.candidates if one.trained is not None]
        return max(trained, default=None) if self.chosen is None else self.chosen.trained

    @property
    def remark(self) -> str:
        """What the figures are, and how well the ranking before training predicts the scores after it."""
        teacher = "" if self.teacher_score is None else f", the teacher's is {self.teacher_score:.3f}"
        timed = f"ms: the median for {self.timed_as}, {self.runtime}, alternating with the teacher"
        said = f"{timed}; {self.monitor}{teacher}."
        if self.runtime != "pytorch":
            said += " Scores are those of the models in PyTorch: an export checks that its files answer alike."
        if any(one.alike is not None for one in self.candidates):
            said += " Alike: how far the solved student answers as its teacher does, by which shapes are ranked."
        if self.rank_correlation is None:
            return said
        return f"{said} Rank correlation with the scores after training: {self.rank_correlation:.2f}."


def read(result: Mapping[str, Any]) -> Found:
    """The result of stage=search as it is stored."""
    chosen = result["chosen"]
    return Found(
        [Candidate(**one) for one in result["candidates"]],
        Target(**result["target"]),
        None if chosen is None else Candidate(**chosen),
        *(result[name] for name in ("monitor", "teacher_score", "runtime", "timed_as", "rank_correlation")),
    )


def show(found: Found) -> None:
    """Print them as a table."""
    printed("shapes", COLUMNS, lines(found.candidates, found.chosen.label if found.chosen else None))


def in_markdown(found: Found) -> str:
    """The same for a report."""
    return table(COLUMNS, lines(found.candidates, found.chosen.label if found.chosen else None))


def draw(file: Path, title: str, candidates: Sequence[Candidate], teacher: float | None, target: Target) -> None:
    """Score against latency and against size as a PNG: shapes solved and trained, with intervals and frontiers.

    The teacher's score and what is asked for are lines.
    """
    with plots.figure(file, _SIZE) as fig:
        in_time, in_size = fig.subplots(1, 2, sharey=True)
        in_time.set_title(title)
        for axes, name, cost in ((in_time, "ms for an answer", milliseconds), (in_size, "MB of its files", megabytes)):
            _scatter(axes, candidates, cost)
            if teacher is not None:
                axes.axhline(teacher, color=plots.ORANGE, linewidth=1, label="teacher")
                if target.retention is not None:
                    wanted = teacher * target.retention
                    axes.axhline(wanted, color=plots.ORANGE, linewidth=1, linestyle=":", label="asked for")
            axes.set_xlabel(name)
        if target.ms is not None:
            in_time.axvline(target.ms, color=plots.ORANGE, linewidth=1, linestyle=":")
        in_time.set_ylabel("score")
        fig.legend(*in_time.get_legend_handles_labels(), loc="outside lower left", ncols=4)


def _scatter(axes: Any, candidates: Sequence[Candidate], cost: Cost) -> None:
    """The scores of candidates against a cost, the intervals of trained ones, and their frontiers."""
    series: list[tuple[str, str, str, Any]] = [
        ("solved, no training", plots.GREY, "o", lambda one: one.solved),
        ("trained, 95% intervals", plots.BLUE, "D", lambda one: one.trained),
    ]
    for label, color, marker, score in series:
        known = [one for one in candidates if score(one) is not None]
        places = [cost(one) for one in known], [score(one) for one in known]
        axes.scatter(*places, color=color, marker=marker, label=label, s=26)
        front = frontier(known, score, cost)
        axes.plot([cost(one) for one in front], [score(one) for one in front], color=color, linewidth=1)
    trained = [one for one in candidates if one.trained is not None]
    for one in trained:
        if one.interval is not None:
            axes.vlines(cost(one), *one.interval, color=plots.BLUE, linewidth=1, alpha=0.35)
    several = any(one.form is not None for one in trained)  # names of all of them would hide each other
    for one in frontier(trained, lambda one: one.trained, cost) if several else trained:
        axes.annotate(one.label, (cost(one), one.trained), xytext=(3, 4), textcoords="offset points", fontsize=7.5)


def _promise(candidate: Candidate) -> float:
    return float("-inf") if candidate.promise is None else candidate.promise
