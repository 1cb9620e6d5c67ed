"""A student from a teacher in one call."""

import os
import warnings
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinydistill.errors import InputError
from tinydistill.initialization.layer_solvers import Batch
from tinydistill.initialization.start import check_start, first_weights
from tinydistill.models.loading import load_encoder, load_tokenizer, locate
from tinydistill.models.observation import encoder_inputs
from tinydistill.models.source import longest_input
from tinydistill.models.students import new_student, student_config

_AT_ONCE = 64  # texts in a batch


def initialize_student(
    teacher: str | os.PathLike[str] | PreTrainedModel,
    num_layers: int = 4,
    hidden_size: int = 312,
    *,
    intermediate_size: int | None = None,
    num_heads: int | None = None,
    texts: Sequence[str] | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    mapping: Sequence[int | None] | None = None,
    method: str = "closed_form",
    seed: int = 0,
    max_length: int = 128,
    sample_tokens: int = 25_000,
    dropout: float = 0.0,
) -> PreTrainedModel:
    """A small encoder of the teacher's architecture and vocabulary whose first weights come from the teacher.

    Args:
        teacher: a hub name, a directory or a model; of a model with a head the encoder alone is looked at.
        num_layers: Transformer layers.
        hidden_size: width of the hidden states.
        intermediate_size: width of the feed-forward layers; by default the teacher's for its hidden size, the paper's
            1200 for 312, and else four times the hidden size.
        num_heads: attention heads, by default the teacher's number.
        texts: what the closed form looks at; a few hundred texts like those that the student is for serve well.
        tokenizer: of a teacher that is given as a model, unless that knows where it was loaded from.
        mapping: for each student layer the teacher layer that it takes after (from 1; None: one between its
            neighbors'); by default evenly spread.
        method: `closed_form` (linear algebra on the texts), `teacher_layers` (copies, for equal widths) or `random`.
        seed: of random weights and the choice of texts.
        max_length: tokens of a text that are looked at.
        sample_tokens: tokens that are looked at in all.
        dropout: of hidden states and attention while the student trains.

    Returns:
        The student in eval mode, on the teacher's device.

    Raises:
        InputError: the sizes, the method or the texts don't fit.

    Examples:
        >>> texts = [f"A sentence about the number {n}." for n in range(400)]
        >>> student = initialize_student("sentence-transformers/all-MiniLM-L6-v2", 3, 96, texts=texts)
        >>> student.config.num_hidden_layers, student.config.intermediate_size
        (3, 384)
    """
    given = teacher
    if isinstance(teacher, PreTrainedModel):
        teacher = teacher.base_model
    else:
        given = locate(os.fspath(teacher), called="teacher")
        teacher = load_encoder(given, called="teacher")
    usual = {312: 1200, teacher.config.hidden_size: _inner_width(teacher)}  # by hidden size
    config = student_config(
        teacher.config,
        num_layers=num_layers,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size or usual.get(hidden_size, 4 * hidden_size),
        num_heads=num_heads or teacher.config.num_attention_heads,
        dropout=dropout,
    )
    check_start(config, teacher.config, method)
    mapping = [None] * num_layers if mapping is None else mapping
    if len(mapping) != num_layers:
        raise InputError(f"the mapping has {len(mapping)} entries, the student {num_layers} layers")
    batches: list[Batch] = []
    if method == "closed_form":
        if texts is None:
            raise InputError(
                "a student in closed form is solved for on a sample of text",
                "give texts, or take {initialize_student.method}=teacher_layers or random",
            )
        length = min(max_length, longest_input(teacher.config))
        batches = _batches(texts, tokenizer or _tokenizer_of(given), length, sample_tokens, seed, teacher.device)
    student = new_student(config, seed).to(teacher.device).eval()
    for part in first_weights(student, teacher, mapping, batches, method=method, seed=seed):
        warnings.warn(f"left at random in the student: {part}", stacklevel=2)
    return student


def _inner_width(model: PreTrainedModel) -> int:
    return int(getattr(model.config, "intermediate_size", None) or model.config.hidden_dim)  # DistilBERT's word


def _tokenizer_of(teacher: str | PreTrainedModel) -> PreTrainedTokenizerBase:
    name = teacher if isinstance(teacher, str) else teacher.name_or_path
    if not name:
        raise InputError("the teacher doesn't say where its tokenizer is", "give tokenizer")
    return load_tokenizer(name, called="teacher")


def _batches(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    sample_tokens: int,
    seed: int,
    device: torch.device,
) -> list[Batch]:
    """Texts in an order of the seed until there are as many tokens, each [B, L]."""
    batches: list[Batch] = []
    found = 0
    for rows in torch.randperm(len(texts), generator=torch.Generator().manual_seed(seed)).split(_AT_ONCE):
        if found >= sample_tokens:
            break
        some = [texts[row] for row in rows.tolist()]
        encoded = tokenizer(some, truncation=True, max_length=max_length, padding=True, return_tensors="pt").to(device)
        found += int(encoded["attention_mask"].sum())
        batches.append(encoder_inputs(encoded))
    return batches
