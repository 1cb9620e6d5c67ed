"""Refuse models that can't be distilled, by their configuration and the types of their weights."""

from pathlib import Path

from safetensors import safe_open
from transformers import PretrainedConfig

from tinydistill.errors import InputError

_SIZES = {  # that every encoder has, and what they are at most
    "vocab_size": 10**7,
    "hidden_size": 10**5,
    "num_hidden_layers": 1000,
    "num_attention_heads": 10**5,
    "max_position_embeddings": 10**9,
}
_FLOATS = ("F64", "F32", "F16", "BF16", "I64", "I32")  # integers are position ids


def check_config(config: PretrainedConfig, path: str, called: str) -> None:
    """Raises InputError for a model that is no encoder, or has sizes that no encoder can have."""
    kind = f"{called}={path} is a {config.model_type}"
    if config.is_encoder_decoder or getattr(config, "is_decoder", False):
        raise InputError(f"{kind} with a decoder", "name an encoder, such as BERT")
    if getattr(config, "quantization_config", None) is not None:
        raise InputError(f"{kind} whose weights are quantized", "name the model that it was made from")
    for name, most in _SIZES.items():
        if (size := getattr(config, name, None)) is None:
            raise InputError(f"{kind}, whose config.json has no {name}", "name an encoder, such as BERT")
        if type(size) is not int or not 0 < size <= most:
            raise InputError(f"{kind} with {name}={size} in its config.json", f"it must lie between 1 and {most:,}")
    for name in ("chunk_size_feed_forward", "output_hidden_states", "output_attentions"):
        if not isinstance(value := getattr(config, name, 0), int):
            raise InputError(f"{kind} with {name}={value} in its config.json", "leave it out there")
    names = config.architectures or []
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise InputError(f"{kind} with architectures={names} in its config.json", "these are a list of names")


def check_types(path: Path, called: str) -> None:
    """Raises InputError where weights have a type that can't be trained, as those of quantized models."""
    for file in sorted(path.glob("*.safetensors")):
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118  # it is no dictionary
                if (kind := weights.get_slice(name).get_dtype()) not in _FLOATS:
                    raise InputError(
                        f"{called}={path}: {name} is of kind {kind}, as of a quantized model",
                        "name the model that it was made from",
                    )
