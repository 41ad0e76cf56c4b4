"""Random views of a training tile, on albumentations: crop, mirror, quarter turns, light, blanked bands.

Which symmetries and which crop suit the images is said by their dataset (`views`). For aerial images, the default, the
recipe is that of MiB-CD (Arnaudo et al., arXiv:2112.03814). Deviation: without its elastic deformation, whose
settings there (α 1, σ 30) move pixels by less than a hundredth of one, and whose affine part makes up border pixels.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from saticl.errors import InvalidOptions
from saticl.transforms.rescale import filling, rescaled_crop
from saticl.views import Views

Bands = NDArray[np.generic]
"""[H, W, C] of uint8, uint16 or float32."""

Bytes = NDArray[np.uint8]

Key = tuple[int, int]
"""Epoch, and place in the epoch's list of tiles."""

COLOUR_BANDS = 3
"""Bands that dropping the other modalities leaves alone."""

AERIAL = Views()

PREFIX = "map-"
"""Keeps the names of further maps apart from albumentations' own targets."""


class _Compose(Protocol):
    py_random: Any

    def __call__(self, **targets: Bands) -> dict[str, Any]: ...

    def set_random_state(self, random_generator: np.random.Generator, py_random: Any) -> None: ...


class Augment:
    """Callable that varies an image and its mask; the same seed and key always give the same view.

    Geometry: with probability 0.8 a square of 50 to 100 % of `size` is enlarged to `size`, else `size` pixels are cut
    out, or, where `views` says so, the image is scaled and cut (`rescale.py`); then those of flips and quarter turns
    that `views` allows. Light: brightness and contrast by up to 10 %, of images of bytes only, since
    other types have no natural range. Bands are blanked with their mean `fill`, which normalises to zero.

    albumentations draws from generators of its own that repeat in every worker and epoch, so each view brings its own.
    They are shared by all transforms: `set_random_seed` would give each the same stream, and both flips the same coin.

    Further maps, announced by name, are cut and turned as the mask is.

    Raises InvalidOptions where there is no band to drop.
    """

    def __init__(
        self,
        size: int,
        seed: int,
        fill: Sequence[float],
        channel_drop: float = 0.0,
        modality_drop: float = 0.0,
        views: Views = AERIAL,
        maps: Sequence[str] = (),
    ) -> None:
        if channel_drop > 0 and len(fill) < 2:
            raise InvalidOptions("--channel-drop would blank the only band: prepare more bands, or leave it at 0.")
        if modality_drop > 0 and len(fill) <= COLOUR_BANDS:
            raise InvalidOptions(
                f"--modality-drop blanks the bands beyond the first {COLOUR_BANDS}, but {len(fill)} are read: prepare "
                "more bands (--channels rgbir, --dsm), raise --in-channels, or leave it at 0."
            )
        self.size, self.views = size, views
        self._seed = seed
        self._fill = tuple(fill)
        self._channel_drop, self._modality_drop = channel_drop, modality_drop
        self._geometry, self._light = _geometry(size, views, maps), _light()

    def __call__(self, image: Bands, mask: Bytes, key: Key, surface: Bands | None = None) -> tuple[Bands, Bytes]:
        """A view [S, S, C] of an image [H, W, C] and its mask [H, W]; a surface model becomes the last band."""
        view, target, _ = self.with_maps(image, mask, key, {}, surface)
        return view, target

    def with_maps(
        self, image: Bands, mask: Bytes, key: Key, maps: Mapping[str, Bands], surface: Bands | None = None
    ) -> tuple[Bands, Bytes, dict[str, Bands]]:
        """As calling, and the same view of further maps [H, W]; they are 0 where the image is not."""
        rng = np.random.default_rng((self._seed, *key))
        draws = self._geometry.py_random
        draws.seed(int(rng.integers(2**63)))
        for compose in (self._light, self._geometry):
            compose.set_random_state(rng, draws)
        if image.dtype == np.uint8:
            image = self._light(image=image)["image"]
        image = with_surface(image, surface)
        if self.views.crop == "scale":
            planes = [mask, *maps.values()]
            image, cut = rescaled_crop(image, planes, self.size, self.views.factors, self._fill, rng)
            mask, maps = cut[0], dict(zip(maps, cut[1:], strict=True))
        view = self._geometry(image=image, mask=mask, **{f"{PREFIX}{name}": plane for name, plane in maps.items()})
        return self._dropped(view["image"], rng), view["mask"], {name: view[f"{PREFIX}{name}"] for name in maps}

    def _dropped(self, image: Bands, rng: np.random.Generator) -> Bands:
        blank: list[int] = []
        if rng.random() < self._channel_drop:
            blank.append(int(rng.integers(len(self._fill))))
        if rng.random() < self._modality_drop:
            blank.extend(range(COLOUR_BANDS, len(self._fill)))
        if not blank:
            return image
        image = image.copy()
        image[..., blank] = filling(self._fill, image.dtype)[blank]
        return image


def with_surface(image: Bands, surface: Bands | None) -> Bands:
    """The image and the surface model [H, W, 1] as one float32 image; the image itself where there is none."""
    return image if surface is None else np.concatenate([image, surface], axis=-1, dtype=np.float32)


def _geometry(size: int, views: Views, maps: Sequence[str]) -> _Compose:
    a = _albumentations()
    crop = a.OneOf(
        [
            a.RandomSizedCrop(min_max_height=((size + 1) // 2, size), size=(size, size), p=0.8),
            a.RandomCrop(size, size, p=0.2),
        ],
        p=1.0,
    )
    flips = {
        "square": [a.HorizontalFlip(p=0.5), a.VerticalFlip(p=0.5), a.RandomRotate90(p=0.5)],
        "mirror": [a.HorizontalFlip(p=0.5)],
        "none": [],
    }
    crops = [crop] if views.crop == "enlarge" else []
    targets = {f"{PREFIX}{name}": "mask" for name in maps}
    geometry: _Compose = a.Compose([*crops, *flips[views.symmetries]], additional_targets=targets)
    return geometry


def _light() -> _Compose:
    a = _albumentations()
    light: _Compose = a.Compose([a.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.5)])
    return light


def _albumentations() -> Any:
    """The library, imported late because it takes a second, and kept from asking the network for updates."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    return albumentations
