"""Locating, loading and saving models and tokenizers; what can't be used is one line that names it."""

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
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
from tinydistill.errors import InputError, RunError
from tinydistill.models import attention, snapshot
from tinydistill.models.acceptable import check_config, check_types
from tinydistill.models.directory import WEIGHTS, check_configuration, check_weights
from tinydistill.models.finite import not_finite
from tinydistill.models.observation import release
from tinydistill.models.packaged import packaged, to_install, works_offline

THE_MODEL = "the model"  # what messages call a model unless they are told


def is_path(path: str) -> bool:
    """Whether a name can be that of a directory alone, and of no model on the hub."""
    return path.startswith((".", "/", "~")) or path.count("/") > 1 or "\\" in path or len(path) > 96


def locate(path: str, *, called: str = THE_MODEL) -> str:
    """Where a model is: a directory, the directory inside an installed package, or else its hub name.

    Raises InputError for a path that doesn't exist or holds no weights, for a damaged artifact, and for a package whose
    weights have another hash than the known one. `called` is what the message calls the model.
    """
    directory = Path(path).expanduser()
    if os.path.isdir(directory):  # noqa: PTH112  # which a name that is too long doesn't stop
        check(directory, lambda name: "/" not in name and name.endswith((".json", ".txt", ".safetensors")))
        check_configuration(directory, f"{called}={directory}")
        check_weights(directory, f"{called}={directory}")
        return str(directory)
    if os.path.lexists(directory) or is_path(path):
        raise InputError(f"{called}={path[:200]}: there is no such directory")
    return str(packaged(path) or path)


def directory_of(path: str, revision: str | None = None, *, called: str = THE_MODEL, weights: bool = False) -> Path:
    """The directory of a model, of one of the hub that of the cache, after its configuration and files were checked.

    Its weights are there, and fetched if need be, where they are asked for.
    """
    shown, directory = f"{called}={path}", Path(path)
    with _one_line(path, called, "files"):
        if not directory.is_dir():
            directory = snapshot.configuration(path, revision)
        check_configuration(directory, shown)
        if weights:
            directory = directory if Path(path).is_dir() else snapshot.whole(path, revision, shown)
            check_weights(directory, shown)
    return directory


def identity(path: str, revision: str | None = None, *, called: str = THE_MODEL) -> str:
    """What the weights are: the hashes of their files, whether in a directory or on the hub."""
    directory = Path(path)
    if not directory.is_dir():
        directory = directory_of(path, revision, called=called, weights=True)
    return "+".join(file_hash(file)[:16] for file in weight_files(directory))


def weight_files(directory: Path) -> list[Path]:
    """The files that a model's weights are in, those of a sentence embedder's maps last."""
    return [*sorted(directory.glob("*.safetensors")), *sorted(directory.glob(f"[0-9]*_Dense/{WEIGHTS}"))]


def load_config(path: str, *, revision: str | None = None, called: str = THE_MODEL) -> PretrainedConfig:
    """The configuration of a model; a released TinyBERT directory, which doesn't say its type, is a BERT."""
    directory = directory_of(path, revision, called=called)
    with _one_line(path, called, "config.json"):
        raw = read_json(directory / "config.json")
        if not isinstance(raw, dict):
            raise InputError(f"{called}={path}: its config.json holds no JSON object but a {type(raw).__name__}")
        if "model_type" in raw:
            config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
        else:
            config = AutoConfig.for_model("bert", **raw)
    check_config(config, path, called)
    return config


