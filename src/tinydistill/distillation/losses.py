"""The losses between student and teacher as objects: what an objective is made of.

Shapes: B batch, L length, D_T the teacher's hidden size, C classes.
"""

from typing import Any, Literal

from torch import Tensor, nn
from transformers import PretrainedConfig

from tinydistill.distillation import functional as F
from tinydistill.distillation.mapping import Mapping, pairs
from tinydistill.distillation.teacher_statistics import TeacherStatistics
from tinydistill.errors import InputError
from tinydistill.initialization.linear_algebra import variance
from tinydistill.models.observation import QKV

Needs = Literal["hidden", "attention", "logits"]


class Loss(nn.Module):
    """A term of an objective, computed for every pair of layers that it applies to. Subclass it for a loss of your own.

    A subclass says with `needs` what it compares, and implements `forward`; the rest has defaults. What it sees of
    student and teacher: hidden states [B, L, D_T], the student's projected; QKV; or logits [B, C].

        class HiddenCosine(Loss):
            needs = "hidden"

            def forward(self, student, teacher, mask_BL):
                distance = 1 - torch.cosine_similarity(student, teacher, dim=-1)
                return distance.mean() if mask_BL is None else distance[mask_BL].mean()

    Args:
        weight: of every term in the sum that is trained on; with 0 the loss is neither observed nor computed.
    """

    needs: Needs = "hidden"
    weight: float = 1.0
    name: str | None = None
    """What its terms are called; by default its key in the objective's losses."""

    def __init__(self, weight: float = 1.0):
        super().__init__()
        self.weight = weight

    def pairs(self, mapping: Mapping) -> list[tuple[int, int]]:
        """(student layer, teacher layer) of every term; by default all mapped layers, for logits what follows them."""
        mapped = pairs(mapping)
        return [(len(mapping) + 1, mapped[-1][1] + 1)] if self.needs == "logits" else mapped

    def check(self, student: PretrainedConfig, teacher: PretrainedConfig) -> None:
        """Raise InputError where models of these configurations can't be compared; by default all can."""

    def variance(self, statistics: TeacherStatistics, layer: int) -> float | None:
        """What guessing the teacher's mean costs at a layer; None for what is no squared error and never scaled."""
        return None

    def forward(self, student: Any, teacher: Any, mask_BL: Tensor | None) -> Tensor:
        """A scalar; `mask_BL` is True where a token is valid, None where all are."""
        raise NotImplementedError


class HiddenMSE(Loss):
    """Squared difference of hidden states (eq. 8)."""

    needs: Needs = "hidden"

    def variance(self, statistics: TeacherStatistics, layer: int) -> float | None:
        """Of the teacher's hidden states."""
        return variance(statistics.hidden[layer])

    def forward(self, student: Tensor, teacher: Tensor, mask_BL: Tensor | None) -> Tensor:
        """See `functional.state_mse`."""
        return F.state_mse(student, teacher, mask_BL)


class EmbeddingMSE(HiddenMSE):
    """Squared difference of the embedding layers' outputs (eq. 9)."""

    def pairs(self, mapping: Mapping) -> list[tuple[int, int]]:
        """Layer 0 of both."""
        return [(0, 0)]


class AttentionMSE(Loss):
    """Squared difference of attention scores before the softmax (eq. 7)."""

    needs: Needs = "attention"

    def check(self, student: PretrainedConfig, teacher: PretrainedConfig) -> None:
        """Raise InputError where the numbers of heads differ."""
        heads = student.num_attention_heads, teacher.num_attention_heads
        if heads[0] != heads[1]:
            raise InputError(
                f"the student has {heads[0]} attention heads, the teacher {heads[1]}",
                f"set {{initialize_student.num_heads}}={heads[1]}, or take RelationKL in place of AttentionMSE "
                "({objective:minilmv2}), which needs no equal numbers",
            )

    def variance(self, statistics: TeacherStatistics, layer: int) -> float | None:
        """Of the teacher's scores, around each head's mean."""
        return statistics.attention[layer]

    def forward(self, student: QKV, teacher: QKV, mask_BL: Tensor | None) -> Tensor:
        """See `functional.attention_mse`."""
        return F.attention_mse(student, teacher, mask_BL)


class RelationKL(Loss):
    """Self-attention relations of MiniLMv2, between any numbers of heads.

    Args:
        relation_heads: into how many heads queries, keys and values are split anew.
        weight: of every term.
    """

    needs: Needs = "attention"

    def __init__(self, relation_heads: int = 12, weight: float = 1.0):
        super().__init__(weight)
        self.relation_heads = relation_heads

    def check(self, student: PretrainedConfig, teacher: PretrainedConfig) -> None:
        """Raise InputError where the relation heads don't divide a width."""
        for width in (student.hidden_size, teacher.hidden_size):
            if width % self.relation_heads:
                raise InputError(
                    f"{self.relation_heads} relation heads don't divide a width of {width}",
                    "set {RelationKL.relation_heads} to a number that does",
                )

    def forward(self, student: QKV, teacher: QKV, mask_BL: Tensor | None) -> Tensor:
        """See `functional.relation_kl`."""
        return F.relation_kl(student, teacher, mask_BL, self.relation_heads)


def paper_losses() -> dict[str, Loss]:
    """Those of TinyBERT's Transformer distillation, each with weight 1."""
    return {"embedding": EmbeddingMSE(), "hidden": HiddenMSE(), "attention": AttentionMSE()}
