"""One artifact in a report; all that the report knows of the layout of stored records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tinydistill.artifacts.files import file_hash, kept
from tinydistill.artifacts.provenance import PROVENANCE, RESULT, Record
from tinydistill.artifacts.writer import JOB
from tinydistill.models import loading as models

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Figure:
    """A number that runs are compared by; they are sorted by `chosen_by` where that is known, on rows kept for that."""

    name: str
    value: float | None
    higher_is_better: bool = True
    chosen_by: float | None = None

    @property
    def rank(self) -> tuple[bool, float]:
        """Smaller for the better; runs without the number come last."""
        value = self.value if self.chosen_by is None else self.chosen_by
        return value is None, -(value or 0.0) if self.higher_is_better else value or 0.0


@dataclass(frozen=True)
class Run(Record):
    """One artifact. `name` is what a report calls it: the end of its path, no two alike in a report."""

    name: str = ""

    @property
    def task(self) -> str | None:
        """The name of the task that it is about."""
        task = self.configuration.get("task", {}).get("name")
        return task if self.stage in ("finetune", "task", "evaluate", "export", "certify", "search") else None

    @property
    def finetuned(self) -> str:
        """What the finetune stage has trained, teacher or student; empty for other stages."""
        return str(self.configuration["finetune"]["model"]) if self.stage == "finetune" else ""

    @property
    def losses(self) -> list[str]:
        """The losses that had a weight."""
        objective = self.configuration.get("objective", {})
        weights = {name: objective.get(name) for name in ("embedding", "hidden", "attention", "relation")}
        weights |= {name: loss.get("weight", 1.0) for name, loss in (objective.get("losses") or {}).items()}
        return [name for name, weight in weights.items() if weight]

    @property
    def inputs(self) -> dict[str, str | None]:
        """What it was made from: hashes of weights and rows by what they were to it (teacher, model, task, …)."""
        return self.settings.get("inputs", {})

    @cached_property
    def weights(self) -> str:
        """What its weights are, as inputs name them; empty where it is no model."""
        return models.identity(str(self.path))

    @property
    def choices(self) -> dict[str, Any]:
        """What makes a difference to it: its options as they are typed, and the identities of its inputs."""
        return {**flat_options(self.settings.get("options", {})), **self.inputs}

    @property
    def score(self) -> float | None:
        """The task's reported score."""
        return self.result.get("score")

    @property
    def monitor(self) -> str | None:
        """What the score is: SPLIT/METRIC."""
        return self.result.get("monitor")

    def scores(self, name: str = "scores") -> Scores:
        """All scores, or the teacher's or the majority's, as SPLIT/METRIC; an export has them of models instead.

        Not those on rows kept aside to choose by.
        """
        found = self.result.get(name) if self.stage != "export" else None
        chooses, reported = (str(self.result.get(key)).rpartition("/")[0] for key in ("chosen_by", "monitor"))
        shown = {split: of for split, of in (found or {}).items() if split == reported or split != chooses}
        return {f"{split}/{metric}": value for split, of in shown.items() for metric, value in of.items()}

    @cached_property
    def job(self) -> dict[str, Any]:
        """What a sweep says of the job that made it; empty outside of a sweep."""
        jobs = (kept(place / JOB, "what the sweep said of it is left out") for place in self.path.parents)
        return next((job for job in jobs if job is not None), {})

    @property
    def untrained(self) -> bool:
        """Whether there are scores of it from before its first step, and other ones after its last."""
        return bool(self.result.get("start_scores") and self.result["phases"])

    @property
    def phases(self) -> dict[str, dict[str, Any]]:
        """The reports of its phases by name; of a stage that has but one, its result."""
        return self.result.get("phases") or {self.stage: self.result}

    @property
    def mapping(self) -> list[int | None] | None:
        """The teacher layer of each student layer; None where it imitates no layers."""
        return next((report["mapping"] for report in self.phases.values() if report.get("mapping")), None)

    @property
    def figure(self) -> Figure:
        """How good it is: the task's score, or how well every layer is imitated, or the held-out loss.

        The mean unexplained variance can be compared between objectives, whose losses can't.
        """
        if self.score is not None:
            return Figure(str(self.monitor), float(self.score), chosen_by=self.result.get("selection_score"))
        if rows := explained(self.result):
            mean = sum(row["unexplained"] for row in rows) / len(rows)
            return Figure("mean unexplained variance", mean, higher_is_better=False)
        return Figure("held-out loss", self.result.get("heldout_loss"), higher_is_better=False)

    def identity(self) -> str:
        """Another one where the artifact was made again."""
        return file_hash(self.path / PROVENANCE)[:16] + file_hash(self.path / RESULT)[:16]


def best_first(runs: Sequence[Run]) -> list[Run]:
    """Runs by their figures."""
    return sorted(runs, key=lambda run: run.figure.rank)


def explained(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a phase's report on losses by layer whose unexplained variance is known."""
    return [row for row in report.get("layers", ()) if row.get("unexplained") is not None]


def flat_options(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options as one dictionary with dotted keys; what a `_target_` builds goes by its last word.

    A mapping's arguments stand behind its name: `listed [2,4,6]`.
    """
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if key == "_target_":
            flat[prefix[:-1]] = value.rpartition(".")[2]
        elif key == "mapping" and isinstance(value, dict):
            layers = ",".join("null" if n is None else str(n) for n in value.get("layers") or ())
            flat[prefix + key] = value["_target_"].rpartition(".")[2] + (f" [{layers}]" if layers else "")
        elif isinstance(value, dict):
            flat |= flat_options(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
