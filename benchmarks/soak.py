"""Many short runs on the same cache and outputs: what they leave behind, and how much a process grows.

python benchmarks/soak.py [--runs 200] [--at-once 4]

First in one process one after another, then in several at a time that all ask for the same artifacts. Memory is the
resident set after a run; the growth is that of the second half of the runs, a run.
"""

import contextlib
import gc
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from common import parser
from workspace import commands, make_inputs

STAGES = ("general", "finetune", "prediction", "augment")
SHORT = [
    "general.max_steps=3",
    "finetune.teacher.epochs=1",
    "prediction.epochs=1",
    "trainer.enable_progress_bar=false",
]


def measured() -> dict[str, float]:
    """The resident set in MB, open files, threads and children of this process, without what waits to be collected."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    files, threads = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    children = sum(len(task.read_text().split()) for task in Path("/proc/self/task").glob("*/children"))
    return {
        "MB": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "files": files,
        "threads": threads,
        "children": children + len(multiprocessing.active_children()),
    }


def work(root: Path, runs: int, number: int) -> None:
    """Runs one after another in this process; what is measured after each is written down."""
    from tinydistill import __main__ as door

    words, found = commands(root / "inputs"), []
    with (root / f"printed-{number}.txt").open("a") as printed, contextlib.redirect_stdout(printed):
        for run in range(runs):
            stage = STAGES[run % len(STAGES)]
            output = root / "outputs" / f"{stage}-{run}"
            places = [f"paths.outputs={root / 'outputs'}", f"paths.cache={root / 'cache'}", f"output_dir={output}"]
            sys.argv = ["tinydistill", *words[stage], *SHORT, f"seed={run}", *places]
            door.main()
            found.append(measured())
    (root / f"measured-{number}.json").write_text(json.dumps(found))


def at_once(root: Path, runs: int, processes: int) -> float:
    """Start processes that all do the same runs; the seconds until the last has ended."""
    if (root / "outputs").exists():
        (root / "outputs").rename(root / "outputs-before")
    began = time.monotonic()
    command = [sys.executable, __file__, "--runs", str(runs), "--work", str(root), "--number"]
    started = [subprocess.Popen([*command, str(number)]) for number in range(processes)]
    codes = [process.wait() for process in started]
    if any(codes):
        sys.exit(f"exit codes {codes}; see {root}")
    return time.monotonic() - began


def left_behind(root: Path) -> dict[str, int]:
    """Unfinished work and locks that somebody still holds, below outputs and cache."""
    names = [path for place in ("outputs", "cache") for path in (root / place).rglob("*")]
    return {
        "unfinished": sum(path.name.endswith((".unfinished", ".partial", ".replaced")) for path in names),
        "locks held": sum(_held(path) for path in names if path.suffix == ".lock"),
        "artifacts": sum(path.name == "result.json" for path in names),
    }


def _held(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def growth(found: list[dict[str, Any]], what: str) -> str:
    half, last = found[len(found) // 2][what], found[-1][what]
    each = (last - half) / max(len(found) - 1 - len(found) // 2, 1)
    return f"{found[0][what]:.0f} after the first run, {last:.0f} after the last; {each:+.2f} a run in the second half"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=200)
    arguments.add_argument("--at-once", type=int, default=4)
    arguments.add_argument("--work", type=Path, help="internal")
    arguments.add_argument("--number", type=int, default=0, help="internal")
    given = arguments.parse_args()
    if given.work:
        work(given.work, given.runs, given.number)
        return
    root = Path(tempfile.mkdtemp(prefix="tinydistill-soak-"))
    make_inputs(root / "inputs")
    for processes in (1, given.at_once):
        seconds = at_once(root, given.runs, processes)
        print(f"{given.runs} runs in each of {processes} processes at once, {seconds:.0f} s")
        for number in range(processes):
            found = json.loads((root / f"measured-{number}.json").read_text())
            for what in found[0]:
                print(f"  process {number}, {what}: {growth(found, what)}")
        print("  left behind:", ", ".join(f"{count} {what}" for what, count in left_behind(root).items()), flush=True)


if __name__ == "__main__":
    main()
