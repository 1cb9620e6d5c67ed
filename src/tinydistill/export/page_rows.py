"""The rows that a page shows, with what the student in int8 and its teacher answer to them.

N: rows, C: outputs of the prediction layer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from tinydistill.console import Meter
from tinydistill.data.tasks.examples import Split
from tinydistill.data.text.token_ids import prepare_tokenizer
from tinydistill.kinds import TaskKind
from tinydistill.kinds.base import Logits
from tinydistill.models.observation import accepted_inputs, tokenizer_outputs
from tinydistill.models.source import Source

_DIGITS = 5  # of a probability


@dataclass(frozen=True)
class Answered:
    """Rows, and what was answered to them: probabilities [N, C], or numbers [N, 1]; None without a teacher."""

    kind: TaskKind
    rows: Split
    student: NDArray[np.float32]
    teacher: NDArray[np.float32] | None

    def as_json(self) -> Iterator[dict[str, Any]]:
        """One entry a row: its texts, its label as text, and the answers."""
        known = None if self.rows.labels is None else self.kind.shown(self.rows.labels, self.rows)
        for number in range(len(self.rows)):
            yield {
                "texts": [self.rows.texts[number], *([] if self.rows.pairs is None else [self.rows.pairs[number]])],
                "label": None if known is None else _text(known[number]),
                "teacher": None if self.teacher is None else _rounded(self.teacher[number]),
                "student": _rounded(self.student[number]),
            }

    @property
    def agreement(self) -> str:
        """How far student and teacher answer alike, in a sentence."""
        rows = len(self.rows)
        if self.teacher is None:
            return f"Its answers to {rows} rows, as ONNX Runtime gave them. There is no teacher to compare with."
        if self.kind.target.regression:
            correlation = np.corrcoef(self.student[:, 0], self.teacher[:, 0])[0, 1] if rows > 1 else np.nan
            how = f"correlate {correlation:.3f}" if np.isfinite(correlation) else "can't be compared"
            return f"The student's and its teacher's numbers for these {rows} rows {how}."
        equal = int((self.student.argmax(-1) == self.teacher.argmax(-1)).sum())
        return f"The student answers as its teacher on {equal} of these {rows} rows ({equal / rows:.1%})."


def spread(split: Split, most: int) -> Split:
    """At most so many rows of a split, evenly spread over it."""
    if len(split) <= most:
        return split
    return split.take(np.linspace(0, len(split) - 1, most).round().astype(np.int64))


def answer(
    kind: TaskKind,
    rows: Split,
    tokenizer: PreTrainedTokenizerBase,
    file: Path,
    teacher: Source | None,
    *,
    max_length: int,
) -> Answered:
    """Ask the model in an ONNX file and its teacher in PyTorch, each row by itself, as a browser does."""
    from tinydistill.export.onnx_session import OnnxModel

    def ask(
        who: str, asked: PreTrainedTokenizerBase, inputs: Sequence[str], model: Callable[[Mapping[str, Any]], Logits]
    ) -> Logits:
        said = [np.zeros((0, kind.target.outputs), np.float32)]
        encoder = shipped(asked)
        encoder.enable_truncation(max_length)
        with Meter(f"the {who}'s answers for the page", "row", len(rows)) as meter:
            for number in range(len(rows)):
                row = encoder.encode(rows.texts[number], None if rows.pairs is None else rows.pairs[number])
                fields = {"input_ids": row.ids, "attention_mask": row.attention_mask, "token_type_ids": row.type_ids}
                said.append(model({name: np.array([fields[name]]) for name in inputs}))
                meter.update(1)
        logits = np.concatenate(said)
        return logits if kind.target.regression else torch.as_tensor(logits).softmax(-1).numpy()

    student = ask("student", tokenizer, tokenizer_outputs(tokenizer), OnnxModel(file, threads=1))
    theirs = None
    if teacher is not None and len(rows):
        model = teacher.with_head(kind.head).eval()

        def computed(row: Mapping[str, Any]) -> Logits:
            with torch.inference_mode():
                output = model(**{name: torch.as_tensor(values) for name, values in row.items()})
                logits: Logits = kind.logits(output).float().numpy()
            return logits

        theirs = ask("teacher", teacher.tokenizer, accepted_inputs(model, teacher.tokenizer), computed)
    return Answered(kind, rows, student, theirs)


def shipped(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """The tokenizer as its file says, which neither cuts nor pads; "[SEP]" in a text is a special token to it."""
    encoder, *_ = prepare_tokenizer(tokenizer)
    encoder.encode_special_tokens = False
    return encoder


def layout(tokenizer: PreTrainedTokenizerBase, *, pair: bool) -> list[dict[str, Any]]:
    """The order of a row's special tokens ({ids, types}) and texts ({text: 0 or 1, type}), as the tokenizer has it."""
    row = shipped(tokenizer).encode("a", "a" if pair else None)
    parts: list[dict[str, Any]] = []
    for token, type_id, text in zip(row.ids, row.type_ids, row.sequence_ids, strict=True):
        last = parts[-1] if parts else {}
        if text is None and "ids" in last:
            last["ids"].append(token)
            last["types"].append(type_id)
        elif text is None:
            parts.append({"ids": [token], "types": [type_id]})
        elif last.get("text") != text:
            parts.append({"text": text, "type": type_id})
    return parts


def _text(label: Any) -> str:
    return label if isinstance(label, str) else f"{label:g}"


def _rounded(answer: NDArray[np.float32]) -> list[float]:
    return [round(float(value), _DIGITS) for value in answer]
