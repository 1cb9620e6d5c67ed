"""How training went, from the CSV files that a run's logger has left in its artifact."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinydistill.report.collected import Run

Points = list[tuple[float, float]]  # (optimiser step, value)


@dataclass(frozen=True)
class Curves:
    """What one phase of a run has logged, by the metric's name. `phase` is the stage where it has but one."""

    run: Run
    phase: str
    metrics: dict[str, Points]

    def named(self, prefix: str) -> dict[str, Points]:
        """The metrics below a name, by what follows it."""
        return {name.removeprefix(prefix): points for name, points in self.metrics.items() if name.startswith(prefix)}


def curves(run: Run) -> list[Curves]:
    """The phases of a run in the order in which they ran; none where it has logged nothing to CSV."""
    logs = run.path / "logs"
    phases: dict[str, list[Path]] = {}
    for file in sorted(logs.glob("**/csv/version_*/metrics.csv"), key=_version):
        phase = "/".join(file.relative_to(logs).parts[:-3]) or run.stage
        phases.setdefault(phase, []).append(file)
    read = [Curves(run, phase, _metrics(files)) for phase, files in phases.items()]
    return sorted((one for one in read if one.metrics), key=lambda one: (one.phase != "intermediate", one.phase))


def _version(file: Path) -> tuple[str, int]:
    number = file.parent.name.removeprefix("version_")
    return str(file.parent.parent), int(number) if number.isdigit() else 0


def _metrics(files: Sequence[Path]) -> dict[str, Points]:
    """All metrics of a phase, of whose files each goes on where an interruption cut the one before."""
    metrics: dict[str, dict[float, float]] = {}
    for file in files:
        with file.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                step = _number(row.get("step"))
                for name, cell in row.items():
                    value = _number(cell)
                    if step is not None and value is not None and name not in ("step", "epoch", None):
                        metrics.setdefault(name, {})[step] = value
    return {name: sorted(points.items()) for name, points in metrics.items()}


def _number(cell: object) -> float | None:
    """A cell's number; None for an empty one, and for what a cut line has left."""
    try:
        value = float(str(cell))
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None


def smoothed(points: Points, window: int) -> Points:
    """The running mean over so many points, of as many as there are at the ends."""
    half = window // 2
    values = [value for _, value in points]
    means = []
    for i, (step, _) in enumerate(points):
        near = values[max(0, i - half) : i + half + 1]
        means.append((step, sum(near) / len(near)))
    return means
