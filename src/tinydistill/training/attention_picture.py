"""Where teacher and student look, as a picture: a pair of attention maps for every mapped layer.

B batch, H heads, L length, d head size.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tinydistill.distillation.observation import QKV

_SIZE = 256  # pixels of a map
_GAP = 8
_COLOURS = np.array([[255, 255, 255], [158, 202, 225], [49, 130, 189], [8, 48, 107]], np.float32)  # of 0 to 1


def attention_picture(
    student: dict[int, QKV], teacher: dict[int, QKV], pairs: list[tuple[int, int]]
) -> NDArray[np.uint8]:
    """The first row's attention probabilities, means over heads [height, width, 3].

    A column a mapped pair (student layer, teacher layer), the teacher above, the student below.
    """
    columns = []
    for m, n in pairs:
        maps = [_coloured(_probabilities(seen)) for seen in (teacher[n], student[m])]
        columns.append(np.concatenate([maps[0], np.full((_GAP, _SIZE, 3), 128, np.uint8), maps[1]]))
        columns.append(np.full((2 * _SIZE + _GAP, _GAP, 3), 128, np.uint8))
    return np.concatenate(columns[:-1], axis=1)


def _probabilities(seen: QKV) -> Tensor:
    query, key = seen.query[0].float(), seen.key[0].float()
    scores_HLL = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if seen.window is not None:
        place = torch.arange(scores_HLL.shape[-1], device=scores_HLL.device)
        scores_HLL = scores_HLL.masked_fill((place[:, None] - place).abs() > seen.window, -torch.inf)
    return scores_HLL.softmax(-1).mean(0).cpu()


def _coloured(map_LL: Tensor) -> NDArray[np.uint8]:
    """By the square root of the share, as most shares are small."""
    share = (map_LL / map_LL.max()).sqrt().numpy()
    place = np.arange(_SIZE) * len(share) // _SIZE
    scaled = share[place][:, place] * (len(_COLOURS) - 1)
    colours = [np.interp(scaled, range(len(_COLOURS)), _COLOURS[:, channel]) for channel in range(3)]
    return np.stack(colours, -1).astype(np.uint8)
