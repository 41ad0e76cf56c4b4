"""Whether an image looks like those that a network was trained on: values and ground resolution."""

from collections.abc import Iterator

import numpy as np

from saticl.geo.ground import ground_size
from saticl.geo.imagery import ImageReader
from saticl.geo.windows import Window
from saticl.runs.drift import far_bands, is_far_in_size
from saticl.runs.step import StepInfo

SAMPLE = 256
"""Side of the windows that are looked at."""


def what_does_not_fit(reader: ImageReader, info: StepInfo) -> Iterator[str]:
    """Sentences about what is far from the training: the maps may be poor.

    Raises:
        InvalidRaster: pixels that cannot be read.
    """
    values = sample(reader)
    if values.shape[1]:
        far = far_bands(info.bands, info.mean, info.std, values.mean(1).tolist(), values.std(1).tolist())
        # One image varies less than many: only bands that are far in their mean, or in all, are worth a word.
        if far and len(far) == len(info.bands):
            yield (
                f"the pixel values of {reader.own.name} are far from those of the training: "
                f"{'; '.join(map(str, far))}. Check bands, units and brightness."
            )
    if reader.transform.is_identity and reader.image.gcps[0]:
        yield (
            f"{reader.own.name} says by control points where it lies, which maps do not keep: warp it first, for "
            "example with gdalwarp."
        )
    if reader.image.count == len(info.bands) and reader.image.colorinterp[-1].name == "alpha":
        yield (f"the last band of {reader.own.name} is marked as transparency, and is read as {info.bands[-1]}.")
    ours, theirs = ground_size(reader.transform, reader.crs), info.ground_size
    if is_far_in_size(ours, theirs):
        yield (
            f"a pixel of {reader.own.name} covers {ours:.3g} m of ground, one of the training {theirs:.3g} m: things "
            "look larger or smaller than the model knows them."
        )


def sample(reader: ImageReader) -> np.ndarray:
    """Pixels with data [C, n] of nine windows that are spread over the image."""
    found = []
    height, width = min(SAMPLE, reader.height), min(SAMPLE, reader.width)
    for top in sorted({(reader.height - height) * part // 2 for part in range(3)}):
        for left in sorted({(reader.width - width) * part // 2 for part in range(3)}):
            patch = reader.read(Window(top, left, height, width))
            pixels = patch.image.reshape(len(patch.image), -1).astype(np.float64)
            found.append(pixels if patch.invalid is None else pixels[:, ~patch.invalid.ravel()])
    return np.concatenate(found, axis=1)
