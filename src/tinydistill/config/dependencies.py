"""Where the jobs of a sweep share what they start from: one place for the same settings, another for others.

In a single run an input stands under its readable name alone. The jobs of a sweep may need several of the same name at
the same time, so there the name ends in a digest of the options that the input depends on: jobs that agree on these
share it, others don't meet it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinydistill.artifacts.writer import read_json
from tinydistill.data.text.blocks import digest

Values = dict[str, Any]
_OF_ROWS = ("path", "batch_size")  # of augmentation: which rows to train on, and how fast they are made


def shared_path(values: Values, plain: Path, options: Callable[[Values], Values]) -> Path:
    """The place of an input whose readable name is `plain`, and which depends on these options of a configuration.

    Outside of a sweep's job that is `plain`; inside as well where something with the same options stands there already.
    """
    if values["paths"]["job"] is None:
        return plain
    wanted = digest(options(values))
    ours = plain.with_name(f"{plain.name}-{wanted[:8]}")
    return plain if not ours.exists() and _made_with(plain, options) == wanted else ours


def _made_with(path: Path, options: Callable[[Values], Values]) -> str | None:
    file = path / "provenance.json"
    if not file.is_file():
        return None
    try:
        return digest(options(read_json(file)["configuration"]))
    except KeyError:  # made before there was such an option
        return None


def of_general(values: Values) -> Values:
    """What the general student depends on."""
    return _some(values, "seed", "teacher", "student", "mapping", "objective", "corpus", "general")


def of_pretrained(values: Values) -> Values:
    """What the masked language model depends on."""
    return _some(values, "seed", "teacher", "corpus", "pretrain")


def of_finetuned_teacher(values: Values) -> Values:
    """What the fine-tuned teacher depends on."""
    return {
        **_some(values, "seed", "teacher"),
        **_rows(values),
        "finetune": _without(values["finetune"], "model", "student"),
    }


def of_baseline(values: Values) -> Values:
    """What the student without distillation depends on."""
    options = {**_some(values, "seed", "teacher", "student"), **_rows(values)}
    if values["student"]["init"] != "random":
        options |= {"mapping": values["mapping"], "sample_tokens": values["general"]["sample_tokens"]}
    return {**options, "finetune": _without(values["finetune"], "model", "teacher")}


def of_augmented(values: Values) -> Values:
    """What the augmented rows depend on."""
    options = _without(values["augmentation"], *_OF_ROWS)
    model = {} if options["model"] is not None else of_pretrained(values)
    return {**model, "seed": values["seed"], **_rows(values), "augmentation": options}


def _rows(values: Values) -> Values:
    """The options of the rows themselves, not those that stages take from the task."""
    task = {name: value for name, value in values["task"].items() if not isinstance(value, dict)}
    return {"task": task, "glue": values["paths"]["glue"]}


def _some(values: Values, *names: str) -> Values:
    return {name: values[name] for name in names}


def _without(values: Values, *names: str) -> Values:
    return {name: value for name, value in values.items() if name not in names}
