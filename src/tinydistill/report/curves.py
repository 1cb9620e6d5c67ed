"""How training went, from the CSV files that a run's logger has left in its artifact."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tinydistill.report.run import Run


@dataclass(frozen=True)
class Curves:
    """What one phase of a run has logged: a column a metric, indexed by optimizer steps.

    `phase` is the stage where it has but one.
    """

    run: Run
    phase: str
    metrics: pd.DataFrame

    def metric(self, name: str) -> pd.Series:
        """The points of one metric; none where it was not logged."""
        return self.metrics[name].dropna() if name in self.metrics else pd.Series(dtype=float)

    def named(self, prefix: str) -> dict[str, pd.Series]:
        """The metrics below a name, by what follows it."""
        return {name.removeprefix(prefix): self.metric(name) for name in self.metrics if name.startswith(prefix)}


def curves(run: Run) -> list[Curves]:
    """The phases of a run in the order in which they ran; none where it has logged nothing to CSV."""
    logs = run.path / "logs"
    phases: dict[str, list[Path]] = {}
    for file in sorted(logs.glob("**/csv/version_*/metrics.csv"), key=_version):
        phase = "/".join(file.relative_to(logs).parts[:-3]) or run.stage
        phases.setdefault(phase, []).append(file)
    read = [Curves(run, phase, _metrics(files)) for phase, files in phases.items()]
    kept = [one for one in read if not one.metrics.empty]
    return sorted(kept, key=lambda one: (one.phase != "intermediate", one.phase))


def _version(file: Path) -> tuple[str, int]:
    number = file.parent.name.removeprefix("version_")
    return str(file.parent.parent), int(number) if number.isdigit() else 0


def _metrics(files: Sequence[Path]) -> pd.DataFrame:
    """All metrics of a phase, of whose files each goes on where an interruption cut the one before."""
    frames = [pd.read_csv(file, dtype=str) for file in files if file.stat().st_size]
    if not frames:
        return pd.DataFrame()
    numbers = pd.concat(frames).apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)  # cut lines
    return numbers.dropna(subset="step").groupby("step").last().drop(columns="epoch", errors="ignore")
