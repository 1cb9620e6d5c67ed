"""Encoders that embed sentences: token states are pooled, mapped and normalized as sentence-transformers does it.

B: rows in a batch, L: tokens in the longest, D: hidden size, E: width of an embedding.
"""

import contextlib
import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from tinydistill.errors import InputError
from tinydistill.models.directory import WEIGHTS
from tinydistill.models.finite import not_finite
from tinydistill.models.heads import Head
from tinydistill.models.loading import THE_MODEL, directory_of, load_config, load_encoder
from tinydistill.models.sentence_modules import Dense, SentenceModules, check_prompts, read_modules, write_modules

_ACTIVATIONS = {"identity": nn.Identity, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU}


@dataclass
class EmbedderOutput(ModelOutput):
    """What a SentenceEmbedder returns: `sentence_embedding` [B, E], and of its encoder what was asked for."""

    sentence_embedding: Tensor | None = None
    hidden_states: Any = None
    attentions: Any = None

    @property
    def logits(self) -> Tensor | None:
        """The embeddings, under the name that heads of other tasks have for what they put out."""
        return self.sentence_embedding


def pooled(states_BLD: Tensor, mask_BL: Tensor | None, mode: str) -> Tensor:
    """One vector [B, D] a row: the mean or the maximum over valid tokens, or the first token's ("cls")."""
    if mode == "cls":
        return states_BLD[:, 0]
    valid_BL1 = torch.ones_like(states_BLD[..., :1]) if mask_BL is None else mask_BL.unsqueeze(-1).to(states_BLD.dtype)
    if mode == "max":
        return states_BLD.masked_fill(valid_BL1 == 0, -torch.inf).amax(1)
    return (states_BLD * valid_BL1).sum(1) / valid_BL1.sum(1).clamp_min(1e-9)


class SentenceEmbedder(PreTrainedModel):
    """An encoder under the modules of a sentence-transformers directory, which saving it writes.

    Args:
        encoder: without a head; a pooler that it has is neither used nor trained.
        modules: what is done with its last hidden states.
    """

    base_model_prefix = "encoder"
    _supports_sdpa = _supports_attention_backend = True

    def __init__(self, encoder: PreTrainedModel, modules: SentenceModules):
        super().__init__(encoder.config)
        self.encoder, self.sentence_modules = encoder, modules
        maps = [nn.Linear(one.inputs, one.outputs, bias=one.bias) for one in modules.dense]
        self.dense = nn.ModuleList(maps).to(device=encoder.device, dtype=encoder.dtype)
        self._can_record_outputs = getattr(encoder, "_can_record_outputs", None)
        for name, parameter in encoder.named_parameters():
            if name.startswith("pooler."):
                parameter.requires_grad_(False)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        **options: Any,
    ) -> EmbedderOutput:
        """The embeddings of a batch of rows; pooling and maps are computed in fp32, or in the weights' precision."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        seen = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types, **options)
        kind = input_ids.device.type
        exact = torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else contextlib.nullcontext()
        with exact:
            vectors = pooled(seen.last_hidden_state.float(), attention_mask, self.sentence_modules.pooling)
            for one, linear in zip(self.sentence_modules.dense, self.dense, strict=True):
                vectors = _ACTIVATIONS[one.activation]()(linear(vectors.to(self.encoder.dtype)).float())
            if self.sentence_modules.normalize:
                vectors = F.normalize(vectors, dim=-1)
        return EmbedderOutput(vectors, seen.get("hidden_states"), seen.get("attentions"))

    def set_attn_implementation(self, attn_implementation: Any, *args: Any, **options: Any) -> None:
        """The encoder's, whose configuration is this model's too."""
        self.encoder.set_attn_implementation(attn_implementation, *args, **options)

    def save_pretrained(self, save_directory: Any, **options: Any) -> None:
        """Write a directory that `SentenceTransformer(...)` and `AutoModel` load, weights as safetensors."""
        directory = Path(save_directory)
        self.encoder.save_pretrained(directory, safe_serialization=True)
        write_modules(directory, self.sentence_modules)
        for place, linear in zip(self.sentence_modules.directories, self.dense, strict=True):
            tensors = {f"linear.{name}": tensor.detach().contiguous() for name, tensor in linear.state_dict().items()}
            save_file(tensors, directory / place / WEIGHTS)
            (directory / place / WEIGHTS).chmod(0o644)

    @classmethod
    def from_pretrained(cls, path: Any, **options: Any) -> Any:
        """What `save_pretrained` wrote; with `output_loading_info` also the names of tensors that are missing: none."""
        model = load_embedder(str(path))
        nothing: dict[str, list[str]] = {"missing_keys": [], "unexpected_keys": []}
        return (model, nothing) if options.get("output_loading_info") else model


@dataclass(frozen=True)
class EmbedderHead(Head):
    """Pooling and maps above an encoder; as a model's own directory has them where `modules` is None."""

    modules: SentenceModules | None = None

    @property
    def width(self) -> int | None:
        """The width E of an embedding, once it is known."""
        return None if self.modules is None else self.modules.outputs

    @property
    def read_as(self) -> str:
        """By which pooling: the weights don't say it."""
        return "" if self.modules is None else f" {self.modules.pooling} {self.modules.normalize}"

    def like(self, path: str, revision: str | None, *, max_length: int, called: str = THE_MODEL) -> "EmbedderHead":
        """As a student of this teacher has it: its pooling, and its embeddings' width through a map of its own.

        The width of the encoder below is known when it is put on one.
        """
        modules = modules_of(path, revision, called=called)
        return replace(self, modules=replace(modules, dense=(Dense(0, modules.outputs),), max_length=max_length))

    def check(
        self, config: PretrainedConfig, path: str, revision: str | None = None, *, called: str = THE_MODEL
    ) -> None:
        """Raises InputError where a directory isn't a sentence embedder, or one of another width than is wanted."""
        found = modules_of(path, revision, called=called)
        if self.modules is not None and found.outputs != self.modules.outputs:
            raise InputError(
                f"{called}={path} has embeddings of {found.outputs} numbers, the teacher's have {self.modules.outputs}"
            )

    def add(self, encoder: PreTrainedModel, *, seed: int) -> PreTrainedModel:
        """The encoder under its pooling and new maps, random but the same for the same seed."""
        assert self.modules is not None
        width = encoder.config.hidden_size
        dense = tuple(replace(one, inputs=width) for one in self.modules.dense)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return SentenceEmbedder(copy.deepcopy(encoder), replace(self.modules, width=width, dense=dense))

    def load(
        self, path: str, *, revision: str | None = None, dtype: torch.dtype = torch.float32, called: str = THE_MODEL
    ) -> PreTrainedModel:
        """A sentence-transformers directory in eval mode."""
        self.check(PretrainedConfig(), path, revision, called=called)
        return load_embedder(path, revision=revision, dtype=dtype, called=called)


