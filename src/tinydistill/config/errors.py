"""Turns the errors of composing a configuration into one line that names the key and the nearest right one."""

import re

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from tinydistill.config.compose import CONF_DIR, nearest, options
from tinydistill.errors import UserError

_KINDS = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
_EXTRAS = {
    "hydra/launcher=joblib": "sweep",
    "hydra/launcher=submitit_local": "slurm",
    "hydra/launcher=submitit_slurm": "slurm",
    "hydra/sweeper=optuna": "optuna",
}  # plugins that are installed on request


def explain(error: BaseException) -> str | None:
    """One line for what the user got wrong, or None when the error is not the user's."""
    if isinstance(error, UserError):
        return " ".join(str(error).split())
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    if isinstance(error, MissingMandatoryValue):
        key = _found(r"full_key: (\S+)", str(error))
        return f"{key} has no value; set it with {key}=VALUE"
    if isinstance(error, OverrideParseException):
        return f"can't read the override {error.override!r}; quote lists for the shell, as in 'corpus.paths=[a,b]'"
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, word = (error.missing_cfg_file or "/").rsplit("/", 1)
        known = sorted(error.options)
        if (extra := _EXTRAS.get(f"{group}={word}")) is not None:
            return f"{group}={word} needs a package: pip install 'tinydistill[{extra}]'"
        return f"{group}={word}: there is no such {group}{nearest(word, known)}; there are {', '.join(known)}"
    if isinstance(error, ConfigCompositionException):
        return _rejected(f"{error}\n{error.__cause__ or ''}")
    return " ".join(str(error).split())


def _rejected(said: str) -> str:
    key = _found(r"(?:Could not override|merging override) '?([\w@./]+)", said)
    if key is None:
        return " ".join(said.split())
    if key not in options():
        return _unknown(key.split("@")[0])
    value, kind = _found(r"^Value '(.*?)' of type", said), _found(r"could not be converted to (\w+)", said)
    if value is not None and kind is not None:
        return f"{key}: {value!r} is not {_KINDS.get(kind, kind)}"
    return f"{key}: {' '.join(said.split('full_key')[0].splitlines()[1:2])}"


def _unknown(key: str) -> str:
    groups = sorted(path.name for path in CONF_DIR.iterdir() if path.is_dir() and path.name != "hydra")
    known = [*options(), *groups]
    parent = key.rpartition(".")[0]
    siblings = [other for other in known if other.rpartition(".")[0] == parent]
    matches = nearest(key, known, similarity=0.8)
    if matches or not siblings:
        return f"there is no option or group called {key}{matches}; --help lists the groups, --cfg job all options"
    return f"there is no option called {key}; there are {', '.join(siblings)}"


def _found(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.MULTILINE)
    return match[1] if match else None
