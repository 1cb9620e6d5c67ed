"""Optimization: frozen linear maps on processors by oneDNN, with weights laid out in advance as its products read them.

`nn.Linear` computes the same. `choose(fast=False)` switches this and the other fast paths off for the whole process,
`plain()` for a block. Without a call of `keep_memory` the same is computed with the C library's own settings.
"""

import copy
import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_chosen = {"fast": True}
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of malloc.h


def choose(*, fast: bool) -> None:
    """Lets this process take the fast paths from now on, or torch's own alone."""
    _chosen["fast"] = fast


@contextmanager
def plain() -> Iterator[None]:
    """Switches the fast paths off within a block."""
    before = fast()
    choose(fast=False)
    try:
        yield
    finally:
        choose(fast=before)


def fast() -> bool:
    """Whether the fast paths are taken."""
    return _chosen["fast"]


class PackedLinear(nn.Linear):
    """A linear map that doesn't train, its weights packed for oneDNN.

    It shares the weights of the map that it is made of, which it falls back on for another precision or device.
    """

    def __init__(self, linear: nn.Linear):
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self._packed = (torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach()),)  # hidden from state_dict

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.Linear:
        """A copy is an ordinary linear map: the packed weights belong to this one."""
        plain = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        plain.weight, plain.bias = copy.deepcopy(self.weight, memo), copy.deepcopy(self.bias, memo)
        return plain.train(self.training)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """[…, in] → […, out]."""
        (packed,) = self._packed
        if not fast() or not input.is_cpu or input.dtype != packed.dtype:
            return super().forward(input)
        return torch.ops.mkldnn._linear_pointwise(input, packed, self.bias, "none", [], "")


def packed(module: Any, dtype: torch.dtype = torch.bfloat16) -> Any:
    """A packed linear map for one of this precision on a processor that doesn't train; anything else as it is."""
    if type(module) is not nn.Linear or not fast() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return module
    fits = module.weight.dtype == dtype and module.weight.is_cpu and not module.weight.requires_grad
    return PackedLinear(module) if fits else module


def pack(model: nn.Module, dtype: torch.dtype = torch.bfloat16) -> None:
    """Puts packed linear maps in the places of a model's frozen ones, where the processor gains by it.

    In bf16 nearly all do. In fp32 oneDNN's products are twice as fast as torch's own on AMD's processors, but not the
    same to the last bit.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            setattr(module, name, packed(child, dtype))


def keep_memory() -> None:
    """Lets the C library keep what is freed, until the process ends; does nothing where that isn't glibc.

    The system then needn't clear every page for each step again.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26)):
        mallopt(parameter, value)
