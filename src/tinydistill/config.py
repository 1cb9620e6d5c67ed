"""The schema of conf/: every option with its type, its choices and what it means. Values live in conf/ alone.

This module knows no torch, so that help and completion stay instant.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING

from tinydistill.errors import UserError

_PACKAGED = Path(__file__).parent / "conf"
CONF_DIR = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "conf"

STAGES = {
    "general": "pre-trained teacher -> general student, on plain text",
}


def option(meaning: str, *choices: str, at_least: float | None = None) -> Any:
    """A field that conf/ must set: what it means, the words it may be, the smallest number it may be."""
    return field(default=MISSING, metadata={"meaning": meaning, "choices": choices, "at_least": at_least})


@dataclass
class Paths:
    """Where things are kept."""

    outputs: str = option("artifacts go below this directory")
    cache: str = option("tokenised data and downloads that can be made again")


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


@dataclass
class Corpus:
    """Plain text for the general stage."""

    name: str = option("the word for it in the names of outputs")
    kind: str = option("where text comes from", "docstrings", "files", "hub")
    paths: list[str] = option("kind=files: files, directories or globs")
    text_column: str = option("column of the text in JSONL and Parquet")
    encoding: str = option("kind=files: encoding of the text")
    max_megabytes: float | None = option("kind=docstrings: take this much text at most", at_least=0)
    repo: str | None = option("kind=hub: name of the data set")
    config: str | None = option("kind=hub: configuration of the data set")
    split: str | None = option("kind=hub: split of the data set")


@dataclass
class General:
    """General distillation: what is computed."""

    epochs: int = option("passes over the corpus", at_least=1)
    max_steps: int | None = option("stop after this many optimiser steps", at_least=1)
    max_length: int = option("word pieces in a block, [CLS] and [SEP] included", at_least=8)
    batch_size: int = option("blocks per device and forward pass", at_least=1)
    accumulate: int = option("batches per optimiser step", at_least=1)
    learning_rate: float = option("peak learning rate", at_least=0)
    warmup: float = option("share of the steps in which the rate rises, before it falls linearly to 0", at_least=0)
    weight_decay: float = option("AdamW's, not for biases and LayerNorms", at_least=0)
    clip: float = option("largest gradient norm; 0 for no limit", at_least=0)
    heldout_fraction: float = option("share of the documents kept out of training", at_least=0)
    heldout_blocks: int = option("held-out blocks used at most", at_least=1)
    sample_tokens: int = option("training tokens that start=closed_form and mapping=auto look at", at_least=1)


@dataclass
class Trainer:
    """How fast, never what: devices, precision, workers, checkpoints."""

    accelerator: str = option("Lightning's accelerator", "auto", "cpu", "gpu")
    devices: Any = option("number of devices, or auto")
    num_nodes: int = option("machines", at_least=1)
    strategy: str = option("Lightning's strategy, as in ddp or fsdp")
    precision: str = option("auto is bf16-mixed where the hardware multiplies bf16", "auto", "32", "bf16-mixed")
    workers: int = option("processes that load batches; 0 loads in the training process", at_least=0)
    validations: int = option("held-out evaluations in the middle of training", at_least=0)
    checkpoint_minutes: float = option("minutes between checkpoints to resume from", at_least=0)
    progress: bool = option("show progress")


@dataclass
class Logger:
    """Where metrics go, beside the artifact's own CSV files."""

    kinds: list[str] = option("any of csv, tensorboard, wandb")
    project: str = option("project in Weights & Biases")
    group: str | None = option("group in Weights & Biases")


@dataclass
class Config:
    """Everything there is to choose."""

    stage: str = option("what to do", *STAGES)
    seed: int = option("of initialisation, data order and dropout", at_least=0)
    output_dir: str | None = option("where the artifact is published; null for a name made from the choices")
    overwrite: bool = option("replace an output made with other settings")
    paths: Paths = field(default_factory=Paths)
    teacher: Teacher = field(default_factory=Teacher)
    student: Student = field(default_factory=Student)
    mapping: Mapping = field(default_factory=Mapping)
    objective: Objective = field(default_factory=Objective)
    corpus: Corpus = field(default_factory=Corpus)
    general: General = field(default_factory=General)
    trainer: Trainer = field(default_factory=Trainer)
    logger: Logger = field(default_factory=Logger)


def options(schema: type = Config, prefix: str = "") -> dict[str, dict[str, Any]]:
    """Every dotted key of the schema with its metadata."""
    found: dict[str, dict[str, Any]] = {}
    for f in fields(schema):
        if is_dataclass(f.type):
            found |= options(f.type, f"{prefix}{f.name}.")  # type: ignore[arg-type]
        else:
            found[prefix + f.name] = dict(f.metadata)
    return found


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def check(values: dict[str, Any]) -> None:
    """Raises UserError for a value outside its choices or range, or for choices that contradict each other.

    `values` is the resolved configuration as plain dictionaries: what can be judged before any file is read.
    """
    given, known = flatten(values), options()
    for key in given.keys() - known.keys():
        raise UserError(f"there is no option called {key}{nearest(key, known)}")
    for key, metadata in known.items():
        if key not in given:
            raise UserError(f"{key} has no value; set it with {key}=VALUE")
        value = given[key]
        if value is None:
            continue
        choices, least = metadata["choices"], metadata["at_least"]
        if choices and value not in choices:
            raise UserError(f"{key}={value} is not one of {', '.join(choices)}{nearest(str(value), choices)}")
        if least is not None and not value >= least:
            raise UserError(f"{key}={value} is too small: it must be at least {least:g}")
    _check_together(values)


def _check_together(values: dict[str, Any]) -> None:
    student, objective, mapping = values["student"], values["objective"], values["mapping"]
    if student["path"] is None and student["hidden_size"] % student["num_heads"]:
        raise UserError(
            f"student.num_heads={student['num_heads']} doesn't divide student.hidden_size={student['hidden_size']}"
        )
    if not any(objective[loss] for loss in ("embedding", "hidden", "attention", "relation")):
        raise UserError("every loss is switched off; set one of objective.embedding, .hidden, .attention, .relation")
    if (mapping["strategy"] == "list") != (mapping["layers"] is not None):
        raise UserError(
            "mapping.layers and mapping.strategy=list go together, as in mapping=list 'mapping.layers=[2,4,6]'"
        )
    wrong = [n for n in mapping["layers"] or () if not (n is None or type(n) is int)]
    if wrong:
        raise UserError(f"mapping.layers holds {wrong[0]!r}; teacher layers are whole numbers, null for none")
    corpus = values["corpus"]
    if corpus["kind"] == "files" and not corpus["paths"]:
        raise UserError("corpus=files needs text: name it with 'corpus.paths=[FILE, DIRECTORY or GLOB]'")
    unknown = [kind for kind in values["logger"]["kinds"] if kind not in ("csv", "tensorboard", "wandb")]
    if unknown:
        raise UserError(f"logger.kinds holds {unknown[0]!r}, which is not one of csv, tensorboard, wandb")
    if student["dropout"] >= 1:
        raise UserError(f"student.dropout={student['dropout']} is too large: it must be below 1")


def nearest(word: str, known: Iterable[str], similarity: float = 0.5) -> str:
    """A closing remark that names the known word most like the given one; empty when none is."""
    from difflib import get_close_matches

    match = get_close_matches(word, list(known), n=1, cutoff=similarity)
    return f" (did you mean {match[0]}?)" if match else ""
