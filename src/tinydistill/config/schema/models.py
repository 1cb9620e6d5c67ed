"""Teacher, student, and what one learns from the other."""

from dataclasses import dataclass
from typing import Any

from tinydistill.config.schema.option import option


@dataclass
class Teacher:
    """The encoder that is imitated: frozen, always in eval mode."""

    path: str = option("directory or hub name of any encoder that AutoModel loads")
    revision: str | None = option("branch, tag or commit on the hub")


@dataclass
class Student:
    """The small encoder: the teacher's architecture and vocabulary at another size."""

    name: str = option("the word for it in the names of outputs")
    path: str | None = option("start from this directory or hub name; its own size and weights are kept")
    init: str = option("how the weights start", "closed_form", "teacher_layers", "random")
    num_layers: int = option("Transformer layers", at_least=1)
    hidden_size: int = option("width of the hidden states", at_least=1)
    intermediate_size: int = option("width of the feed-forward layers", at_least=1)
    num_heads: int = option("attention heads; the attention loss needs the teacher's number", at_least=1)
    dropout: float = option("dropout of hidden states and attention while training", at_least=0)
    learning_rate: float = option("peak rate of the general stage that suits this size", at_least=0)


@dataclass
class Mapping:
    """Which teacher layer each student layer learns from: n = g(m)."""

    strategy: str = option("the rule", "uniform", "top", "bottom", "last", "auto", "list")
    layers: list[Any] | None = option("for strategy=list: one teacher layer per student layer, null for none")


@dataclass
class Objective:
    """Which losses, and how they are weighed."""

    name: str = option("the word for it in the names of outputs")
    embedding: float = option("weight of the embedding loss", at_least=0)
    hidden: float = option("weight of the hidden-state losses", at_least=0)
    attention: float = option("weight of the attention-score losses", at_least=0)
    relation: float = option("weight of the MiniLMv2 query, key and value relation losses", at_least=0)
    relation_heads: int = option("relation heads; must divide both widths", at_least=1)
    scale: str = option("a term as it is, or over the teacher's variance at its layer", "raw", "teacher_variance")
    projection: str = option("linear maps from student to teacher width", "per_layer", "shared", "none")
