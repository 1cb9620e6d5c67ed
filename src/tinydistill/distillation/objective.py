"""Which losses apply to which pairs of layers, and the projections from the student's width to the teacher's."""

import math
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from tinydistill.distillation import mapping as mappings
from tinydistill.distillation.losses import Loss, Needs, paper_losses
from tinydistill.distillation.teacher_statistics import TeacherStatistics
from tinydistill.errors import InputError
from tinydistill.models.observation import Observation

Terms = dict[str, Tensor]

SCALES = ("teacher_variance", "raw")
PROJECTIONS = ("per_layer", "shared", "none")


class Term(NamedTuple):
    """A loss at one pair of layers."""

    loss: str
    student_layer: int
    teacher_layer: int

    @property
    def layers(self) -> tuple[int, int]:
        """The student's and the teacher's."""
        return self.student_layer, self.teacher_layer

    @property
    def name(self) -> str:
        """LOSS/STUDENT_LAYER."""
        return f"{self.loss}/{self.student_layer}"


class Objective(nn.Module):
    """The layered loss of TinyBERT (eq. 11 without the prediction layer) between two observations.

    A term is named by its loss and student layer: `embedding/0`, `hidden/2`, `attention/2`. Its raw value is the
    paper's; with `scale="teacher_variance"` it enters the sum divided by the teacher's own variance at that layer, so
    that every layer counts by the share of its variance that is still unexplained.

    A term that a subclass's `forward` returns beside these counts with weight 1.

    Args:
        mapping: the teacher layer of every student layer, as the rules of `tinydistill.distillation.mapping` give it.
        losses: by name; None for the paper's. A loss that is None or has weight 0 is left out.
        scale: teacher_variance or raw.
        projection: per_layer, shared or none: how the student's hidden states reach the teacher's width.
    """

    def __init__(
        self,
        mapping: Sequence[int | None],
        losses: Dictionary[str, Loss | None] | None = None,
        *,
        scale: str = "teacher_variance",
        projection: str = "per_layer",
    ):
        super().__init__()
        for argument, value, known in (("scale", scale, SCALES), ("projection", projection, PROJECTIONS)):
            if value not in known:
                raise InputError(
                    f"unknown {argument} {value!r}", f"set {{Objective.{argument}}} to {' or '.join(known)}"
                )
        self.mapping = tuple(mapping)
        self.scale, self.projection = scale, projection
        given = paper_losses() if losses is None else losses
        active = {loss.name or key: loss for key, loss in given.items() if loss is not None and loss.weight}
        if not active:
            raise InputError("every loss has weight 0", "give one of {Objective.losses} a weight")
        self.losses = nn.ModuleDict(active)
        self.terms = [Term(name, m, n) for name, loss in active.items() for m, n in loss.pairs(self.mapping)]
        self.projections: nn.ModuleDict | None = None
        self._widths: tuple[int, int] | None = None
        self.variances: list[float] | None = None  # no buffer: weight averaging would average it

    def loss(self, name: str) -> Loss:
        """The loss of that name."""
        loss = self.losses[name]
        assert isinstance(loss, Loss)
        return loss

    def of(self, *needs: Needs) -> list[Term]:
        """The terms whose losses need one of these."""
        return [term for term in self.terms if self.loss(term.loss).needs in needs]

    def layers(self, side: int) -> tuple[list[int], list[int]]:
        """Layers whose (hidden states, attention) are needed: of the student for side 0, of the teacher for side 1."""
        hidden, attention = self.of("hidden"), self.of("attention")
        return [term.layers[side] for term in hidden], [term.layers[side] for term in attention]

    def bind(self, student: PretrainedConfig, teacher: PretrainedConfig) -> "Objective":
        """Make the projections between models of these configurations; a second time with the same sizes does nothing.

        Raises:
            InputError: mapping, heads or widths don't fit the models.
        """
        widths = student.hidden_size, teacher.hidden_size
        if self._widths is not None:
            if self._widths != widths:
                raise InputError(f"the objective has projected {self._widths[0]} to {self._widths[1]}, not {widths}")
            return self
        mappings.check(self.mapping, student.num_hidden_layers, teacher.num_hidden_layers)
        for name in self.losses:
            self.loss(name).check(student, teacher)
        projected = dict.fromkeys(term.student_layer for term in self.of("hidden"))
        if self.projection == "none" and projected and widths[0] != widths[1]:
            raise InputError(
                f"without a projection the widths must agree: student {widths[0]}, teacher {widths[1]}",
                "set {Objective.projection} to per_layer",
            )
        self._widths = widths
        if self.projection == "per_layer":
            self.projections = nn.ModuleDict({str(m): nn.Linear(*widths) for m in projected})
        elif self.projection == "shared":
            self.projections = nn.ModuleDict({"shared": nn.Linear(*widths)})
        return self

    def measure_against(self, statistics: TeacherStatistics) -> None:
        """Set the variances that terms are compared with; terms that are no squared error get 1.

        Raises InputError where the teacher doesn't vary at a layer, and terms are scaled by how much it does.
        """
        measured = [self.loss(term.loss).variance(statistics, term.teacher_layer) for term in self.terms]
        self.variances = [1.0 if variance is None else variance for variance in measured]
        for term, variance in zip(self.terms, self.variances, strict=True):
            if not 0 < variance < math.inf and self.scale != "raw":
                raise InputError(
                    f"the teacher's variance for {term.loss} at its layer {term.teacher_layer} is {variance:g}: no "
                    "error can be measured by it",
                    "take {Objective.scale}=raw",
                )

    def get_extra_state(self) -> list[float] | None:
        """Put the variances into checkpoints."""
        return self.variances

    def set_extra_state(self, state: list[float] | None) -> None:
        """Take the variances from a checkpoint that has them."""
        self.variances = state or self.variances

    def forward(self, student: Observation, teacher: Observation, mask_BL: Tensor | None) -> Terms:
        """The raw terms, scalars in fp32."""
        terms: Terms = {}
        for term in self.terms:
            _, m, n = term
            loss = self.loss(term.loss)
            if loss.needs == "hidden":
                terms[term.name] = loss(self.project(m, student.hidden[m]), teacher.hidden[n], mask_BL)
            elif loss.needs == "attention":
                terms[term.name] = loss(student.attention[m], teacher.attention[n], mask_BL)
            elif student.logits is None or teacher.logits is None:
                raise InputError(f"{term.loss} compares logits: student and teacher need heads")
            else:
                terms[term.name] = loss(student.logits, teacher.logits, mask_BL)
        return terms

    def project(self, layer: int, states_BLD: Tensor) -> Tensor:
        """Student states of one layer at the teacher's width."""
        if self.projection == "none":
            return states_BLD
        projected: Tensor = self._projection(layer)(states_BLD)
        return projected

    @torch.no_grad()
    def set_projection(self, layer: int, weight: Tensor, bias: Tensor) -> None:
        """Give one student layer's projection (or the shared one) a weight [d_T, d_S] and a bias [d_T]."""
        linear = self._projection(layer)
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)

    def _projection(self, layer: int) -> nn.Linear:
        if self.projections is None:
            raise RuntimeError("an objective knows the models' widths after bind(student.config, teacher.config)")
        linear = self.projections[str(layer) if str(layer) in self.projections else "shared"]
        assert isinstance(linear, nn.Linear)
        return linear

    def unexplained(self, terms: Terms) -> Terms:
        """Each squared error over the teacher's variance: 1 is guessing the mean, 0 a perfect copy."""
        squared = {name for name in self.losses if type(self.loss(name)).variance is not Loss.variance}
        known = [term for term in zip(self.terms, self.variances or (), strict=False) if term[0].loss in squared]
        return {term.name: terms[term.name] / variance for term, variance in known if variance > 0}

    def total(self, terms: Terms) -> Tensor:
        """The weighted sum that is trained on."""
        scales = [1.0] * len(self.terms) if self.scale == "raw" else self.variances
        if scales is None:
            raise RuntimeError("the teacher's variances aren't known: call measure_against, or scale by raw")
        known = {term.name: self.loss(term.loss).weight for term in self.terms}
        weighted = [known[name] * terms[name] / scale for name, scale in zip(known, scales, strict=True)]
        return torch.stack([*weighted, *(value for name, value in terms.items() if name not in known)]).sum()
