"""Colours of output indices in figures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saticl.geo.palette import free_grey
from saticl.labels import Colour

BLACK: Colour = (0, 0, 0)
"""Pixels that are not scored."""


def colour_map(names: Sequence[str], colours: Sequence[Colour]) -> NDArray[np.uint8]:
    """Colours by output index, uint8 [256, 3], for `table[indices]`.

    An index 0 that is called "background" is grey, whatever its colour; 255 and all that is no class is black.
    """
    table = np.full((256, 3), BLACK, dtype=np.uint8)
    table[: len(colours)] = np.asarray(colours, dtype=np.uint8).reshape(-1, 3)
    if names[0] == "background":
        table[0] = free_grey(colours[1:])
    return table