def load_tokenizer(path: str, *, revision: str | None = None, called: str = THE_MODEL) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a model."""
    directory = directory_of(path, revision, called=called)
    config = load_config(path, revision=revision, called=called)
    with _one_line(path, called, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(directory, config=config, use_fast=True, trust_remote_code=False)
        tokenizer("a \u2603")  # a word that is known to none
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
    weights are unreadable, of other sizes than the configuration says, or no finite numbers.
    """
    config = config or load_config(path, revision=revision, called=called)
    directory = directory_of(path, revision, called=called, weights=True)
    with _one_line(path, called, "weights"), quiet_loading():
        check_types(directory, called)
        model, info = kind.from_pretrained(
            directory,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # looked at below
        )
    if info["mismatched_keys"]:
        name, *sizes = min(info["mismatched_keys"], key=str)
        found, wanted = ("x".join(map(str, size)) or "a number" for size in sizes)
        message = f"{called}={path}: its weights have other sizes than its config.json says"
        raise InputError(f"{message} ({name} is {found}, not {wanted})")
    headless = model.base_model is model
    prefix = "" if headless else f"{model.base_model_prefix}."
    missing = sorted(name for name in info["missing_keys"] if not (headless and "pooler" in name))
    if lacking := [name for name in missing if name.startswith(prefix)]:
        raise InputError(f"{called}={path}: the weights lack {len(lacking)} tensors, {lacking[0]} among them")
    if broken := not_finite(model.named_parameters()):
        raise InputError(f"{called}={path}: {broken} in its weights ({WEIGHTS}) holds values that aren't finite")
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
def _one_line(path: str, called: str, what: str) -> Iterator[None]:
    """Errors of loading a model as one line that names it and what of it they are about.

    What libraries raise for a file of the wrong content is of any kind.
    """
    try:
        yield
    except InputError:
        raise
    except SafetensorError as error:
        raise InputError(f"{called}={path}: the weights are damaged or cut short ({error})") from error
    except snapshot.HubError as error:
        advice = [*to_install(path), *filter(None, [error.advice]), "name a directory", *works_offline()]
        raise InputError(f"{called}={path} can't be had from the hub ({error})", ", or ".join(advice)) from error
    except Exception as error:
        said = " ".join(str(error).split())
        said = said if isinstance(error, OSError | ValueError | ImportError) else f"{type(error).__name__}: {said}"
        raise InputError(f"{called}={path}: its {what} can't be used ({said[:300]})") from error


def parameters(model: PreTrainedModel) -> int:
    """The number of parameters."""
    return sum(p.numel() for p in model.parameters())


def making(tokenizer: PreTrainedTokenizerBase, inputs: Sequence[str]) -> PreTrainedTokenizerBase:
    """The tokenizer with these inputs of a model as what it makes, also where it is loaded after being saved."""
    found = copy.deepcopy(tokenizer)
    found.model_input_names = found.init_kwargs["model_input_names"] = list(inputs)
    return found


def save_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, directory: Path, *, max_length: int | None = None
) -> None:
    """Writes an encoder, with or without a head, and its tokenizer, vocab.txt too.

    The saved tokenizer cuts at `max_length`, the length that the model was trained with, wherever it is told to cut and
    not where; None leaves it as it is. Raises RunError where a weight isn't finite, before anything is written, and
    RuntimeError when that doesn't load again as it was.
    """
    if broken := not_finite(model.named_parameters()):
        raise RunError(f"nothing is published: {broken} of the model holds values that aren't finite")
    directory.mkdir(parents=True, exist_ok=True)
    with quiet_loading():
        release(model).eval().save_pretrained(directory, safe_serialization=True)
    if max_length is not None:
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.model_max_length = max_length
    tokenizer.save_pretrained(directory)
    if tokenizer.init_kwargs.get("unk_token") == "[UNK]" or "[UNK]" in tokenizer.all_special_tokens:
        vocabulary = tokenizer.get_vocab()
        words = "".join(f"{word}\n" for word in sorted(vocabulary, key=vocabulary.__getitem__))
        (directory / "vocab.txt").write_text(words, encoding="utf-8")
    for file in directory.glob("*.safetensors"):
        file.chmod(0o644)  # they are written for their owner alone
    with quiet_loading():
        _, info = type(model).from_pretrained(directory, output_loading_info=True)
    if info["missing_keys"] or info["unexpected_keys"]:
        raise RuntimeError(f"{directory} doesn't load as it was saved: {info}")
