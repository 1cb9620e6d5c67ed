"""Errors as one line for the user: what is wrong, and the option to type."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue, OmegaConfBaseException

from tinydistill.artifacts.disk import refused
from tinydistill.config.help import CONF_DIR
from tinydistill.config.quoting import not_utf8, typed
from tinydistill.config.renamed import RENAMED
from tinydistill.config.schema import Config
from tinydistill.config.schema.option import nearest, options
from tinydistill.errors import InputError, RunError, UserError
from tinydistill.escaping import for_terminal

_KINDS = {"Integer": "a whole number", "Float": "a number", "bool": "true or false"}
_PACKAGES = {
    "hydra/launcher=joblib": "hydra-joblib-launcher",
    "hydra/launcher=ray": "hydra-ray-launcher",
    "hydra/launcher=submitit_local": "hydra-submitit-launcher",
    "hydra/launcher=submitit_slurm": "hydra-submitit-launcher",
    "hydra/sweeper=optuna": "hydra-optuna-sweeper 'sqlalchemy<2' 'alembic<1.14'",
}  # plugins that are installed on request
_ABSENT = object()
_SHARDED = "a student fits on every device, so nothing is sharded: take trainer=ddp"
_NOT_OFFERED = {"trainer=fsdp": _SHARDED, "trainer=deepspeed": _SHARDED}

# Where the arguments of what is built from a configuration stand in it; {stage} is the one that runs.
_NODES = {
    "FilesCorpus": "corpus",
    "HubCorpus": "corpus",
    "DocstringsCorpus": "corpus",
    "TextDataModule": "{stage}",
    "TaskFiles": "task",
    "TextRows": "task",
    "DocstringSimilarity": "task.source",
    "Target": "task",
    "TaskDataModule": "task",
    "SomeRows": "task",
    "Trainer": "trainer",
    "GlueTask": "task.source",
    "DocstringRows": "task.source",
    "Bounds": "export",
}
_OPTIONS = {
    "GlueTask.root": "paths.glue",
    "GlueTask.text": "task.text",
    "GlueTask.text_pair": "task.text_pair",
    "GlueTask.label": "task.label",
    "GlueTask.validation_splits": "task.validation_splits",
    "GlueTask.test_splits": "task.test_splits",
    "TaskDataModule.augmentation": "augmentation.path",
    "Objective.losses": "objective.losses",
    "Objective.scale": "objective.scale",
    "Objective.projection": "objective.projection",
    "RelationKL.relation_heads": "objective.relation_heads",
    "listed.layers": "mapping.layers",
    "make_scoring.monitor": "task.monitor",
    "make_scoring.metrics": "task.metrics",
    "check_head.check_labels": "distill.check_labels",
    "check_score.check_score": "distill.check_score",
    "initialize_student.method": "student.init",
    "initialize_student.num_heads": "student.num_heads",
    "initialize_student.hidden_size": "student.hidden_size",
    "cut_tokenizer.vocabulary": "student.vocabulary",
    "load_masked_lm.path": "augmentation.model",
    "read_vectors.path": "augmentation.word_vectors",
    "read_stop_words.path": "augmentation.stop_words",
    "prepare_tokenizer.tokenizer": "teacher.path",
    "vocabulary.whole_words": "pretrain.whole_words",
    "collect.paths": "report.paths",
    "export_onnx.formats": "export.formats",
    "write_page.page": "export.page",
    "push.repo": "export.repo",
    "check_place.cache": "paths.cache",
    "open_artifact.path": "output_dir",
    "open_artifact.overwrite": "overwrite",
}


def explain(error: BaseException) -> str | None:
    """One line for what the user got wrong, or a run failed of; None for what is neither: the program's own."""
    line = _line(error)
    return None if line is None else for_terminal(line)


def _line(error: BaseException) -> str | None:
    if isinstance(error, InputError):  # that no stage has named the options of
        return error.told(lambda argument: option_of(argument, "general"))
    if isinstance(error, UserError | RunError):
        return " ".join(str(error).split())
    if (refusal := refused(error)) is not None:
        return " ".join(str(refusal).split())
    if type(error).__name__ == "MisconfigurationException":  # Lightning's, which would be slow to import here
        return f"trainer: {' '.join(str(error).split())}"
    if type(error) is ValueError and "integer string conversion" in str(error):
        return "a number on the command line has too many digits"
    if not isinstance(error, HydraException | OmegaConfBaseException):
        no_group = type(error) is ValueError and str(error).startswith("Config group override must be")  # student=null
        if type(error) is ValueError and str(error).startswith("Config group override deletion value"):  # ~logger=-1
            return "a group is taken away as ~GROUP, or as ~GROUP=CHOICE where it has that choice"
        return "a group can't be null: name one of its choices, which --help lists" if no_group else None
    if isinstance(error, MissingMandatoryValue | InterpolationToMissingValueError):
        patterns = [r"full_key: (\S+)", r"[Mm]issing mandatory value: (\S+)"]
        if isinstance(error, InterpolationToMissingValueError):  # what is missing is another one
            patterns.reverse()
        key = next(filter(None, (_found(pattern, str(error)) for pattern in patterns)), None)
        return f"{key} has no value; set it with {key}=VALUE"
    if isinstance(error, OverrideParseException):
        return _unread(str(error.override))
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, word = (error.missing_cfg_file or "/").rsplit("/", 1)
        return _missing_choice(group, word, sorted(error.options))
    if (several := _found(r"^Ambiguous value for argument '(.*)'$", str(error))) is not None:
        one = f"; if it is one, type {typed(several)}" if typed(several) else ""
        return f"{several} has several values: add --multirun to sweep over them{one}"
    if isinstance(error, ConfigCompositionException):
        return _rejected(f"{error}\n{error.__cause__ or ''}")
    if isinstance(error, InstantiationException):
        return _instantiation(error)
    if variable := _found(r"Environment variable '(\w+)' not found", str(error)):
        key = _found(r"full_key: (\S+)", str(error))
        slurm = ", as in every job of SLURM: elsewhere take trainer=ddp" if variable.startswith("SLURM_") else ""
        return f"{key} is what the variable {variable} says, which isn't set{slurm}"
    return " ".join(str(error).split("full_key:")[0].split())


