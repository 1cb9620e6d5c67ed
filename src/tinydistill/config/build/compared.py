"""What the pipeline ends with: which models of a task stand side by side, and what was measured of them before."""

from dataclasses import replace

from tinydistill.artifacts.provenance import record_of
from tinydistill.config import names
from tinydistill.config.build import data
from tinydistill.config.build.origin import without_distillation
from tinydistill.config.build.sources import find_teacher, learns_from_labels, makes_teacher
from tinydistill.config.schema import Config
from tinydistill.export.exported import PYTORCH
from tinydistill.kinds import kind_of
from tinydistill.report.comparison import Contender
from tinydistill.report.shipped import BASELINE, STUDENT, TEACHER, UNTRAINED
from tinydistill.training.prediction_files import prediction_file


def with_rows(config: Config) -> Config:
    """With the augmented rows to train on that the pipeline makes."""
    if not config.pipeline.augment:
        return config
    rows = str(names.augmented_path(config) / names.AUGMENTED)
    return replace(config, augmentation=replace(config.augmentation, path=rows))


def contenders(config: Config) -> list[Contender]:
    """Teacher, baseline and student of a task, with their scores as the stages found them."""
    made, teacher = names.distilled_path(with_rows(config)), find_teacher(config)
    head = kind_of(data.task(config).target).head
    student = record_of(made)
    assert student is not None
    found = student.result
    metric = found["monitor"]
    path: str | None = _teacher_path(config)
    if config.task.soft_labels:  # its answers come with the rows
        path = None
    split, _, name = metric.rpartition("/")
    said = prediction_file(made, split, of="teacher")
    contenders = [Contender(TEACHER, path, teacher.revision, head, metric, found["teacher_score"], said)]
    if config.pipeline.baseline and learns_from_labels(config):
        baseline = record_of(names.finetuned_path(without_distillation(config), "student"))
        assert baseline is not None
        alone = str(baseline.path), None, head, metric, baseline.result["score"]
        contenders.append(Contender(BASELINE, *alone, prediction_file(baseline.path, split)))
    if found["phases"]:
        untrained = found["start_scores"][split][name]
        said = prediction_file(made, split, of="start")
        contenders.append(Contender(UNTRAINED, str(made), None, head, metric, untrained, said))
    said = prediction_file(made, split)
    return [*contenders, Contender(STUDENT, str(made), None, head, metric, found["score"], said)]


def latencies(config: Config) -> dict[str, dict[str, float]]:
    """Those that the export has measured of what the comparison shows, by the models' paths."""
    made = str(names.distilled_path(with_rows(config)))
    exported = record_of(names.exported_path(config, made)) if config.pipeline.export else None
    for row in exported.result["latency"] if exported is not None else []:
        if (row["threads"], row["batch_size"], row["length"]) == (1, 1, config.pipeline.latency_length):
            paths = {"teacher": _teacher_path(config), "student": made}
            of = {path: row["latency"].get(f"{name}, {PYTORCH}") for name, path in paths.items()}
            return {path: latency for path, latency in of.items() if latency is not None}
    return {}


def _teacher_path(config: Config) -> str:
    return str(names.finetuned_path(config)) if makes_teacher(config) else find_teacher(config).path
