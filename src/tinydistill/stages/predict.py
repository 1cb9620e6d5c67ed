"""stage=predict: a model's answers beside every row of a file, in the file's own format."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from tinydistill.artifacts.files import file_hash, written
from tinydistill.artifacts.provenance import record_of
from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data
from tinydistill.config.build.answering import answering, parts_of
from tinydistill.config.build.models import check_task_head, model_kind
from tinydistill.config.build.sources import check_positions
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_predicted
from tinydistill.config.names import PREDICTED, exported_path, output_path, predicted_path, task_model
from tinydistill.config.schema import Config
from tinydistill.console import Meter, count, duration, say, table
from tinydistill.data.files import check_file
from tinydistill.data.loading import Batch
from tinydistill.data.table_files import table_writer, written_as
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.errors import UserError
from tinydistill.export import onnx_export
from tinydistill.export.checks import answer_of
from tinydistill.export.sessions import parts
from tinydistill.kinds import TaskKind
from tinydistill.models.source import Source, find, longest_input
from tinydistill.ranks import rank
from tinydistill.training import runtime
from tinydistill.training.answering import Answering
from tinydistill.training.kept_answers import AnswerStore, KeptAnswers

_MOST = 20  # different answers whose numbers are shown


def run(config: Config) -> float:
    """Publish the file with its answers; return how many rows it has."""
    runtime.quiet()
    options = config.predict
    if options.file is None:
        raise UserError("predict.file is not set: name the file of texts, predict.file=FILE")
    file = Path(options.file)
    check_file(file, "predict.file")
    path = _model(config)
    source = find(path, "predict.path")
    exported = _exported_file(config, source)
    task = data.task_of_model(config, source.config)
    target = task.target
    check_task_head(source, target)
    longest = longest_input(source.config)
    length = options.max_length or min(source.tokenizer.model_max_length, longest)
    check_positions("predict.max_length", [length], source)
    kind = model_kind(source, target)
    identity = " ".join([source.identity, *(map(file_hash, parts(exported)) if exported is not None else ())])
    settings = of_predicted(config).settings(model=identity, file=file_hash(file), task=repr(target))
    settings["options"] |= {"max_length": length, **kind.configuration}
    place = output_path(config, predicted_path(config, path))
    inputs = {"model": path, "file": options.file}
    with open_artifact(place, settings, overwrite=config.overwrite, inputs=inputs) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
        elif rank() == 0:
            _predict(config, artifact, source, task, kind, None if exported is None else answer_of(exported), length)
    made = record_of(artifact.path)
    assert made is not None
    return _report(artifact, made.result)


def _model(config: Config) -> str:
    """The model's directory or name: for exported files what stage=export made of the student, unless one is named."""
    named = task_model(config, config.predict.path)
    made = exported_path(config, named)
    return str(made) if config.predict.path is None and config.predict.runtime != "pytorch" and made.is_dir() else named


def _exported_file(config: Config, source: Source) -> Path | None:
    """The file that answers; None for PyTorch. Raises UserError where there is none."""
    runtime_name = config.predict.runtime
    if runtime_name == "pytorch":
        return None
    onnx_export.check_installed([runtime_name])
    file = Path(source.path) / onnx_export.FILES[runtime_name]
    if not file.is_file():
        raise UserError(
            f"predict.runtime={runtime_name}, but predict.path={source.path} has no {onnx_export.FILES[runtime_name]}: "
            "make it with stage=export and name that directory, or take predict.runtime=pytorch"
        )
    return file


