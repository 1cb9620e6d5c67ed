"""Encoders with a classification head: putting a new one on, loading a fine-tuned one, and what its outputs mean."""

import copy
from collections.abc import Sequence

import torch
from transformers import AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel

from tinydistill.errors import InputError
from tinydistill.models import attention
from tinydistill.models.loading import THE_MODEL, load_config, load_weights


def add_head(encoder: PreTrainedModel, labels: Sequence[str], *, seed: int) -> PreTrainedModel:
    """The encoder under a new head, random but the same for the same seed; no labels for a regression.

    The encoder's weights are copied. What the architecture puts between encoder and head (a pooler that the encoder
    lacks) is new too.
    """
    config = copy.deepcopy(encoder.config)
    _name_outputs(config, labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    wanted, weights = model.base_model.state_dict().keys(), encoder.state_dict()
    if missing := [name for name in wanted - weights.keys() if "pooler" not in name]:
        raise RuntimeError(f"{type(encoder).__name__} lacks {sorted(missing)}, which {type(model).__name__} holds")
    model.base_model.load_state_dict({name: weights[name] for name in wanted & weights.keys()}, strict=False)
    return attention.use(model)


def load_classifier(
    path: str,
    labels: Sequence[str],
    *,
    revision: str | None = None,
    dtype: torch.dtype = torch.float32,
    called: str = THE_MODEL,
) -> PreTrainedModel:
    """A fine-tuned model with its head, in eval mode; no labels for a regression.

    Raises InputError where there is no head, where it has another number of outputs, and where weights are missing or
    unreadable. What its own configuration calls the labels gives way to `labels`.
    """
    config = load_config(path, revision=revision, called=called)
    check_has_head(config, path=path, called=called)
    if config.num_labels != (len(labels) or 1):
        raise InputError(f"{called}={path} has {config.num_labels} outputs, the task asks for {len(labels) or 1}")
    _name_outputs(config, labels)
    model, missing = load_weights(
        AutoModelForSequenceClassification, path, config=config, revision=revision, dtype=dtype, called=called
    )
    if missing:
        raise _no_head(path, called)
    return model


def has_head(config: PretrainedConfig) -> bool:
    """Whether a configuration says that it is of a model with a classification head."""
    return "SequenceClassification" in " ".join(config.architectures or ())


def check_has_head(config: PretrainedConfig, *, path: str, called: str = THE_MODEL) -> None:
    """Raises InputError where a configuration says that it is of a model without a classification head."""
    if config.architectures and not has_head(config):
        raise _no_head(path, called)


def _no_head(path: str, called: str) -> InputError:
    return InputError(f"{called}={path} holds no classification head", "make one with {stage:finetune}")


def _name_outputs(config: PretrainedConfig, labels: Sequence[str]) -> None:
    config.id2label = dict(enumerate(labels or ("score",)))  # sets num_labels as well
    config.label2id = {label: number for number, label in config.id2label.items()}
    config.problem_type = "single_label_classification" if labels else "regression"
