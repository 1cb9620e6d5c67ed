"""How fast an encoder answers a task's rows here."""

import torch
from transformers import PreTrainedModel

from tinydistill.benchmarking.forward import measure_forward
from tinydistill.benchmarking.piece import MEDIAN, Piece
from tinydistill.config.build.bench import Bench
from tinydistill.distillation.teacher_logits import compute_logits
from tinydistill.kinds import kind_of
from tinydistill.models.heads import add_head


def seconds_a_token(bench: Bench, encoder: PreTrainedModel, device: torch.device) -> float:
    """Of an encoder's logits of the task's training rows, as they are computed of a teacher, on a device."""
    rows = bench.rows(bench.config.prediction)
    kind = kind_of(bench.task.target)
    model = add_head(encoder, bench.head, seed=bench.config.seed)
    model = model.to(device=device, dtype=encoder.dtype)
    answers = measure_forward(
        "answers",
        lambda batches: compute_logits(model, kind, batches, len(rows.train), shown=False),
        rows.train_dataloader(),
        seconds=bench.seconds,
    )
    return 1 / speed(answers)


def speed(piece: Piece) -> float:
    """Tokens a second."""
    return float(piece.more[MEDIAN])
