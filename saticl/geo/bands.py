"""The files of one image, each with some of its bands."""

from collections.abc import Sequence

import numpy as np
from rasterio import DatasetReader
from rasterio.enums import ColorInterp

from saticl.errors import InvalidRaster


def names_of(files: Sequence[DatasetReader], bands: tuple[str, ...]) -> tuple[str, ...]:
    """What the files call their bands, or what the dataset does."""
    given = [name for file, number in shares(files, bands) for name in file.descriptions[:number]]
    return tuple(name or band for name, band in zip(given, bands, strict=True))


def shares(files: Sequence[DatasetReader], bands: tuple[str, ...]) -> list[tuple[DatasetReader, int]]:
    """Each file of an image, with the number of its bands: the first has those that the others do not have."""
    others = [(file, file.count - (file.colorinterp[-1] == ColorInterp.alpha)) for file in files[1:]]
    return [(files[0], len(bands) - sum(number for _, number in others)), *others]


def check_bands(image: DatasetReader, more: Sequence[DatasetReader], bands: tuple[str, ...]) -> None:
    """Raise InvalidRaster for files that do not hold these bands together, or do not belong to one image."""
    for file in (image, *more):
        if any(np.dtype(dtype).kind == "c" for dtype in file.dtypes):
            raise InvalidRaster(f"{file.name} holds complex numbers ({file.dtypes[0]}): convert it to real ones.")
        if (file.height, file.width, file.dtypes[0]) != (image.height, image.width, image.dtypes[0]):
            raise InvalidRaster(
                f"{file.name} has {file.width} x {file.height} pixels of type {file.dtypes[0]}, but {image.name}, "
                f"a part of the same image, {image.width} x {image.height} of type {image.dtypes[0]}: check both."
            )
    wanted = shares((image, *more), bands)[0][1]
    has_alpha = image.count == wanted + 1 and image.colorinterp[-1] == ColorInterp.alpha
    if image.count != wanted and not has_alpha:
        found, files = image.count + len(bands) - wanted, " and ".join(file.name for file in (image, *more))
        have = "have" if more else "has"
        raise InvalidRaster(f"{files} {have} {found} bands, but {len(bands)} are expected ({', '.join(bands)}).")