def _predict(
    config: Config,
    artifact: ArtifactWriter,
    source: Source,
    task: TaskSource,
    kind: TaskKind,
    answer: Callable[[Batch], Tensor] | None,
    max_length: int,
) -> None:
    options, beside = config.predict, Path(str(config.predict.file))
    rows, names, empty = _looked_through(task, str(beside))
    say(f"{count(rows)} rows in {beside}" + (f", {count(empty)} of them without a text" if empty else ""))
    model = answering(config, source, kind, batch_size=options.batch_size, max_length=max_length, answer=answer)
    product = artifact.product / f"{PREDICTED}{written_as(beside)}"
    product.parent.mkdir(parents=True, exist_ok=True)
    quoted = written_as(beside) == ".csv" if config.task.quoting is None else config.task.quoting
    splits = parts_of(task, str(beside), "predict.file", empty_texts=True)
    answered = _answered(model, splits, AnswerStore(artifact.work / "answers"), rows)
    cut, seconds, seen, columns = 0, 0.0, Counter[str](), list[str]()
    with written(product) as partial, table_writer(partial, beside, quoted=quoted) as write:
        for split, made in answered:
            added = {f"{options.prefix}{name}": cells for name, cells in made.columns.items()}
            _check_names(names, added)
            write(_given(split, names), added)
            cut, seconds, columns = cut + made.cut, seconds + made.seconds, list(added)
            answers = next(iter(added.values()))
            seen.update(one for one in answers if isinstance(one, str) and not kind.per_token)
    result = {
        "model": source.path,
        "runtime": options.runtime,
        "file": product.name,
        "rows": rows,
        "empty": empty,
        "cut": cut,
        "max_length": max_length,
        "columns": columns,
        "answers": dict(seen.most_common()),
        "seconds": round(seconds, 1),
    }
    artifact.publish(result, plain(config))


def _answered(
    model: Answering, splits: Iterable[Split], store: AnswerStore, rows: int
) -> Iterator[tuple[Split, KeptAnswers]]:
    """The parts of a file with their answers: those of an earlier run, and new ones, which are kept for a later one."""
    first, before = 0, store.rows
    if before:
        say(f"{count(before)} rows were answered before, the others are answered now")
    with Meter("answering", "row", rows - before) as meter:
        for split in splits:
            found = store.read(first, len(split))
            if found is None:
                began, part = time.monotonic(), model.part(split)
                columns = model.kind.predicted(split, part.answers, part.logits)
                found = KeptAnswers(columns, part.cut, time.monotonic() - began)
                store.write(first, len(split), found)
                meter.update(len(split))
            yield split, found
            first += len(split)


def _looked_through(task: TaskSource, file: str) -> tuple[int, list[str], int]:
    """How many rows a file has, its columns, and how many rows have no text: read once before any is answered.

    So what is wrong with its last row is known at once.
    """
    rows, names, empty = 0, dict[str, None](), 0
    for split in parts_of(task, file, "predict.file", empty_texts=True):
        rows += len(split)
        names |= dict.fromkeys(split.file.columns if split.file is not None else ())
        pairs = split.pairs or split.texts
        empty += sum(not (text.strip() and pair.strip()) for text, pair in zip(split.texts, pairs, strict=True))
    return rows, list(names), empty


def _given(split: Split, names: list[str]) -> dict[str, Any]:
    """The file's columns of a part; of a file without columns, as CoNLL's, the texts."""
    if not names or split.file is None:
        return {"text": split.texts} | ({} if split.pairs is None else {"text_pair": split.pairs})
    return {name: split.file.columns.get(name, [None] * len(split)) for name in names}


def _check_names(names: list[str], made: dict[str, Any]) -> None:
    if twice := [name for name in made if name in names]:
        raise UserError(
            f"the file has a column '{twice[0]}' already: give the added ones other names, as with "
            "predict.prefix=student_"
        )


def _report(artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    answers, rows = result["answers"], result["rows"]
    if answers:
        shown = [(name, str(number), f"{number / rows:.1%}") for name, number in list(answers.items())[:_MOST]]
        table(f"what {result['model']} answers", ("answer", "rows", "share"), shown)
    cut = f"; {count(result['cut'])} longer than {result['max_length']} tokens" if result["cut"] else ""
    speed = rows / max(result["seconds"], 1e-9)
    say(f"{count(rows)} rows in {duration(result['seconds'])} ({speed:,.0f} a second, {result['runtime']}){cut}")
    say(
        f"{', '.join(result['columns'][:6])}{', …' if len(result['columns']) > 6 else ''} added: "
        f"{artifact.path / result['file']}"
    )
    say(f"artifact: {artifact.path}")
    return float(rows)
