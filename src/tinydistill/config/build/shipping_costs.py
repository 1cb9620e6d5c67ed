"""What shipping and certifying a task's student costs here: its files and their checks, latencies, a certificate."""

import itertools
import os
import time

import numpy as np
import torch

from tinydistill.config.build import certified, data
from tinydistill.config.build.answer_speed import seconds_a_token
from tinydistill.config.build.bench import Bench
from tinydistill.config.schema import Config
from tinydistill.data.tasks.datamodule import TaskDataModule
from tinydistill.export import onnx_files
from tinydistill.export.latency import longest_timing
from tinydistill.kinds import kind_of
from tinydistill.models.heads import add_head
from tinydistill.models.observation import accepted_inputs
from tinydistill.models.source import longest_input

ALL = FILES, LATENCIES, CERTIFICATE = "files", "latencies", "certificate"


def asked_for(config: Config) -> list[str]:
    """Those of ALL that a pipeline is to do."""
    wanted = [FILES, LATENCIES] if config.pipeline.export else []
    if config.pipeline.certify and certified.no_certificate(config, data.task(config)) is None:
        wanted.append(CERTIFICATE)
    return wanted


def measure_shipping(bench: Bench, asked: float, answered: float) -> dict[str, float]:
    """Seconds of what stage=export and stage=certify are asked to do, by its name.

    `asked` and `answered` are the seconds that a token takes teacher and student where the trainer computes.
    """
    wanted, processor = asked_for(bench.config), torch.device("cpu")
    if not wanted:
        return {}
    large = seconds_a_token(bench, bench.teacher.encoder(), processor)
    small = seconds_a_token(bench, bench.new_student(), processor)
    rows = bench.rows(bench.config.prediction)
    measure = {
        FILES: lambda: _files(bench, rows, large, small),
        LATENCIES: lambda: _latencies(bench, large, small),
        CERTIFICATE: lambda: _certificate(bench, rows, asked + answered, large, small),
    }
    return {name: measure[name]() for name in wanted}


def _files(bench: Bench, rows: TaskDataModule, large: float, small: float) -> float:
    """Writing the files of student and teacher, asking the student's of the validation rows, and the page."""
    config = bench.config
    formats, page = config.export.formats, config.export.page
    lengths = rows.encoded(rows.validation[data.scoring(config, bench.task).reported_split]).lengths
    checks = 1 + len(formats) + ("onnx_int8" in formats)  # of which there are two ways
    shown = min(config.export.page_rows, len(lengths)) * float(lengths.mean()) if page else 0.0
    return _writing(bench) + float(lengths.sum()) * checks * small + shown * (large + small)


def _writing(bench: Bench) -> float:
    """The student's files are written once; those of a teacher take longer as it has more layers."""
    formats = bench.config.export.formats
    if not formats:
        return 0.0
    student, kind = add_head(bench.new_student(), bench.head, seed=bench.config.seed), kind_of(bench.task.target)
    inputs, longest = accepted_inputs(student, bench.teacher.tokenizer), longest_input(student.config)
    start = time.perf_counter()
    onnx_files.write(student, inputs, bench.directory / "files", formats, outputs=kind.output_names, longest=longest)
    seconds = time.perf_counter() - start
    layers: float = bench.teacher.config.num_hidden_layers / student.config.num_hidden_layers
    return seconds * (1 + layers)


def _latencies(bench: Bench, large: float, small: float) -> float:
    """Of student and teacher in PyTorch and in every format, in each combination of export.latency."""
    export = bench.config.export
    options, runtimes = export.latency, 1 + len(export.formats)
    threads = dict.fromkeys(count or os.cpu_count() or 1 for count in options.threads)
    return sum(
        runtimes * longest_timing(batch_size * length * token * _slower(count), seconds=options.seconds)
        for count, batch_size, length in itertools.product(threads, options.batch_sizes, options.lengths)
        for token in (large, small)
    )


def _certificate(bench: Bench, rows: TaskDataModule, both: float, large: float, small: float) -> float:
    """Both models and the int8 file answer the rows, and those with other words; then all are timed with one thread."""
    config = bench.config
    changed = sum(share > 0 for share in (config.certify.typos, config.certify.augmented))
    held_out = certified.held_out(config, bench.task, data.scoring(config, bench.task).reported_split)
    deciding = held_out.deciding
    others = [split for split in (held_out.labeled, held_out.kept) if split is not None and split is not deciding]
    splits = [deciding, *([deciding] * changed), *others]
    tokens = float(sum(rows.encoded(split).lengths.sum() for split in splits))
    int8 = config.pipeline.export and "onnx_int8" in config.export.formats
    length = float(np.median(rows.encoded(deciding).lengths))
    timed = [large, small, *([small] if int8 else [])]
    timing = sum(longest_timing(length * token * _slower(1), seconds=config.certify.seconds) for token in timed)
    return tokens * (both + (small if int8 else 0.0)) + timing


def _slower(threads: int) -> float:
    """How much longer an answer takes with so many threads than it was measured to, at most."""
    measured = torch.get_num_threads()
    return measured / min(threads, measured)
