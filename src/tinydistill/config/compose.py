"""Where conf/ is, and the checks of a composed configuration.

This module knows no torch, so that help and completion stay instant.
"""

import hashlib
import re
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from tinydistill.config.schema import Config
from tinydistill.errors import UserError

_PACKAGED = Path(__file__).parents[1] / "conf"
CONF_DIR = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[3] / "conf"


def options(schema: type = Config, prefix: str = "") -> dict[str, dict[str, Any]]:
    """Every dotted key of the schema with its metadata."""
    found: dict[str, dict[str, Any]] = {}
    for f in fields(schema):
        if is_dataclass(f.type):
            found |= options(f.type, f"{prefix}{f.name}.")  # type: ignore[arg-type]
        else:
            found[prefix + f.name] = dict(f.metadata)
    return found


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The configuration as plain dictionaries, checked; for a job of a sweep, with its places in the sweep."""
    values: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    check(values)
    if in_sweep():
        _place(values, Path(HydraConfig.get().runtime.output_dir), Path(HydraConfig.get().sweep.dir))
    return values


def in_sweep() -> bool:
    """Whether this is a job of a multirun."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _place(values: dict[str, Any], job: Path, sweep: Path) -> None:
    stage = values["stage"]
    if values["output_dir"] is None:
        values["output_dir"] = str(job / stage)
    if stage in ("task", "pipeline"):  # they make what they start from
        values["paths"]["job"] = str(job)
    if values["logger"]["group"] is None:
        values["logger"]["group"] = sweep.name


def sweep_name() -> str:
    """What the command line's sweep is called: by its file or its stage, and a digest of what was typed.

    So the same command finds what it has finished before. How jobs are launched makes no difference.
    """
    typed = [word for word in sys.argv[1:] if not word.startswith(("-", "hydra.", "hydra/"))]
    chosen = dict(word.split("=", 1) for word in typed if "=" in word)
    return _file_name(chosen.get("sweep") or chosen.get("stage") or "general") + "-" + _short_digest(" ".join(typed))


def job_name(overrides: str) -> str:
    """A job's overrides that vary as the name of a directory, not too long."""
    return _file_name(overrides) or "job"


def _file_name(text: str, longest: int = 100) -> str:
    clean = re.sub(r"[^\w.+-]+", "-", text)
    return clean if clean == text and len(clean) <= longest else f"{clean[:longest]}-{_short_digest(text)}"


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


# cached, as Hydra's own now: jobs get the value that the sweep had, in other processes too
OmegaConf.register_new_resolver("sweep_name", sweep_name, use_cache=True, replace=True)
OmegaConf.register_new_resolver("job_name", job_name, replace=True)


def composed_with(**groups: str) -> dict[str, Any]:
    """What this run's command line gives with other choices of some groups; only inside of a run."""
    job = HydraConfig.get()
    kept = [override for override in job.overrides.task if override.split("=")[0] not in groups]
    return resolved(compose(job.job.config_name, [*kept, *(f"{group}={word}" for group, word in groups.items())]))


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
    share = values["prediction"]["hard_share"]
    if share > 1:
        raise UserError(f"prediction.hard_share={share} is too large: it must be at most 1")
    if not 0 < (share := values["task"]["train_share"]) <= 1:
        raise UserError(f"task.train_share={share} must lie above 0 and be at most 1")
    if values["augmentation"]["probability"] > 1:
        raise UserError(f"augmentation.probability={values['augmentation']['probability']} must be at most 1")
    for node in ("student", "pretrain"):
        if (dropout := values[node]["dropout"]) >= 1:
            raise UserError(f"{node}.dropout={dropout} is too large: it must be below 1")
    if values["overwrite"] not in (True, False, "always"):
        raise UserError(f"overwrite={values['overwrite']} is not one of true, false, always")
    if not 0 < values["debug"]["share"] <= 1:
        raise UserError(f"debug.share={values['debug']['share']} must be above 0 and at most 1, as 0.1")
    _check_strategy(values["trainer"]["strategy"])
    _check_masking(values["pretrain"])
    _check_export(values["export"])
    _check_benchmark(values["benchmark"])


def _check_strategy(strategy: str) -> None:
    sharding = next((word for word in ("fsdp", "deepspeed") if strategy.startswith(word)), None)
    if sharding:
        raise UserError(
            f"trainer.strategy={strategy} would cut the student's tensors into pieces, which clipping, weight decay "
            "and saving here take for whole ones; a student fits on every device: take trainer=ddp"
        )


def _check_masking(pretrain: dict[str, Any]) -> None:
    if not 0 < pretrain["masked_share"] < 1:
        raise UserError(
            f"pretrain.masked_share={pretrain['masked_share']} leaves nothing to ask for or to read: "
            "it must be between 0 and 1, as 0.15"
        )
    if pretrain["as_mask"] + pretrain["as_random"] > 1:
        raise UserError(
            f"pretrain.as_mask={pretrain['as_mask']} and pretrain.as_random={pretrain['as_random']} "
            "are shares of the same pieces: their sum must not be above 1"
        )


def _check_export(export: dict[str, Any]) -> None:
    unknown = [name for name in export["formats"] if name not in ("onnx", "onnx_int8")]
    if unknown:
        raise UserError(f"export.formats holds {unknown[0]!r}, which is not one of onnx, onnx_int8")
    for name in ("batch_sizes", "lengths", "threads"):
        for number in export["latency"][name]:
            if not ((type(number) is int and number > 0) or (number is None and name == "threads")):
                raise UserError(f"export.latency.{name} holds {number!r}: these are whole numbers from 1 on")


def _check_benchmark(benchmark: dict[str, Any]) -> None:
    known = ("general", "intermediate", "prediction", "augmentation", "tokenisation", "latency")
    if not benchmark["pieces"]:
        raise UserError(f"benchmark.pieces is empty: name any of {', '.join(known)}")
    unknown = [name for name in benchmark["pieces"] if name not in known]
    if unknown:
        raise UserError(
            f"benchmark.pieces holds {unknown[0]!r}, which is not one of {', '.join(known)}"
            f"{nearest(str(unknown[0]), known)}"
        )


def nearest(word: str, known: Iterable[str], similarity: float = 0.5) -> str:
    """A closing remark that names the known word most like the given one; empty when none is."""
    from difflib import get_close_matches

    match = get_close_matches(word, list(known), n=1, cutoff=similarity)
    return f" (did you mean {match[0]}?)" if match else ""
