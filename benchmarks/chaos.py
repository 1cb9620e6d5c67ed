"""Kills every stage at random moments, runs the same command again, and compares with a run that was left alone.

python benchmarks/chaos.py [--trials 20] [--stages general,augment] [--signals KILL,TERM] [--seed 0]

A run is killed once, between its first line and the time at which the undisturbed one ended. What it has published in
the end is compared byte for byte: weights, rows, ONNX files, and results without times. SIGTERM must end it with 143.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import parser
from tinydistill.artifacts.portable import without_home
from workspace import commands, make_inputs

_FILES = (".safetensors", ".parquet", ".onnx", ".tsv")
_MEASURED = ("seconds", "milliseconds", "latency", "speed", "spread", "size_on_disk", "made", "date")  # differ anyway


class FaultError(Exception):
    """A command has not ended as it should."""


def launch(words: list[str], directory: Path) -> subprocess.Popen[bytes]:
    """A command line that works below a directory; everything that it prints goes to a file there."""
    places = [f"paths.outputs={directory / 'outputs'}", f"paths.cache={directory / 'cache'}"]
    if "stage=pipeline" not in words:
        places.append(f"output_dir={directory / 'outputs' / 'made'}")
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "printed.txt").open("ab") as printed:
        return subprocess.Popen(
            [sys.executable, "-m", "tinydistill", *words, *places],
            stdout=printed,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


def finish(words: list[str], directory: Path) -> float:
    """Run to the end; the seconds between the first line and the last."""
    process = launch(words, directory)
    first = first_line(process, directory)
    if process.wait() != 0:
        raise FaultError(
            f"{directory} ended with {process.returncode}: {(directory / 'printed.txt').read_text()[-2000:]}"
        )
    return time.monotonic() - first


def first_line(process: subprocess.Popen[bytes], directory: Path) -> float:
    """When something was printed first."""
    while process.poll() is None and not (directory / "printed.txt").stat().st_size:
        time.sleep(0.02)
    return time.monotonic()


def published(directory: Path) -> dict[str, str]:
    """What artifacts hold, by file: digests of bytes, and of results without what is measured and where they are."""
    found = {}
    for file in sorted((directory / "outputs").rglob("*")):
        name = str(file.relative_to(directory))
        if file.suffix in _FILES:
            found[name] = hashlib.sha256(file.read_bytes()).hexdigest()
        elif file.name == "result.json":
            text = json.dumps(_lasting(json.loads(file.read_text())))
            found[name] = text.replace(str(without_home(str(directory))), "").replace(str(directory), "")
        elif ".unfinished" in name or ".partial" in name or ".replaced" in name:
            found[name] = "left behind"
    return found


def _lasting(value: Any) -> Any:
    if isinstance(value, list):
        return [_lasting(one) for one in value]
    if isinstance(value, dict):
        return {k: _lasting(v) for k, v in value.items() if not any(word in k for word in _MEASURED)}
    return value


def trial(words: list[str], directory: Path, signum: int, delay: float) -> tuple[bool, dict[str, str]]:
    """Send a signal after a delay, run again to the end; whether it came in time, and what is published."""
    process = launch(words, directory)
    first_line(process, directory)
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.send_signal(signum)
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise FaultError(f"goes on for a minute after {signal.Signals(signum).name}") from None
    code = 128 - code if code < 0 else code  # as a shell says it
    if code not in (0, 128 + signum):
        raise FaultError(f"ended with {code} upon {signal.Signals(signum).name} after {delay:.1f} s")
    finish(words, directory)
    return code != 0, published(directory)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--trials", type=int, default=20)
    arguments.add_argument("--stages", default="")
    arguments.add_argument("--signals", default="KILL,TERM")
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    generator = random.Random(given.seed)
    root = Path(tempfile.mkdtemp(prefix="tinydistill-chaos-"))
    all_words = commands(make_inputs(root / "inputs"))
    stages = given.stages.split(",") if given.stages else list(all_words)
    made = root / "made"
    if {"export", "report"} & set(stages):
        finish(all_words["prediction"], made)
    print("| stage | signal | identical | of these stopped by it |\n|---|---|---|---|", flush=True)
    failed = False
    for stage in stages:
        words = [word.replace("{made}", str(made / "outputs" / "made")) for word in all_words[stage]]
        seconds = finish(words, root / stage / "undisturbed")
        expected = published(root / stage / "undisturbed")
        for name in given.signals.split(","):
            identical = stopped = 0
            for number in range(given.trials):
                directory = root / stage / f"{name}-{number}"
                try:
                    in_time, found = trial(
                        words, directory, signal.Signals[f"SIG{name}"], generator.uniform(0, seconds)
                    )
                    stopped += in_time
                    identical += found == expected
                    different = [file for file in expected | found if expected.get(file) != found.get(file)]
                    fault = f"differs in {', '.join(different)}" if different else ""
                except FaultError as error:
                    fault = str(error)
                if fault:
                    failed = True
                    print(f"{stage}, trial {number}: {fault}; see {directory}", file=sys.stderr, flush=True)
                else:
                    shutil.rmtree(directory)
            print(f"| {stage} | SIG{name} | {identical}/{given.trials} | {stopped} |", flush=True)
    if not failed:
        shutil.rmtree(root)
    sys.exit(failed)


if __name__ == "__main__":
    main()
