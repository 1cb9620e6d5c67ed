"""Teacher, student, and what one learns from the other."""

from dataclasses import dataclass
from typing import Any

from tinydistill.config.schema.option import RATE, option

WEIGHT = 1e6  # the largest of a loss


@dataclass
class Teacher:
    """The encoder that is imitated: frozen, always in eval mode."""

    path: str = option("directory or hub name of any encoder that AutoModel loads")
    revision: str | None = option("branch, tag or commit on the hub", None)


@dataclass
class Student:
    """The small encoder: the teacher's architecture at another size, with its vocabulary or a part of it."""

    name: str = option("the word for it in the names of outputs")
    path: str | None = option("start from this directory or hub name; its own size and weights are kept", None)
    init: str = option("how the weights start", "closed_form", choices=("closed_form", "teacher_layers", "random"))
    vocabulary: str = option(
        "all tokens of the teacher, or those that the corpus and the task's training rows use, with all single "
        "characters: the others fall back to smaller ones",
        "teacher",
        choices=("teacher", "corpus"),
    )
    num_layers: int = option("Transformer layers", at_least=1, at_most=1000)
    hidden_size: int = option("width of the hidden states", at_least=1, at_most=100_000)
    intermediate_size: int = option("width of the feed-forward layers", at_least=1, at_most=1_000_000)
    num_heads: int = option("attention heads; the attention loss needs the teacher's number", 12, at_least=1)
    dropout: float = option("dropout of hidden states and attention while training", 0.0, at_least=0, below=1)
    learning_rate: float = option("peak rate of the general stage that suits this size", at_least=0, at_most=RATE)


@dataclass
class Objective:
    """Which losses between layers, and how they are weighed. `losses` holds them all, a node of `_target_` each."""

    name: str = option("the word for it in the names of outputs")
    embedding: float = option("weight of the embedding loss", 1.0, at_least=0, at_most=WEIGHT)
    hidden: float = option("weight of the hidden-state losses", 1.0, at_least=0, at_most=WEIGHT)
    attention: float = option("weight of the attention-score losses", 1.0, at_least=0, at_most=WEIGHT)
    relation: float = option(
        "weight of the MiniLMv2 query, key and value relation losses", 0.0, at_least=0, at_most=WEIGHT
    )
    relation_heads: int = option("relation heads; must divide both widths", 12, at_least=1)
    scale: str = option(
        "a term as it is, or over the teacher's variance at its layer",
        "teacher_variance",
        choices=("raw", "teacher_variance"),
    )
    projection: str = option(
        "linear maps from student to teacher width", "per_layer", choices=("per_layer", "shared", "none")
    )
    losses: dict[str, Any] = option("by name: `_target_`, `weight`, and what else the loss takes", {})
