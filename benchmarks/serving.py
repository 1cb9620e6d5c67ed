"""Which options of ONNX Runtime's session matter to an exported model, and what padding and batches cost?

python benchmarks/serving.py DIRECTORY/onnx/FILE.onnx [--turns 40]

Rows of 32 random tokens, one at a time, in a session with each option, and with two threads, in turns: the best turn of
each, as a ratio to one thread and ONNX Runtime's other defaults. Then 32 rows of 8 to 128 tokens by the default: each
alone, all in one batch as long as the longest, in batches of 8 of like lengths, and all padded to 128.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime import ExecutionMode, GraphOptimizationLevel

from common import fastest, parser

ROWS, LONGEST, BATCH = 32, 128, 8
WORDS = 1000  # ids that are drawn from: every vocabulary has more
Session = onnxruntime.InferenceSession


def session(file: Path, threads: int = 1, entries: dict[str, str] | None = None, **attributes: object) -> Session:
    """With options of a session by attribute and by configuration entry."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    for name, value in attributes.items():
        setattr(options, name, value)
    for name, value in (entries or {}).items():
        options.add_session_config_entry(name, value)
    return Session(str(file), options, providers=["CPUExecutionProvider"])


def call(of: Session, lengths: list[int], width: int) -> Callable[[], object]:
    """Answers rows of these lengths, padded to a width."""
    mask = (np.arange(width) < np.array(lengths)[:, None]).astype(np.int64)
    ids = np.random.default_rng(0).integers(WORDS, size=mask.shape) * mask
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
    given = {one.name: batch[one.name] for one in of.get_inputs()}
    return lambda: of.run(None, given)


def print_ratios(title: str, calls: dict[str, Callable[[], object]], turns: int) -> None:
    """A line for each: milliseconds, and how often the first."""
    best = fastest(calls, turns)
    first = next(iter(best.values()))
    print(title)
    for name, milliseconds in best.items():
        print(f"  {name:44} {milliseconds:8.2f} ms  {milliseconds / first:5.2f}x")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("file", type=Path)
    arguments.add_argument("--turns", type=int, default=40)
    options = arguments.parse_args()
    file = options.file
    sessions = {
        "one thread": session(file),
        "two threads": session(file, threads=2),
        "two threads that don't spin": session(file, 2, {"session.intra_op.allow_spinning": "0"}),
        "without a memory arena": session(file, enable_cpu_mem_arena=False, enable_mem_pattern=False),
        "parallel execution of nodes": session(file, execution_mode=ExecutionMode.ORT_PARALLEL),
        "graph optimization: extended": session(
            file, graph_optimization_level=GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        ),
        "graph optimization: basic": session(file, graph_optimization_level=GraphOptimizationLevel.ORT_ENABLE_BASIC),
        "graph optimization: none": session(file, graph_optimization_level=GraphOptimizationLevel.ORT_DISABLE_ALL),
    }
    print_ratios("one row of 32 tokens", {name: call(one, [32], 32) for name, one in sessions.items()}, options.turns)

    plain = sessions["one thread"]
    lengths = np.random.default_rng(0).integers(8, LONGEST, ROWS).tolist()
    ordered = sorted(lengths)
    parts = [ordered[first : first + BATCH] for first in range(0, ROWS, BATCH)]
    ways: dict[str, list[Callable[[], object]]] = {
        "each alone": [call(plain, [length], length) for length in lengths],
        "one batch, as long as the longest": [call(plain, lengths, max(lengths))],
        f"batches of {BATCH}, of like lengths": [call(plain, part, max(part)) for part in parts],
        f"each alone, padded to {LONGEST}": [call(plain, [length], LONGEST) for length in lengths],
        f"one batch, padded to {LONGEST}": [call(plain, lengths, LONGEST)],
    }
    together = {name: lambda calls=calls: [one() for one in calls] for name, calls in ways.items()}
    print_ratios(f"{ROWS} rows of 8 to {LONGEST} tokens", together, max(3, options.turns // 4))


if __name__ == "__main__":
    main()
