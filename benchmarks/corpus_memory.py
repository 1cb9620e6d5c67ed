"""Memory and speed of text → blocks from a small corpus to a large one.

python benchmarks/corpus_memory.py [--megabytes 1 30 500] [--tokenizer NAME_OR_DIRECTORY]

Writes text files made of shuffled paragraphs of real docstrings, builds their blocks in a fresh process for each size,
and prints the peak memory of that process and its children, what they share counted once: resident (mapped files, which
the system can drop at any time, among it) and anonymous (what can't be dropped). The last row opens the largest corpus
from its cache.
"""

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from common import MINILM, parser

FILE_MEGABYTES = 25


def write_text(directory: Path, megabytes: int) -> None:
    """Text files of paragraphs in random order, and so of documents that don't repeat."""
    from tinydistill.data.text.docstrings import read_modules

    paragraphs = [
        part.strip() for module in read_modules(3) for text in module.docstrings for part in text.split("\n\n")
    ]
    generator = random.Random(0)
    for start in range(0, megabytes, FILE_MEGABYTES):
        left = min(FILE_MEGABYTES, megabytes - start) * 1e6
        with (directory / f"{start:05}.txt").open("w") as file:
            while left > 0:
                document = "\n".join(generator.choices(paragraphs, k=8)) + "\n\n"
                left -= len(document.encode())
                file.write(document)


def build(directory: Path, tokenizer_name: str) -> None:
    """Builds or opens the blocks, and prints seconds and tokens as JSON."""
    from transformers import AutoTokenizer

    from tinydistill.data.text.blocks import Cutting, build_blocks
    from tinydistill.data.text.sources import FilesCorpus

    tokenizer = AutoTokenizer.from_pretrained(tokenizer_name)
    start = time.perf_counter()
    blocks = build_blocks(
        FilesCorpus((str(directory / "text"),)), tokenizer, Cutting(max_length=128), cache_dir=directory / "cache"
    )
    print(json.dumps({"seconds": time.perf_counter() - start, "pieces": blocks.summary["pieces"]}))


def memory_of_tree(root: int) -> tuple[float, float]:
    """(resident, anonymous) MB of a process and its descendants, from /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it may end while it is looked at
                status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines())
                parents[int(entry.name)] = int(status["PPid"])
    tree = {root}
    while more := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= more
    sizes = [0.0, 0.0]
    for pid in tree:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
                name, size, *_ = line.split()
                if name in ("Pss:", "Pss_Anon:"):
                    sizes[name == "Pss_Anon:"] += int(size) / 1e3
    return sizes[0], sizes[1]


def measure(directory: Path, tokenizer_name: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--build", str(directory), "--tokenizer", tokenizer_name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks = [0.0, 0.0]

    def watch() -> None:
        while process.poll() is None:
            peaks[:] = map(max, peaks, memory_of_tree(process.pid))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    if process.returncode:
        sys.exit(process.returncode)
    return {**json.loads(output.splitlines()[-1]), "resident": peaks[0], "anonymous": peaks[1]}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--megabytes", type=int, nargs="+", default=[1, 30, 500])
    arguments.add_argument("--tokenizer", default=MINILM)
    arguments.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.build:
        build(options.build, options.tokenizer)
        return
    from tinydistill.models.loading import locate  # not in the processes that are measured

    tokenizer_name = locate(options.tokenizer)
    print(f"{'corpus':>14} {'seconds':>8} {'MB/s':>6} {'pieces':>12} {'peak RSS':>10} {'anonymous':>10}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for megabytes in options.megabytes:
            directory = Path(temporary, str(megabytes))
            (directory / "text").mkdir(parents=True)
            write_text(directory / "text", megabytes)
            names = [f"{megabytes} MB"] + ["from cache"] * (megabytes == options.megabytes[-1])
            for name in names:
                result = measure(directory, tokenizer_name)
                print(
                    f"{name:>14} {result['seconds']:8.1f} {megabytes / result['seconds']:6.1f} {result['pieces']:12,} "
                    f"{result['resident']:7.0f} MB {result['anonymous']:7.0f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
