"""stage=label: a model's answers to a file of texts, as rows that a student can be trained on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import file_hash, written
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data
from tinydistill.config.build.models import check_task_head, model_kind
from tinydistill.config.build.sources import check_length, find_task_teacher
from tinydistill.config.build.trainer import trainer
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_labeled
from tinydistill.config.names import LABELED, labeled_path, output_path
from tinydistill.config.schema import Config
from tinydistill.console import count, say
from tinydistill.data.files import check_file
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.errors import UserError
from tinydistill.kinds import TaskKind
from tinydistill.models.source import Source, find
from tinydistill.training import runtime, scoring
from tinydistill.training.classifier import Classifier, by_row


def run(config: Config) -> float:
    """Publish the labeled rows; return how many there are."""
    runtime.quiet()
    if config.label.file is None:
        raise UserError("label.file is not set: name the file of texts, label.file=FILE")
    check_file(Path(config.label.file), "label.file")
    named = config.label.path
    source = find(named, "label.path") if named is not None else find_task_teacher(config)
    task = data.task(config)
    check_task_head(source, task.target)
    check_length(config, source)
    kind = model_kind(source, task.target)
    settings = of_labeled(config).settings(
        model=source.identity, file=file_hash(Path(config.label.file)), task=repr(task.target)
    )
    settings["options"] |= kind.configuration
    path = output_path(config, labeled_path(config))
    inputs = {"model": source.path, "file": config.label.file}
    with open_artifact(path, settings, overwrite=config.overwrite, inputs=inputs) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(artifact, artifact.result)
        return _report(artifact, _label(config, artifact, source, task, kind))


def _label(
    config: Config, artifact: ArtifactWriter, source: Source, task: TaskSource, kind: TaskKind
) -> dict[str, Any]:
    split = task.unlabeled(str(config.label.file))
    rows = data.task_data(config, task, source.tokenizer, batch_size=config.label.batch_size)
    model = Classifier(source.with_head(kind.head), scoring.make_scoring(task.target, {}, monitor=kind.metrics[0]))
    answering = trainer(config, artifact.work)
    logits = by_row(answering.predict(model, rows.loader(split), return_predictions=True))
    scoring.check_answers(source.path, Path(str(config.label.file)).name, logits)
    columns = kind.as_rows(split, kind.answers(split, logits, rows.encoded(split)), logits)
    result = {"rows": len(split), "columns": list(columns), "model": source.path}
    if answering.is_global_zero:
        file = artifact.product / LABELED
        file.parent.mkdir(parents=True, exist_ok=True)
        with written(file) as partial:
            partial.write_text("".join(_lines(columns)), encoding="utf-8")
        artifact.publish(result, plain(config))
    return result


def _lines(columns: dict[str, Any]) -> Iterator[str]:
    for cells in zip(*columns.values(), strict=True):
        yield json.dumps(dict(zip(columns, cells, strict=True)), ensure_ascii=False) + "\n"


def _report(artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    say(f"{count(result['rows'])} rows with {', '.join(result['columns'])}: {artifact.path / LABELED}")
    say(f"artifact: {artifact.path}")
    return float(result["rows"])