def exit_code(error: BaseException) -> int:
    """Of an error that is one line: 2 for the user's mistake, 1 where a run had to stop."""
    refusal = refused(error)  # a RunError is its own
    return 2 if refusal is None else refusal.code


def option_of(argument: str, stage: str) -> str:
    """The option that sets an argument, `FilesCorpus.encoding`: what an InputError's advice is about."""
    if ":" in argument:  # a choice: stage:finetune
        return argument.replace(":", "=")
    if argument in _OPTIONS:
        return _OPTIONS[argument].format(stage=stage)
    owner, _, name = argument.rpartition(".")
    return f"{_NODES[owner].format(stage=stage)}.{name}" if owner in _NODES else name


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _unread(override: str) -> str:
    """What to type in place of a word that Hydra's grammar doesn't take."""
    message = f"can't read the override {override!r}"
    option, separator, value = override.partition("=")
    if not separator:
        return f"{message}; an option is set as OPTION=VALUE"
    if not_utf8(override):
        return f"{message}, which is not UTF-8; rename the file"
    if (value[:1] == "[" and "]" not in value) or (value[:1] == "{" and "}" not in value):
        return f"{message}; quote lists for the shell, as in '{option}=[a,b]'"
    return message + (f"; type {typed(override)}" if typed(override) else "")


def _instantiation(error: InstantiationException) -> str:
    """What building a `_target_` node said."""
    said = " ".join(str(error).split())
    key = _found(r"full_key: (\S+)", said)
    cause = next((one for one in causes(error) if isinstance(one, InputError)), None)
    if cause is not None:
        return str(explain(cause))
    said = said.replace(f"full_key: {key}", "").strip() if key else said
    return f"{key}: {said}" if key else said


def _missing_choice(group: str, word: str, known: list[str]) -> str:
    choice = f"{group}={word}"
    if choice in _PACKAGES:
        return f"{choice} needs a package: pip install {_PACKAGES[choice]}"
    if choice in _NOT_OFFERED:
        return f"{choice}: {_NOT_OFFERED[choice]}"
    return f"{choice}: there is no such {group}{nearest(word, known)}; there are {', '.join(known)}"


def _rejected(said: str) -> str:
    key = _found(r"(?:Could not override|merging override) '?([\w@./]+)", said)
    if key is None:
        return " ".join(said.split())
    if "not in struct" in said or key not in options(Config):
        return _unknown(key.split("@")[0])
    value = _found(r"^Value '(.*?)' (?:of type|is not a valid)", said)
    kind = _found(r"(?:could not be converted to|is not a valid) (\w+)", said)
    if value is not None and kind is not None:
        return f"{key}: {value!r} is not {_KINDS.get(kind, kind)}"
    if "is not a ListConfig" in said:
        return f"{key} is a list; write '{key}=[VALUE,VALUE]'"
    if "is not Optional" in said:
        return f"{key} can't be null"
    return f"{key}: {' '.join(said.split('full_key')[0].splitlines()[1:2])}"


def _unknown(key: str) -> str:
    if key in RENAMED:
        return f"{key} is no option any more; set {RENAMED[key]}"
    known_options = options(Config)
    node = next((name for name in known_options if key.startswith(f"{name}.")), None)
    groups = sorted(path.name for path in CONF_DIR.iterdir() if path.is_dir() and path.name != "hydra")
    if node is not None:  # an open one
        name = key.removeprefix(f"{node}.")
        choices = [f"{node}={file.stem}" for file in sorted((CONF_DIR / node).glob("*.yaml")) if _sets(file, name)]
        other = f"take {' or '.join(choices)}" if choices else f"add it with +{key}=VALUE"
        return f"{node} has no {name} as it is; {other}"
    known = list(dict.fromkeys([*known_options, *groups]))
    parent = key.rpartition(".")[0]
    siblings = [other for other in known if other.rpartition(".")[0] == parent]
    matches = nearest(key, known, similarity=0.8)
    if matches or not siblings:
        return f"there is no option or group called {key}{matches}; --help lists the groups, --cfg job all options"
    return f"there is no option called {key}; there are {', '.join(siblings)}"


def _sets(file: Path, key: str) -> bool:
    """Whether a file of a group has a value under a dotted key."""
    node: Any = OmegaConf.to_container(OmegaConf.load(file))
    for word in key.split("."):
        node = node.get(word, _ABSENT) if isinstance(node, dict) else _ABSENT
    return node is not _ABSENT


def _found(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else None
