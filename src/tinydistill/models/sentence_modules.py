"""What a sentence-transformers directory says is done with an encoder's last hidden states, read and written as JSON.

D: hidden size of the encoder, E: width of an embedding.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinydistill.artifacts.files import read_json, write_json
from tinydistill.errors import InputError

MODULES = "modules.json"
POOLINGS = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}  # the mode, and what older versions call it
ACTIVATIONS = {  # by class
    "torch.nn.modules.linear.Identity": "identity",
    "torch.nn.modules.activation.Tanh": "tanh",
    "torch.nn.modules.activation.ReLU": "relu",
    "torch.nn.modules.activation.GELU": "gelu",
}
SUPPORTED = "Transformer, then Pooling (mean, cls or max), any number of Dense, and Normalize"
_OLDER_MODES = re.compile(r"pooling_mode_(\w+)")
_BELOW = re.compile(r"\w+")  # names of directories of modules: nothing outside of the model's
_NOT_SAID = "torch.nn.modules.activation.Tanh"  # what a Dense has that doesn't say its activation


@dataclass(frozen=True)
class Dense:
    """A linear map of embeddings and what follows it: one of the values of ACTIVATIONS."""

    inputs: int
    outputs: int
    bias: bool = True
    activation: str = "identity"


@dataclass(frozen=True)
class SentenceModules:
    """How token states [B, L, D] become embeddings [B, E]: one of POOLINGS, maps, and whether they get length 1.

    `max_length` are the tokens at which texts are cut, special ones included; None for what the encoder takes.
    """

    width: int
    pooling: str = "mean"
    dense: tuple[Dense, ...] = ()
    normalize: bool = True
    max_length: int | None = None

    @property
    def outputs(self) -> int:
        """The width E of an embedding."""
        return self.dense[-1].outputs if self.dense else self.width

    @property
    def directories(self) -> list[str]:
        """Where the weights of the maps are, below the model's directory."""
        return [f"{place}_Dense" for place, _ in enumerate(self.dense, start=2)]

    def __str__(self) -> str:
        maps = "".join(f", {one.inputs} to {one.outputs} {one.activation}" for one in self.dense)
        return f"{self.pooling} pooling{maps}{', normalized' if self.normalize else ''}"


def read_modules(directory: Path, width: int, shown: str) -> tuple[SentenceModules, list[str]]:
    """The modules of a directory whose encoder has this width, and where the weights of its maps are below it.

    Raises InputError, which calls the model `shown`, where there is no modules.json, or one that asks for anything
    that isn't SUPPORTED.
    """
    if not (directory / MODULES).is_file():
        raise InputError(
            f"{shown} is no sentence embedder: it has no {MODULES}, which says how its states are pooled",
            "name a directory that sentence-transformers has saved",
        )
    listed = _json(directory / MODULES, shown)
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise InputError(f"{shown}: its {MODULES} is no list of modules")
    kinds = [str(one.get("type")).rpartition(".")[2] for one in listed]
    for kind in kinds:
        if kind not in ("Transformer", "Pooling", "Dense", "Normalize"):
            raise _unsupported(shown, f"has a module {kind}")
    if not re.fullmatch("TP(D*)N?", "".join(kind[0] for kind in kinds)) or listed[0].get("path"):
        raise _unsupported(shown, f"has its modules in the order {', '.join(kinds)}")
    places = [str(one.get("path")) for one in listed[1:]]
    for place in places:
        if not _BELOW.fullmatch(place):
            raise InputError(f"{shown}: its {MODULES} names the directory {place!r}, which isn't one below it")
    mode = _pooling(directory / places[0] / "config.json", shown)
    maps = [place for place, kind in zip(places, kinds[1:], strict=True) if kind == "Dense"]
    dense = tuple(_dense(directory / place / "config.json", shown) for place in maps)
    for one, given in zip(dense, [width, *(before.outputs for before in dense)], strict=False):
        if one.inputs != given:
            raise InputError(f"{shown}: a Dense takes {one.inputs} numbers where there are {given}")
    return SentenceModules(width, mode, dense, kinds[-1] == "Normalize", _max_length(directory, shown)), maps


