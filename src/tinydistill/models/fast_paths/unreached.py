"""Parameters that a loss doesn't reach."""

import torch
from torch import Tensor, nn


def freeze_unreached(module: nn.Module, loss: Tensor) -> list[nn.Parameter]:
    """Freeze the trained parameters that the loss doesn't reach (a pooler, layers above the last mapped one).

    DistributedDataParallel would wait for their gradients. Its own answer, `Trainer(strategy=
    "ddp_find_unused_parameters_true")`, looks for them in every step. Returns what has been frozen.
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    unreached = [p for p, gradient in zip(parameters, gradients, strict=True) if gradient is None]
    for parameter in unreached:
        parameter.requires_grad_(False)
    return unreached
