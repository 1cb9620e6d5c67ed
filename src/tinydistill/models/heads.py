"""Encoders with a head for a task: putting a new one on, loading a fine-tuned one, and what its outputs mean."""

import copy
import re
from dataclasses import dataclass

import torch
import transformers
from transformers import PretrainedConfig, PreTrainedModel

from tinydistill.errors import InputError
from tinydistill.models import attention
from tinydistill.models.loading import THE_MODEL, load_config, load_weights

SEVERAL_LABELS = "multi_label_classification"
_PREDICTS = ("one label or number", "any number of labels")
_HEADS = re.compile(r"For(?!MaskedLM|PreTraining|CausalLM)\w+$")


@dataclass(frozen=True)
class Head:
    """What is put on an encoder for a task.

    Attributes:
        labels: what its outputs are called; none for a single number.
        auto_class: transformers' class for an encoder under such a head.
        problem_type: what transformers calls a classification; None for the usual one of a single label, or a number.
    """

    labels: tuple[str, ...] = ()
    auto_class: str = "AutoModelForSequenceClassification"
    problem_type: str | None = None

    @property
    def architecture(self) -> str:
        """How the name of a model with such a head ends: ForSequenceClassification."""
        return self.auto_class.removeprefix("AutoModel")

    @property
    def transformers_class(self) -> type:
        """The class itself."""
        found: type = getattr(transformers, self.auto_class)
        return found

    def name_outputs(self, config: PretrainedConfig) -> None:
        """Have a configuration call the outputs so, which sets their number as well."""
        config.id2label = dict(enumerate(self.labels or ("score",)))
        config.label2id = {label: number for number, label in config.id2label.items()}
        usual = "single_label_classification" if self.labels else "regression"
        config.problem_type = self.problem_type or (usual if "Sequence" in self.auto_class else None)


def add_head(encoder: PreTrainedModel, head: Head, *, seed: int) -> PreTrainedModel:
    """The encoder under a new head, random but the same for the same seed.

    The encoder's weights are copied. What the architecture puts between encoder and head (a pooler that the encoder
    lacks) is new too; a pooler that the head doesn't use is left out.
    """
    config = copy.deepcopy(encoder.config)
    head.name_outputs(config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = head.transformers_class.from_config(config, dtype=torch.float32)  # type: ignore[attr-defined]
    wanted, weights = model.base_model.state_dict().keys(), encoder.state_dict()
    if missing := [name for name in wanted - weights.keys() if "pooler" not in name]:
        raise RuntimeError(f"{type(encoder).__name__} lacks {sorted(missing)}, which {type(model).__name__} holds")
    model.base_model.load_state_dict({name: weights[name] for name in wanted & weights.keys()}, strict=False)
    return attention.use(model)


def load_with_head(
    path: str,
    head: Head,
    *,
    revision: str | None = None,
    dtype: torch.dtype = torch.float32,
    called: str = THE_MODEL,
) -> PreTrainedModel:
    """A fine-tuned model with its head, in eval mode.

    Raises InputError where there is no such head, where it has another number of outputs, and where weights are missing
    or unreadable. What its own configuration calls the labels gives way to the head's.
    """
    config = load_config(path, revision=revision, called=called)
    check_has_head(config, head, path=path, called=called)
    wanted = len(head.labels) or 1
    if config.num_labels != wanted:
        raise InputError(f"{called}={path} has {config.num_labels} outputs, the task asks for {wanted}")
    head.name_outputs(config)
    model, missing = load_weights(
        head.transformers_class, path, config=config, revision=revision, dtype=dtype, called=called
    )
    if missing:
        raise _no_head(path, called)
    return model


def has_head(config: PretrainedConfig) -> bool:
    """Whether a configuration says that it is of a model with a head for a task, which no masked LM is."""
    return bool(_HEADS.search(" ".join(config.architectures or ())))


def check_has_head(config: PretrainedConfig, head: Head, *, path: str, called: str = THE_MODEL) -> None:
    """Raises InputError where a configuration says that it is of a model without such a head."""
    if not config.architectures or any(name.endswith(head.architecture) for name in config.architectures):
        theirs = getattr(config, "problem_type", None)
        if theirs and (theirs == SEVERAL_LABELS) != (head.problem_type == SEVERAL_LABELS):
            raise InputError(
                f"{called}={path} predicts {_PREDICTS[theirs == SEVERAL_LABELS]} (its problem_type is {theirs}), the "
                f"task asks for {_PREDICTS[head.problem_type == SEVERAL_LABELS]}",
                "name a model of this task, which {stage:finetune} makes, or another task",
            )
        return
    if has_head(config):
        raise InputError(
            f"{called}={path} is a {config.architectures[0]}, the task needs a model {head.architecture}",
            "name a model of this task, which {stage:finetune} makes, or another task",
        )
    raise _no_head(path, called)


def _no_head(path: str, called: str) -> InputError:
    return InputError(f"{called}={path} holds no head for the task", "make one with {stage:finetune}")
