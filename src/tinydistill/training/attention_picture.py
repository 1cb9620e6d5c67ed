"""Where teacher and student look, as a picture: a pair of attention maps for every mapped layer.

L: length.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tinydistill.models.observation import QKV, attention_probabilities

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
        maps = [_coloured(attention_probabilities(seen).mean(0).cpu()) for seen in (teacher[n], student[m])]
        columns.append(np.concatenate([maps[0], np.full((_GAP, _SIZE, 3), 128, np.uint8), maps[1]]))
        columns.append(np.full((2 * _SIZE + _GAP, _GAP, 3), 128, np.uint8))
    return np.concatenate(columns[:-1], axis=1)


def _coloured(map_LL: Tensor) -> NDArray[np.uint8]:
    """By the square root of the share, as most shares are small."""
    share = (map_LL / map_LL.max()).sqrt().numpy()
    place = np.arange(_SIZE) * len(share) // _SIZE
    scaled = share[place][:, place] * (len(_COLOURS) - 1)
    colours = [np.interp(scaled, range(len(_COLOURS)), _COLOURS[:, channel]) for channel in range(3)]
    return np.stack(colours, -1).astype(np.uint8)
