"""How much is computed: the matrix products in a piece of work, two FLOPs for each multiplication and addition."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tinydistill.models.fast_paths import cpu_kernels


@contextmanager
def counted() -> Iterator[FlopCounterMode]:
    """Count the matrix products within, forward and backward.

    Attention is computed by its definition meanwhile, whatever the model was told: kernels that do it at one stroke
    hide what they do, and those that save memory do some of it twice.
    """
    with cpu_kernels.plain(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter
