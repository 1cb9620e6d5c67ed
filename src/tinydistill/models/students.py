"""New students: their size, and random weights until something better is solved for."""

import copy
import os

import torch
from transformers import AutoModel, PretrainedConfig, PreTrainedModel

from tinydistill.errors import InputError
from tinydistill.models import attention

DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)


def student_config(
    teacher: PretrainedConfig,
    *,
    num_layers: int,
    hidden_size: int,
    intermediate_size: int,
    num_heads: int,
    dropout: float,
) -> PretrainedConfig:
    """The teacher's configuration at the student's size: same architecture, vocabulary and positions.

    Raises InputError where the width can't be divided among the heads, or no memory holds such a student.
    """
    if hidden_size % num_heads:
        raise InputError(
            f"a width of {hidden_size} can't be divided among {num_heads} attention heads",
            "choose another {initialize_student.num_heads} or {initialize_student.hidden_size}",
        )
    sizes: dict[str, float] = {
        "num_hidden_layers": num_layers,
        "hidden_size": hidden_size,
        "num_attention_heads": num_heads,
        "intermediate_size": intermediate_size,
        "hidden_dim": intermediate_size,  # DistilBERT's word for it
        "embedding_size": hidden_size,  # ELECTRA's; without it no projection stands between
    }
    sizes |= dict.fromkeys(DROPOUTS, dropout)
    values = teacher.to_dict()
    # What names the teacher or its head, and lists by layer (ModernBERT's layer_types), which follow from the depth.
    for stale in ("layer_types", "architectures", "_name_or_path", "id2label", "label2id", "dtype"):
        values.pop(stale, None)
    known = {name: teacher.attribute_map.get(name, name) for name in sizes}
    config = type(teacher)(**values | {known[name]: size for name, size in sizes.items() if known[name] in values})
    _check_memory(config)
    return config


def _check_memory(config: PretrainedConfig) -> None:
    """Raises InputError where this machine has less memory than weights, gradients and Adam's moments would take."""
    with torch.device("meta"):
        count = sum(p.numel() for p in AutoModel.from_config(copy.deepcopy(config)).parameters())
    needed, there = 16 * count, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise InputError(
            f"a student of {count:,} parameters takes {needed / 1e9:,.0f} GB to train, this machine has "
            f"{there / 1e9:,.0f} GB",
            "take a smaller {initialize_student.hidden_size}",
        )


def new_student(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """A student with random weights, the same for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModel.from_config(copy.deepcopy(config), dtype=torch.float32)
    return attention.use(model)
