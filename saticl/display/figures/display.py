"""Raw bands as a picture that a screen can show."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NATURAL = ("red", "green", "blue")
INFRARED = ("nir", "red", "green")


def display_image(raw: NDArray[np.generic], bands: Sequence[str]) -> NDArray[np.uint8]:
    """Raw bands [C, H, W] as uint8 [H, W, 3].

    Red, green and blue where the bands are named so; else near infrared, red and green; else the first three, and the
    first alone, in grey, where there are fewer. Data of other types than uint8 are stretched, each band between its
    2nd and 98th percentile; what is not finite becomes black.
    """
    chosen = raw[_choice(bands, len(raw))]
    if chosen.dtype != np.uint8:
        chosen = np.stack([_stretched(band.astype(np.float64)) for band in chosen])
    return np.ascontiguousarray(np.broadcast_to(chosen.transpose(1, 2, 0), (*raw.shape[1:], 3)).astype(np.uint8))


def _choice(bands: Sequence[str], count: int) -> list[int]:
    """Positions of the bands to show: three, or one."""
    names = [name.lower() for name in bands]
    for wanted in (NATURAL, INFRARED):
        if set(wanted) <= set(names):
            return [names.index(name) for name in wanted]
    return [0, 1, 2] if count >= 3 else [0]


def _stretched(band: NDArray[np.float64]) -> NDArray[np.uint8]:
    finite = np.isfinite(band)
    if not finite.any():
        return np.zeros(band.shape, dtype=np.uint8)
    low, high = np.percentile(band[finite], (2, 98))
    shares = (np.where(finite, band, low) - low) / (high - low if high > low else 1.0)
    stretched: NDArray[np.uint8] = np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
    return stretched
