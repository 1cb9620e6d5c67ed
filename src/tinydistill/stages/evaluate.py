"""stage=evaluate: how good a model with a head is on a task, what it predicts, and the files that GLUE wants."""

from typing import Any

import torch
from torch import Tensor

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data as inputs
from tinydistill.config.build import training as trainers
from tinydistill.config.build.sources import Source, Values, evaluated_path, find, output_path, task_model
from tinydistill.console import count, say
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.distillation import teacher_checks as preflight
from tinydistill.models import heads
from tinydistill.models import loading as models
from tinydistill.training import prediction_files as submission
from tinydistill.training import runtime, scoring
from tinydistill.training.classifier import Classifier, by_row
from tinydistill.training.metrics import predicted
from tinydistill.training.optimization import NO_TRAINING

Splits = dict[str, Split]


def run(values: Values) -> float:
    """Publishes scores and predictions; returns the monitored score."""
    runtime.quiet()
    path = task_model(values, "evaluate")
    source = find(path, "evaluate.path")
    heads.check_has_head(source.config, path=source.path, override=source.override)
    task = inputs.task(values)
    preflight.check_head(source, task.target)
    scoring.check_length(values, source)
    splits = task.validation() | task.test()
    scoring.scoring(values, task)
    settings = {
        "weights": source.identity,
        "rows": scoring.rows_identity(splits),
        "task": {name: values["task"][name] for name in ("labels", "max_length", "metrics", "monitor")},
        "submission": [values["task"]["submission"], values["task"]["submission_labels"]],
    }
    with open_artifact(
        output_path(values, evaluated_path(values, path)), settings, overwrite=values["overwrite"]
    ) as place:
        if place.result is not None:
            say("finished before with the same settings")
            return _report(values, place, place.result)
        return _report(values, place, _evaluate(values, place, source, task, splits))


def _evaluate(
    values: Values, place: ArtifactWriter, source: Source, task: TaskSource, splits: Splits
) -> dict[str, Any]:
    scored, target = scoring.scoring(values, task), task.target
    trainer = trainers.silent_trainer(values, place.work)
    data = scoring.task_data(values, task, source, batch_size=values["evaluate"]["batch_size"])
    model = heads.load_classifier(source.path, target.labels, revision=source.revision, override=source.override)
    classifier = Classifier(model, NO_TRAINING, scored)
    logits = {
        name: by_row(trainer.predict(classifier, data.loader(split), return_predictions=True))
        for name, split in splits.items()
    }
    labelled = {name: split for name, split in splits.items() if split.labels is not None}
    scores = {
        name: scoring.score(scored, predicted(logits[name], regression=scored.regression), torch.tensor(split.labels))
        for name, split in labelled.items()
    }
    result: dict[str, Any] = {
        "model": task_model(values, "evaluate"),
        "scores": scores,
        "majority": scoring.majority_scores(scored, labelled),
        "monitor": scored.monitored if scored.splits else None,
        "score": scores[scored.splits[0]][scored.monitor] if scored.splits else None,
        "rows": {name: len(split) for name, split in splits.items()},
        "parameters": models.parameters(model),
        "family": submission.family(source.path),
        "submission": [],
    }
    if trainer.is_global_zero:
        _write(values, place, splits, logits, target.labels, result)
        place.publish(result, values)
    return result


def _write(
    values: Values,
    place: ArtifactWriter,
    splits: Splits,
    logits: dict[str, Tensor],
    labels: tuple[str, ...],
    result: Values,
) -> None:
    for name, split in splits.items():
        submission.write_predictions(place.product / "predictions" / f"{name}.tsv", split, logits[name], labels)
    options = values["task"]
    if options["submission"]:
        for name, file in zip(options["test_splits"], options["submission"], strict=True):
            submission.write_submission(
                place.product / "submission" / file, logits[name], tuple(options["submission_labels"])
            )
        result["submission"] = options["submission"]


def _report(values: Values, place: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    if result["scores"]:
        scoring.show(f"{result['model']} on {values['task']['name']}", result["scores"], result["majority"])
    say(f"{count(result['parameters'])} parameters; predictions in {place.path / 'predictions'}")
    if result["submission"]:
        say(f"for GLUE: {', '.join(result['submission'])} in {place.path / 'submission'}")
        zipped, missing = submission.zip_family(place.path, result["family"], values["evaluate"]["submission"])
        if zipped:
            say(f"all tasks are there: {zipped}")
        else:
            say(f"a whole submission still lacks {', '.join(missing)}")
    say(f"artifact: {place.path}")
    return float("nan") if result["score"] is None else float(result["score"])
