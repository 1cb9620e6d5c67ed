"""A model with a head, and the task that it is scored on."""

from dataclasses import replace

from tinydistill.config.build import data
from tinydistill.config.build.models import check_task_head, model_kind
from tinydistill.config.build.sources import check_length
from tinydistill.config.schema import Config
from tinydistill.data.tasks.sources import TaskSource
from tinydistill.models.source import Source, find
from tinydistill.training.classifier import Scoring


def scored_model(config: Config, path: str, option: str) -> tuple[Source, TaskSource, Scoring]:
    """The model at a path that an option names, the task, and how it is scored: by its kind as the model answers.

    Raises an error where the model has no head for the task, or no positions for its rows.
    """
    source = find(path, option)
    task = data.task_of_model(config, source.config)
    check_task_head(source, task.target)
    check_length(config, source)
    return source, task, replace(data.scoring(config, task), kind=model_kind(source, task.target))
