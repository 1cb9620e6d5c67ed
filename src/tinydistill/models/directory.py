"""What a model's directory may hold: weights as safetensors that lie in it, no pickle, no code of its own."""

import json
from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import read_json
from tinydistill.errors import InputError

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
# Keys that make transformers run code that comes with a model, or read other files than WEIGHTS or INDEX name.
_REFUSED = {
    "auto_map": "code of its own, which is never run",
    "transformers_weights": "other files as its weights, which are not read",
}


def check_configuration(directory: Path, shown: str) -> None:
    """Raises InputError where there is no config.json, or one that asks for more than to be read."""
    if not (directory / "config.json").is_file():
        raise InputError(f"{shown} holds no config.json", "name a Hugging Face model directory")
    for name in ("config.json", "tokenizer_config.json"):
        if (directory / name).is_file():
            keys = _json(directory / name, shown)
            for key in _REFUSED.keys() & keys.keys() if isinstance(keys, dict) else ():
                raise InputError(
                    f"{shown}: its {name} names {_REFUSED[key]} ({key})",
                    f"take {key} out of it if the model is one of transformers' own",
                )
    if (directory / "adapter_config.json").is_file():
        raise InputError(f"{shown} holds an adapter to another model (adapter_config.json)", "merge the two first")


def check_weights(directory: Path, shown: str) -> None:
    """Raises InputError where weights are missing, are a pickle, or lie elsewhere."""
    if (directory / WEIGHTS).is_file():
        return
    if (directory / INDEX).is_file():
        missing = [name for name in parts(directory, shown) if not (directory / name).is_file()]
        if missing:
            raise InputError(f"{shown} lacks {missing[0]}, which its {INDEX} names")
        return
    if list(directory.glob("pytorch_model*.bin")):
        raise InputError(
            f"{shown} holds its weights as a pickle (pytorch_model.bin), which is never loaded",
            f"save it as {WEIGHTS} first",
        )
    raise InputError(f"{shown} holds no weights ({WEIGHTS})")


def parts(directory: Path, shown: str) -> list[str]:
    """The files that an index of weights names. Raises InputError for any that is no safetensors file beside it."""
    index = _json(directory / INDEX, shown)
    named = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(named, dict) or not named:
        raise InputError(f"{shown}: its {INDEX} has no weight_map")
    names = sorted({str(name) for name in named.values()})
    for name in names:
        if not name.endswith(".safetensors") or Path(name).name != name or "\\" in name:
            raise InputError(
                f"{shown}: its {INDEX} names {name!r}, which is no safetensors file in the same directory",
                "nothing else is read",
            )
    return names


def _json(file: Path, shown: str) -> Any:
    try:
        return read_json(file)
    except ValueError as error:
        said = error.msg if isinstance(error, json.JSONDecodeError) else error
        raise InputError(f"{shown}: its {file.name} is no JSON: {said}") from error
