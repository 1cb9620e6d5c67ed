"""stage=benchmark: how fast this machine does the work of the other stages, beside what it could do."""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.benchmarking.piece import measure, show
from tinydistill.config.build.bench import Bench
from tinydistill.config.build.models import check_fit, new_student_config
from tinydistill.config.build.sources import check_positions, find_student, find_teacher
from tinydistill.config.build.trainer import one_device, precision
from tinydistill.config.compose import plain
from tinydistill.config.names import named_path, output_path
from tinydistill.config.schema import Config
from tinydistill.console import duration, say
from tinydistill.training import runtime


def run(config: Config) -> float:
    """Publish the figures; return the first piece's speed.

    A measurement is never finished before: without output_dir each has a directory of its own.
    """
    runtime.quiet()
    began = datetime.now()
    teacher, given = find_teacher(config), find_student(config)
    check_fit(config, given.config if given else new_student_config(config, teacher.config), teacher.config)
    check_positions("general.max_length", [config.general.max_length], teacher, *([given] if given else []))
    words = Path(config.teacher.path).name, config.student.name, f"{began:%Y-%m-%d_%H-%M-%S-%f}"
    settings = {"measured": began.isoformat(), "teacher": teacher.identity, "pieces": config.benchmark.pieces}
    path = output_path(config, named_path(config, "benchmark", *words))
    with open_artifact(path, settings, overwrite=config.overwrite) as artifact:
        try:
            bench = Bench(config, artifact.work, teacher, given, config.benchmark.seconds)
            result = _measured(config, bench, one_device(config, artifact.work, "stage=benchmark"))
        except BaseException:
            artifact.drop()  # there is nothing to go on from
            raise
        artifact.publish(result, plain(config))
        return _report(artifact, result)


def _measured(config: Config, bench: Bench, device: torch.device) -> dict[str, Any]:
    """The figures of all pieces that are asked for."""
    began, figures = time.monotonic(), []
    for name in config.benchmark.pieces:
        say(f"{name} …")
        figures += measure(name, bench.piece(name), device, bench.seconds)
    return {
        "pieces": figures,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "precision": precision(config),
        "seconds": round(time.monotonic() - began, 1),
    }


def _report(artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    say(f"device {result['device']}, {result['threads']} threads, precision {result['precision']}")
    show(result["pieces"])
    say(f"measured in {duration(result['seconds'])}")
    say(f"artifact: {artifact.path}")
    return float(result["pieces"][0]["units_per_second"])
