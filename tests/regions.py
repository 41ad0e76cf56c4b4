"""Small maps for tests of regions and polygons, and what they consist of."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from saticl.geo.regions import find_regions
from tests.strategies import seeds


@st.composite
def maps(draw: st.DrawFn, values: int = 4) -> Any:
    """A small map of up to so many values, the last of which is 255, in speckles or in patches."""
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    scale = draw(st.sampled_from([1, 1, 3]))
    number = draw(st.integers(1, values))
    small = np.random.default_rng(draw(seeds)).integers(0, number, (height, width))
    patches = np.kron(small, np.ones((scale, scale), int))[: height + 1, : width + 1]
    return np.where(patches == values - 1, 255, patches).astype(np.uint8)


def pieces(values: Any) -> Iterator[tuple[int, set[int]]]:
    """Pixels of each region with data, and the values of its neighbours."""
    regions = find_regions(values)
    for number, value in enumerate(regions.values):
        own = np.pad(regions.numbers == number, 1)
        around = np.roll(own, 1, 0) | np.roll(own, -1, 0) | np.roll(own, 1, 1) | np.roll(own, -1, 1)
        touched = values[(around & ~own)[1:-1, 1:-1]]
        if value != 255:
            yield int(own.sum()), set(touched.tolist())