def modules_of(path: str, revision: str | None = None, *, called: str = THE_MODEL) -> SentenceModules:
    """What a model's directory says of its pooling and maps. Raises InputError for what isn't supported."""
    return _modules(path, revision, called)[0]


def load_embedder(
    path: str, *, revision: str | None = None, dtype: torch.dtype = torch.float32, called: str = THE_MODEL
) -> SentenceEmbedder:
    """A sentence-transformers directory, or model of the hub, in eval mode.

    Raises InputError where it asks for something that isn't supported, or lacks weights.
    """
    modules, places = _modules(path, revision, called)
    encoder = load_encoder(path, revision=revision, dtype=dtype, called=called)
    if encoder.config.hidden_size != modules.width:
        raise InputError(f"{called}={path}: its modules are for a width of {modules.width}")
    model = SentenceEmbedder(encoder, modules)
    directory = directory_of(path, revision, called=called, weights=True)
    for linear, place in zip(model.dense, places, strict=True):
        _load_map(linear, directory / place / WEIGHTS, f"{called}={path}")
    return model.eval()


def _modules(path: str, revision: str | None, called: str) -> tuple[SentenceModules, list[str]]:
    directory, shown = directory_of(path, revision, called=called), f"{called}={path}"
    found = read_modules(directory, load_config(path, revision=revision, called=called).hidden_size, shown)
    check_prompts(directory, shown)
    return found


def _load_map(linear: nn.Module, file: Path, shown: str) -> None:
    where = f"{file.parent.name}/{file.name}"
    try:
        tensors = {name.removeprefix("linear."): tensor for name, tensor in load_file(file).items()}
        linear.load_state_dict(tensors)
    except FileNotFoundError:
        raise InputError(f"{shown} lacks {where}; a pickle (pytorch_model.bin) is never loaded") from None
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{shown}: {where} isn't what its config.json says") from error
    if broken := not_finite(tensors.items()):
        raise InputError(f"{shown}: {broken} in {where} holds values that aren't finite")
