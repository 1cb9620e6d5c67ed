"""What the CSV logger keeps beside every other logger, for tests that compare."""

import csv
from pathlib import Path


def last_values(logs: Path) -> dict[str, float]:
    """The last value of every metric in the only CSV table below a directory of logs."""
    (metrics,) = logs.glob("csv/*/metrics.csv")
    with metrics.open() as file:
        last = {name: float(value) for row in csv.DictReader(file) for name, value in row.items() if value}
    del last["step"]
    return last
