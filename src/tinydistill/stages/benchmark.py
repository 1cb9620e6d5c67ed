"""stage=benchmark: how fast this machine does the work of the other stages, beside what it could do."""

import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.benchmarking import memory
from tinydistill.benchmarking.gemm import beside
from tinydistill.benchmarking.piece import MEGABYTE, Piece
from tinydistill.benchmarking.workbench import ON_PROCESSOR, ONE_THREAD, Workbench
from tinydistill.config.build import models as parts
from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import Values, find, find_teacher, longest_input, named_path, output_path
from tinydistill.console import count, duration, say, table
from tinydistill.errors import UserError
from tinydistill.export.latency import threads
from tinydistill.training import runtime

_GEMM_SHARE, _GEMM_SECONDS = 1 / 16, 0.5  # of a piece's time, and at most: each rate, before and after


def run(values: Values) -> float:
    """Publishes the figures; returns the first piece's speed.

    A measurement is never finished before: without output_dir each has a directory of its own.
    """
    runtime.quiet()
    runtime.tune(values["trainer"])
    began = datetime.now()
    teacher = find_teacher(values)
    student = find(values["student"]["path"], "student.path") if values["student"]["path"] else None
    config = student.config if student else parts.new_student_config(values, teacher.config)
    parts.check_fit(values, config, teacher.config)
    longest = min(longest_input(config), longest_input(teacher.config))
    if values["general"]["max_length"] > longest:
        raise UserError(
            f"general.max_length={values['general']['max_length']} is too long: the models end at {longest}"
        )
    names = Path(values["teacher"]["path"]).name, values["student"]["name"]
    path = output_path(values, named_path(values, "benchmark", *names, f"{began:%Y-%m-%d_%H-%M-%S}"))
    settings = {"measured": began.isoformat(), "teacher": teacher.identity, "pieces": values["benchmark"]["pieces"]}
    with open_artifact(path, settings, overwrite=values["overwrite"]) as place:
        try:
            trainer = trainers.silent_trainer(values, place.work)
            if trainer.world_size > 1:
                raise UserError(f"stage=benchmark measures one device, not {trainer.world_size}: set trainer.devices=1")
            bench = Workbench(values, place.work, teacher, student, config)
            result = _measure(values, bench, trainer.strategy.root_device)
        except BaseException:
            shutil.rmtree(place.work, ignore_errors=True)  # there is nothing to go on from
            raise
        place.publish(result, values)
        return _report(place, result)


def _measure(values: Values, bench: Workbench, device: torch.device) -> dict[str, Any]:
    options, began, figures = values["benchmark"], time.monotonic(), []
    gemm_seconds = min(_GEMM_SECONDS, _GEMM_SHARE * options["seconds"])
    for name in options["pieces"]:
        say(f"{name} …")
        bench.prepare(name)

        used = torch.device("cpu") if name in ON_PROCESSOR else device

        def work(measure: Callable[[], list[Piece]] = bench.measures[name], on: torch.device = used) -> Any:
            of_piece = memory.restart(on)
            done = measure()
            return done, memory.peak(on), of_piece

        with threads(1 if name in ONE_THREAD else None):
            (done, peak, of_piece), gemm = beside(work, used, seconds=gemm_seconds)
        figures += [{**piece.figures(gemm, peak), "peak_memory_is_of_piece": of_piece} for piece in done]
    return {
        "pieces": figures,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "precision": trainers.precision(values),
        "seconds": round(time.monotonic() - began, 1),
    }


def _report(place: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    say(f"device {result['device']}, {result['threads']} threads, precision {result['precision']}")
    table(
        "speed",
        ("", "a second", "MFLOP each", "x fp32 GEMM", "of floor", "peak GB", "fp32 GEMM", "bf16 GEMM"),
        [_speed(row) for row in result["pieces"]],
    )
    say("GEMM: GFLOP/s before and after the piece; floor: all matrix products at the better of both rates")
    runs = [_run(row) for row in result["pieces"] if row["unit"] != "answer"]
    if runs:
        table("a run of these settings here", ("", "work", "time"), runs, words=2)
    say(f"measured in {duration(result['seconds'])}")
    say(f"artifact: {place.path}")
    return float(result["pieces"][0]["units_per_second"])


def _speed(row: dict[str, Any]) -> tuple[str, ...]:
    gemm = [
        f"{row['gemm']['before'][name] / 1e9:.0f}, {row['gemm']['after'][name] / 1e9:.0f}" for name in ("fp32", "bf16")
    ]
    beside_gemm = ("-", "-", "-")
    if row["flops_per_unit"] is not None:
        multiple, share = row["multiple_of_fp32_gemm"], row["share_of_floor"]
        beside_gemm = (f"{row['flops_per_unit'] / 1e6:,.1f}", f"{multiple:.2f}", f"{share:.0%}")
    speed = _amount(row["units_per_second"], row["unit"])
    return row["piece"], speed, *beside_gemm, f"{row['peak_memory'] / 1e9:.2f}", *gemm


def _run(row: dict[str, Any]) -> tuple[str, str, str]:
    units = row["run"]["units"]
    if units is None:
        units = 1e3 if row["unit"] == MEGABYTE else 1e6
        return row["piece"], f"each {_amount(units, row['unit'])}", duration(units / row["units_per_second"])
    return row["piece"], _amount(units, row["unit"]), duration(row["run"]["seconds"])


def _amount(number: float, unit: str) -> str:
    shown = count(number) if number >= 100 else f"{number:.3g}"
    return f"{shown} {unit}" + ("" if unit == MEGABYTE else "s")
