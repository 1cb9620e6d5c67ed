"""stage=evaluate: how good a model with a head is on a task, what it predicts, and the files that GLUE wants."""

from dataclasses import replace
from typing import Any

from tinydistill.artifacts.writer import ArtifactWriter, open_artifact
from tinydistill.config.build import data
from tinydistill.config.build.scored import scored_model
from tinydistill.config.build.trainer import trainer
from tinydistill.config.compose import plain
from tinydistill.config.dependencies import of_evaluated
from tinydistill.config.names import evaluated_path, output_path, task_model
from tinydistill.config.schema import Config
from tinydistill.console import count, say
from tinydistill.data.tasks.examples import Split
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.models.loading import parameters
from tinydistill.models.source import Source
from tinydistill.training import prediction_files, runtime, scoring
from tinydistill.training.classifier import Classifier, Scoring, by_row

Splits = dict[str, Split]


def run(config: Config) -> float:
    """Publish scores and predictions; return the reported score."""
    runtime.quiet()
    path = task_model(config, config.evaluate.path)
    source, task, scored = scored_model(config, path, "evaluate.path")
    splits = task.validation() | task.test()
    settings = of_evaluated(config).settings(model=source.identity, task=scoring.rows_identity(splits))
    settings["options"] |= scored.kind.configuration
    place = output_path(config, evaluated_path(config, path))
    with open_artifact(place, settings, overwrite=config.overwrite, inputs={"model": path}) as artifact:
        if artifact.result is not None:
            say("finished before with the same settings")
            return _report(config, artifact, artifact.result)
        return _report(config, artifact, _evaluate(config, artifact, source, task, scored, splits))


def _evaluate(
    config: Config, artifact: ArtifactWriter, source: Source, task: TaskSource, scored: Scoring, splits: Splits
) -> dict[str, Any]:
    kind = scored.kind
    predicting = trainer(config, artifact.work)
    rows = data.task_data(config, task, source.tokenizer, batch_size=config.evaluate.batch_size)
    model = source.with_head(kind.head)
    classifier = Classifier(model, scored)
    logits = {
        name: by_row(predicting.predict(classifier, rows.loader(split), return_predictions=True))
        for name, split in splits.items()
    }
    for name, found in logits.items():
        scoring.check_answers(source.path, name, found)
    answers = {name: kind.answers(split, logits[name], rows.encoded(split)) for name, split in splits.items()}
    labeled = replace(scored, splits={name: split for name, split in splits.items() if split.labels is not None})
    scores = {name: scoring.score(scored, answers[name], split) for name, split in labeled.splits.items()}
    reported = scored.reported_split if scored.splits else None
    scoring.tell_undefined(scores)
    result: dict[str, Any] = {
        "model": source.path,
        "scores": scores,
        "majority": scoring.majority_scores(labeled),
        "monitor": scored.reported if scored.splits else None,
        "score": scores[reported][scored.counting(reported)] if reported in scores else None,
        "rows": {name: len(split) for name, split in splits.items()},
        "parameters": parameters(model),
        "family": prediction_files.family(source.path),
        "submission": config.task.submission,
    }
    if predicting.is_global_zero:
        for name, split in splits.items():
            file = prediction_files.prediction_file(artifact.product, name)
            prediction_files.write_predictions(file, split, kind, logits[name], rows.encoded(split))
        for name, file_name in zip(config.task.test_splits, config.task.submission, strict=False):
            place = artifact.product / "submission" / file_name
            prediction_files.write_submission(place, answers[name], tuple(config.task.submission_labels))
        artifact.publish(result, plain(config))
    return result


def _report(config: Config, artifact: ArtifactWriter, result: dict[str, Any]) -> float:
    say()
    if result["scores"]:
        scoring.show(f"{result['model']} on {config.task.name}", result["scores"], result["majority"])
    say(f"{count(result['parameters'])} parameters; predictions in {artifact.path / 'predictions'}")
    if result["submission"]:
        say(f"for GLUE: {', '.join(result['submission'])} in {artifact.path / 'submission'}")
        wanted = config.evaluate.submission
        zipped, missing = prediction_files.zip_family(artifact.path, result["family"], wanted)
        if zipped:
            say(f"all tasks are there: {zipped}")
        else:
            say(f"a whole submission still lacks {', '.join(missing)}")
    say(f"artifact: {artifact.path}")
    return scoring.merit(result)
