"""Which losses apply to which pairs of layers, and the projections from the student's width to the teacher's."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tinydistill.distillation import losses, mapping
from tinydistill.distillation.teacher_statistics import TeacherStatistics, variance
from tinydistill.models.observation import Observation

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """The weight of each loss; 0 switches it off, and what it alone needs is neither observed nor computed."""

    embedding: float = 1.0
    hidden: float = 1.0
    attention: float = 1.0
    relation: float = 0.0


class Objective(nn.Module):
    """The layered loss of TinyBERT (eq. 11 without the prediction layer) between two observations.

    A term is named by its loss and student layer: `embedding/0`, `hidden/2`, `attention/2`, `relation/2`. Its raw value
    is the paper's; with `scale="teacher_variance"` it enters the sum divided by the teacher's own variance at that
    layer, so that every layer counts by the share of its variance that is still unexplained.
    """

    def __init__(
        self,
        layer_mapping: mapping.Mapping,
        weights: Weights,
        *,
        student_width: int,
        teacher_width: int,
        projection: str = "per_layer",
        scale: str = "raw",
        relation_heads: int = 12,
    ):
        super().__init__()
        if scale not in ("raw", "teacher_variance"):
            raise ValueError(f"unknown scale {scale!r}")
        self.pairs = mapping.pairs(layer_mapping)
        self.weights = weights
        self.scale = scale
        self.relation_heads = relation_heads
        self.states: list[tuple[str, int, int]] = []  # (loss, student layer, teacher layer)
        if weights.embedding:
            self.states.append(("embedding", 0, 0))
        if weights.hidden:
            self.states += [("hidden", m, n) for m, n in self.pairs]
        self.scores = [
            (name, m, n) for name in ("attention", "relation") if getattr(weights, name) for m, n in self.pairs
        ]
        if not self.states and not self.scores:
            raise ValueError("every loss has weight 0")
        self.projections = _projections(projection, [m for _, m, _ in self.states], student_width, teacher_width)
        self.register_buffer("variances", torch.ones(len(self.states) + len(self.scores)))
        self.variances: Tensor

    @property
    def names(self) -> list[str]:
        """The terms in the order of `variances`."""
        return [f"{name}/{m}" for name, m, _ in self.states + self.scores]

    def layers(self, side: int) -> tuple[list[int], list[int]]:
        """Layers whose (hidden states, attention) are needed: of the student for side 0, of the teacher for side 1."""
        states, scores = ([(m, n)[side] for _, m, n in rows] for rows in (self.states, self.scores))
        return states, scores

    def measure_against(self, teacher: TeacherStatistics) -> None:
        """Sets the variances that terms are compared with; terms that are no squared error keep 1."""
        for i, (name, _, n) in enumerate(self.states + self.scores):
            if name == "attention":
                self.variances[i] = teacher.attention[n]
            elif name != "relation":
                self.variances[i] = variance(teacher.hidden[n])

    def forward(self, student: Observation, teacher: Observation, mask_BL: Tensor | None) -> Terms:
        """The raw terms, scalars in fp32."""
        terms: Terms = {}
        for name, m, n in self.states:
            projected = self.project(m, student.hidden[m])
            terms[f"{name}/{m}"] = losses.state_mse(projected, teacher.hidden[n], mask_BL)
        for name, m, n in self.scores:
            seen = (student.attention[m], teacher.attention[n], mask_BL)
            if name == "attention":
                terms[f"{name}/{m}"] = losses.attention_mse(*seen)
            else:
                terms[f"{name}/{m}"] = losses.relation_kl(*seen, heads=self.relation_heads)
        return terms

    def project(self, layer: int, states_BLD: Tensor) -> Tensor:
        """Student states of one layer at the teacher's width."""
        return states_BLD if self.projections is None else self._projection(layer)(states_BLD)

    @torch.no_grad()
    def set_projection(self, layer: int, weight: Tensor, bias: Tensor) -> None:
        """Gives one student layer's projection (or the shared one) a weight [d_T, d_S] and a bias [d_T]."""
        linear = self._projection(layer)
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)

    def _projection(self, layer: int) -> nn.Linear:
        assert self.projections is not None
        linear = self.projections[str(layer) if str(layer) in self.projections else "shared"]
        assert isinstance(linear, nn.Linear)
        return linear

    def unexplained(self, terms: Terms) -> Terms:
        """Each squared-error term over the teacher's variance: 1 is guessing the mean, 0 a perfect copy."""
        scaled = {name: terms[name] / variance for name, variance in zip(self.names, self.variances, strict=True)}
        return {name: value for name, value in scaled.items() if not name.startswith("relation")}

    def total(self, terms: Terms) -> Tensor:
        """The weighted sum that is trained on."""
        scales = self.variances if self.scale == "teacher_variance" else torch.ones_like(self.variances)
        weights = [getattr(self.weights, name.split("/")[0]) for name in self.names]
        return torch.stack([w * terms[n] / s for n, w, s in zip(self.names, weights, scales, strict=True)]).sum()


def _projections(kind: str, layers: Iterable[int], student_width: int, teacher_width: int) -> nn.ModuleDict | None:
    if kind == "per_layer":
        return nn.ModuleDict({str(m): nn.Linear(student_width, teacher_width) for m in layers})
    if kind == "shared":
        return nn.ModuleDict({"shared": nn.Linear(student_width, teacher_width)})
    if kind != "none":
        raise ValueError(f"unknown projection {kind!r}")
    if student_width != teacher_width:
        raise ValueError(
            f"without a projection the widths must agree: student {student_width}, teacher {teacher_width}"
        )
    return None