def check_prompts(directory: Path, shown: str) -> None:
    """Raises InputError where a model puts a prompt of its own before every text, or changes texts otherwise."""
    file = directory / "config_sentence_transformers.json"
    settings = _json(file, shown) if file.is_file() else {}
    if isinstance(settings, dict) and settings.get("default_prompt_name"):
        raise InputError(
            f"{shown} puts the prompt {settings['default_prompt_name']!r} before every text, which isn't supported",
            f"set default_prompt_name to null in its {file.name}, and write prompts into the texts",
        )


def write_modules(directory: Path, modules: SentenceModules) -> None:
    """Write all but weights: modules.json, and the configuration of every module in words that all versions know."""
    kinds = ["Transformer", "Pooling", *(["Dense"] * len(modules.dense)), *(["Normalize"] * modules.normalize)]
    listed = [
        {
            "idx": place,
            "name": str(place),
            "path": f"{place}_{kind}" if place else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, kind in enumerate(kinds)
    ]
    for one in listed[1:]:
        (directory / str(one["path"])).mkdir(parents=True, exist_ok=True)
    modes = {f"pooling_mode_{older}": mode == modules.pooling for mode, older in POOLINGS.items()}
    write_json(directory / "1_Pooling" / "config.json", {"word_embedding_dimension": modules.width, **modes})
    classes = {name: path for path, name in ACTIVATIONS.items()}
    for place, dense in zip(modules.directories, modules.dense, strict=True):
        sizes = {"in_features": dense.inputs, "out_features": dense.outputs, "bias": dense.bias}
        write_json(directory / place / "config.json", {**sizes, "activation_function": classes[dense.activation]})
    if modules.normalize:
        write_json(directory / str(listed[-1]["path"]) / "config.json", {})
    write_json(directory / "config_sentence_transformers.json", {"prompts": {}, "similarity_fn_name": "cosine"})
    cut = {} if modules.max_length is None else {"max_seq_length": modules.max_length}
    write_json(directory / "sentence_bert_config.json", {**cut, "do_lower_case": False})
    write_json(directory / MODULES, listed)


def _pooling(file: Path, shown: str) -> str:
    config = _object(file, shown)
    older = {name: mode for mode, name in POOLINGS.items()}
    modes = config.get("pooling_mode")
    if modes is None:
        chosen = [match[1] for name in config if (match := _OLDER_MODES.fullmatch(name)) and config[name] is True]
        modes = [older.get(name, name) for name in chosen] or ["mean"]
    modes = modes if isinstance(modes, list) else [modes]
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise _unsupported(shown, f"pools by {' and '.join(map(str, modes))}")
    return str(modes[0])


def _dense(file: Path, shown: str) -> Dense:
    config = _object(file, shown)
    activation = ACTIVATIONS.get(str(config.get("activation_function", _NOT_SAID)))
    plain = config.get("module_input_name", "sentence_embedding") == "sentence_embedding"
    plain = plain and config.get("module_output_name") in (None, "sentence_embedding")
    if activation is None or not plain or config.get("use_residual"):
        said = config.get("activation_function") if activation is None else "more than a map of the embedding"
        raise _unsupported(shown, f"has a Dense with {said}")
    sizes = config.get("in_features"), config.get("out_features")
    if not all(type(size) is int and size > 0 for size in sizes):
        raise InputError(f"{shown}: {file.parent.name}/{file.name} doesn't say its in_features and out_features")
    return Dense(int(sizes[0]), int(sizes[1]), bool(config.get("bias", True)), activation)  # type: ignore[arg-type]


def _max_length(directory: Path, shown: str) -> int | None:
    file = directory / "sentence_bert_config.json"
    settings = _object(file, shown) if file.is_file() else {}
    if settings.get("do_lower_case"):
        raise _unsupported(shown, "puts texts into lower case before its tokenizer")
    length = settings.get("max_seq_length")
    return length if type(length) is int and length > 0 else None


def _unsupported(shown: str, what: str) -> InputError:
    return InputError(f"{shown} {what}, which isn't supported", f"what is: {SUPPORTED}")


def _object(file: Path, shown: str) -> dict[str, Any]:
    if not file.is_file():
        raise InputError(f"{shown} lacks {file.parent.name}/{file.name}, which its {MODULES} needs")
    found = _json(file, shown)
    if not isinstance(found, dict):
        raise InputError(f"{shown}: {file.parent.name}/{file.name} is no JSON object")
    return found


def _json(file: Path, shown: str) -> Any:
    try:
        return read_json(file)
    except ValueError as error:
        raise InputError(f"{shown}: its {file.name} is no JSON") from error
