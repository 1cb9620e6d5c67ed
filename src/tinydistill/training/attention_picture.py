"""Attention maps of student and teacher as one picture, for dashboards.

Shapes: H heads, L tokens.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_SIZE = 256  # pixels of a map
_GAP = 8


def attention_picture(maps: Sequence[tuple[Tensor, Tensor]]) -> NDArray[np.uint8]:
    """Means over heads of attention probabilities [height, width, 3].

    A column a pair (student's [H, L, L], teacher's [H, L, L]), the teacher above, the student below.
    """
    columns = []
    for student, teacher in maps:
        between = np.full((_GAP, _SIZE, 3), 128, np.uint8)
        columns.append(np.concatenate([_colored(teacher), between, _colored(student)]))
        columns.append(np.full((2 * _SIZE + _GAP, _GAP, 3), 128, np.uint8))
    return np.concatenate(columns[:-1], axis=1)


def _colored(map_HLL: Tensor) -> NDArray[np.uint8]:
    """By the square root of the share, as most shares are small."""
    from matplotlib import colormaps

    map_LL = map_HLL.mean(0).cpu()
    share = (map_LL / map_LL.max()).sqrt().numpy()
    place = np.arange(_SIZE) * len(share) // _SIZE
    colored: NDArray[np.uint8] = colormaps["Blues"](share[place][:, place], bytes=True)[..., :3]
    return colored
