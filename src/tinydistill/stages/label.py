"""stage=label: a model's answers to a file of texts, as rows that a student can be trained on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import file_hash, written
from tinydistill.artifacts.provenance import record_of
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data
from tinydistill.config.build.answering import answering, parts_of
from tinydistill.config.build.models import check_task_head, model_kind
from tinydistill.config.build.sources import check_length, find_task_teacher
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
from tinydistill.ranks import rank
from tinydistill.training import runtime


def run(config: Config) -> float:
    """Publish the labeled rows; return how many there are."""
    runtime.quiet()
    if config.label.file is None:
        raise UserError("label.file is not set: name the file of texts, label.file=FILE")
    check_file(Path(config.label.file), "label.file")
    named = config.label.path
    source = find(named, "label.path") if named is not None else find_task_teacher(config)
    task = data.task(config)
    target = data.task_of_model(config, source.config).target
    check_task_head(source, target)
    check_length(config, source)
    kind = model_kind(source, target)
    settings = of_labeled(config).settings(
        model=source.identity, file=file_hash(Path(config.label.file)), task=repr(target)
    )
    settings["options"] |= kind.configuration
    path = output_path(config, labeled_path(config))
    inputs = {"model": source.path, "file": config.label.file}
    with open_artifact(path, settings, overwrite=config.overwrite, inputs=inputs) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
        elif rank() == 0:
            _label(config, artifact, source, task, kind)
    made = record_of(artifact.path)
    assert made is not None
    result = made.result
    say(f"{count(result['rows'])} rows with {', '.join(result['columns'])}: {artifact.path / LABELED}")
    say(f"artifact: {artifact.path}")
    return float(result["rows"])


def _label(config: Config, artifact: ArtifactWriter, source: Source, task: TaskSource, kind: TaskKind) -> None:
    model = answering(config, source, kind, batch_size=config.label.batch_size, max_length=config.task.max_length)
    file, rows, columns = artifact.product / LABELED, 0, dict[str, Any]()
    file.parent.mkdir(parents=True, exist_ok=True)
    with written(file) as partial, partial.open("w", encoding="utf-8") as lines:
        for part in model.parts(parts_of(task, str(config.label.file), "label.file")):
            rows, columns = rows + len(part.split), kind.as_rows(part.split, part.answers, part.logits)
            lines.writelines(_lines(columns))
    artifact.publish({"rows": rows, "columns": list(columns), "model": source.path}, plain(config))


def _lines(columns: dict[str, Any]) -> Iterator[str]:
    for cells in zip(*columns.values(), strict=True):
        yield json.dumps(dict(zip(columns, cells, strict=True)), ensure_ascii=False) + "\n"
