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
    """What is put on an encoder for a task. Subclass it for one that no class of transformers has.

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
        """Write the labels, and with them the number of outputs, into a configuration."""
        config.id2label = dict(enumerate(self.labels or ("score",)))
        config.label2id = {label: number for number, label in config.id2label.items()}
        usual = "single_label_classification" if self.labels else "regression"
        config.problem_type = self.problem_type or (usual if "Sequence" in self.auto_class else None)

    @property
    def width(self) -> int | None:
        """The numbers that it puts out for a row, where these aren't what the task predicts."""
        return None

    @property
    def read_as(self) -> str:
        """What a teacher's answers depend on beside its weights; empty where that is nothing."""
        return ""

    def like(self, path: str, revision: str | None, *, max_length: int, called: str = THE_MODEL) -> "Head":
        """The head for a student of the teacher at this path, whose texts have so many tokens at most: the same."""
        return self

    def check(
        self, config: PretrainedConfig, path: str, revision: str | None = None, *, called: str = THE_MODEL
    ) -> None:
        """Raises InputError where a configuration says that it is of a model without such a head."""
        if not config.architectures or any(name.endswith(self.architecture) for name in config.architectures):
            theirs, several = getattr(config, "problem_type", None), self.problem_type == SEVERAL_LABELS
            if theirs and (theirs == SEVERAL_LABELS) != several:
                raise InputError(
                    f"{called}={path} predicts {_PREDICTS[theirs == SEVERAL_LABELS]} (its problem_type is {theirs}), "
                    f"the task asks for {_PREDICTS[several]}",
                    "name a model of this task, which {stage:finetune} makes, or another task",
                )
            return
        if has_head(config):
            raise InputError(
                f"{called}={path} is a {config.architectures[0]}, the task needs a model {self.architecture}",
                "name a model of this task, which {stage:finetune} makes, or another task",
            )
        raise _no_head(path, called)

    def add(self, encoder: PreTrainedModel, *, seed: int) -> PreTrainedModel:
        """The encoder under a new head, as `add_head` says."""
        config = copy.deepcopy(encoder.config)
        self.name_outputs(config)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = self.transformers_class.from_config(config, dtype=torch.float32)  # type: ignore[attr-defined]
        wanted, weights = model.base_model.state_dict().keys(), encoder.state_dict()
        if missing := [name for name in wanted - weights.keys() if "pooler" not in name]:
            raise RuntimeError(f"{type(encoder).__name__} lacks {sorted(missing)}, which {type(model).__name__} holds")
        model.base_model.load_state_dict({name: weights[name] for name in wanted & weights.keys()}, strict=False)
        return attention.use(model)

    def load(
        self, path: str, *, revision: str | None = None, dtype: torch.dtype = torch.float32, called: str = THE_MODEL
    ) -> PreTrainedModel:
        """A model with such a head, as `load_with_head` says."""
        config = load_config(path, revision=revision, called=called)
        self.check(config, path, revision, called=called)
        wanted = len(self.labels) or 1
        if config.num_labels != wanted:
            raise InputError(f"{called}={path} has {config.num_labels} outputs, the task asks for {wanted}")
        self.name_outputs(config)
        model, missing = load_weights(
            self.transformers_class, path, config=config, revision=revision, dtype=dtype, called=called
        )
        if missing:
            raise _no_head(path, called)
        return model


def add_head(encoder: PreTrainedModel, head: Head, *, seed: int) -> PreTrainedModel:
    """The encoder under a new head, random but the same for the same seed.

    The encoder's weights are copied. What the architecture puts between encoder and head (a pooler that the encoder
    lacks) is new too; a pooler that the head doesn't use is left out.
    """
    return head.add(encoder, seed=seed)


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
    return head.load(path, revision=revision, dtype=dtype, called=called)


def has_head(config: PretrainedConfig) -> bool:
    """Whether a configuration says that it is of a model with a head for a task, which no masked LM is."""
    return bool(_HEADS.search(" ".join(config.architectures or ())))


def _no_head(path: str, called: str) -> InputError:
    return InputError(f"{called}={path} holds no head for the task", "make one with {stage:finetune}")
