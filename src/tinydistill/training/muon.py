"""Muon for the weight matrices of Transformer layers, AdamW for all else, as one optimizer."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import AdamW, Optimizer

from tinydistill.errors import InputError


class MuonAdamW(Optimizer):
    """Orthogonalized momentum (Muon, Jordan et al., 2024) for matrices, AdamW for embeddings, biases and LayerNorms.

    Updates of matrices are scaled to the size of AdamW's (Liu et al., arXiv 2502.16982), so that both take the same
    learning rate.

    Args:
        groups: as `parameter_groups` makes them; those marked as tables, and those that don't decay, are AdamW's.
        lr: the learning rate of both.
        weight_decay: of the matrices and embedding tables.
        momentum: Muon's.

    Raises:
        InputError: torch has no Muon.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, weight_decay: float = 0.01, momentum: float = 0.95):
        if not hasattr(torch.optim, "Muon"):
            raise InputError(f"torch {torch.__version__} has no Muon", "install torch 2.9 or later")
        matrices: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for group in groups:
            table = group.get("table", False) or group.get("weight_decay") == 0
            (others if table else matrices).append(group)
        options: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        self._parts: list[Optimizer] = []
        if matrices:
            self._parts.append(torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw", **options))
        if others:
            self._parts.append(AdamW(others, lr=lr, weight_decay=weight_decay, fused=True))
        super().__init__([group for part in self._parts for group in part.param_groups], {"lr": lr})
        self._join()

    def _join(self) -> None:
        """Have the parts' groups and states as this optimizer's own: what a schedule sets, they see."""
        self.param_groups = [group for part in self._parts for group in part.param_groups]
        self.state.clear()
        for part in self._parts:
            self.state.update(part.state)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """One step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Those of both."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Into both."""
        for part, state in zip(self._parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._join()
