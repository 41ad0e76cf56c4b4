"""From an image file to its map: what is written, of what, and in which steps. The pixels come from `sliding.py`."""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saticl.cutting.behind import WriteBehind
from saticl.files import write_atomically, write_json
from saticl.geo.cog import Header, class_tags, write_palette_png, writing_cog
from saticl.geo.imagery import ImageReader, Patch, open_image
from saticl.geo.raster import Array, environment
from saticl.geo.remote import is_remote
from saticl.geo.windows import Window
from saticl.inference.classes import Certainty, certainty, class_map
from saticl.inference.parts import KINDS, Parts
from saticl.inference.sliding import Band, Read, Tiling, Windows, blended, symmetric
from saticl.labels import IGNORE

if TYPE_CHECKING:
    from saticl.inference.predictor import Predictor

PICTURES = frozenset({".png", ".jpg", ".jpeg"})
"""Endings of images whose maps become pictures too."""


OF_THE_IMAGE = frozenset({"files", "crs", "transform", "nodata"})
"""What a map depends on and need not say in its tags: the file itself says where it lies."""


@dataclass(frozen=True)
class Wanted:
    """What is made of an image."""

    tiling: Tiling
    confidence: Certainty | None = None
    """How sure the network is, in a second file."""
    probabilities: bool = False
    """The probability of every class, in a third one."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which parts there are; see `parts.KINDS`."""
        further = (("confidence", self.confidence is not None), ("probabilities", self.probabilities))
        return ("classes", *(kind for kind, is_wanted in further if is_wanted))


@dataclass(frozen=True)
class Place:
    """Where the map of an image goes."""

    source: str
    """File or address of the image."""
    dst: Path
    """File of the map."""

    @property
    def facts(self) -> Path:
        """What is known of the map, written last: with it, the map is finished."""
        return self.dst.with_suffix(".json")

    def further(self, kind: str) -> Path:
        """The file of another kind beside the map."""
        return self.dst.with_name(f"{self.dst.stem}_{kind}.tif")

    @property
    def name(self) -> str:
        """The image as it is written down: without what follows a question mark in an address, often a secret."""
        return self.source.partition("?")[0] if is_remote(self.source) else self.source

    @property
    def files(self) -> list[Path]:
        """All files of the map that there may be."""
        drawn = [self.dst.with_suffix(suffix) for suffix in (".gpkg", ".geojson", ".pgw")]
        return [self.dst, self.facts, *(self.further(kind) for kind in KINDS[1:]), *drawn]

    def parts(self, options: Mapping[str, object]) -> Path:
        """Where unfinished rows of a map of these options wait."""
        code = zlib.crc32(json.dumps(options, sort_keys=True).encode())
        return self.dst.with_name(f".{self.dst.stem}.{code:08x}.parts")


def predict_rows(
    predictor: "Predictor",
    reader: ImageReader,
    wanted: Wanted,
    parts: Parts,
    rows: range,
    report: Callable[[int], None],
) -> None:
    """Predict some rows of an image and keep them as parts; `report` hears how many rows are done.

    Raises:
        SaticlError: pixels that cannot be read, a disk that is full.
    """
    tiling = wanted.tiling
    windows = Windows(reader.height, reader.width, tiling.size, tiling.overlap)
    held: dict[str, list[Array]] = {kind: [] for kind in parts.kinds}
    ends = {part.start: part.stop for part in parts.all()}
    first = rows.start
    with predictor.applied() as network, WriteBehind() as disk:
        pictures = blended(
            _reading(reader), symmetric(network, tiling.views), windows, predictor.info.mean, tiling.batch_size, rows
        )
        for band in pictures:
            done = 0
            while done < len(band.invalid):
                row = band.row + done
                take = min(ends[first] - row, len(band.invalid) - done)
                for kind in parts.kinds:
                    held[kind].append(_pixels(kind, _part(band, done, take), wanted, len(predictor.names)))
                done += take
                if row + take == ends[first]:
                    for kind, pieces in held.items():
                        disk.write(*parts.encoded(kind, first, np.concatenate(pieces, axis=1)))
                        pieces.clear()
                    first = ends[first]
            report(done)


def assemble(predictor: "Predictor", place: Place, parts: Parts, made_with: Mapping[str, object]) -> None:
    """Write the files of a map from its parts, which are removed then.

    Raises:
        UnwritableFile: a disk that is full. InvalidRaster: a part that is damaged.
    """
    with environment(), open_image(place.source, predictor.bands) as reader:
        headers = {kind: _header(kind, reader, predictor, made_with) for kind in parts.kinds}
    for path in place.files[2:]:  # those of an earlier map, of another step perhaps
        path.unlink(missing_ok=True)
    write_json(place.facts, {"map": place.dst.name, "made_with": None})  # what is there from now on is unfinished
    counts = np.zeros(256, np.int64)
    for kind in reversed(parts.kinds):  # the map itself comes last
        target = place.dst if kind == "classes" else place.further(kind)
        is_picture = kind == "classes" and target.suffix == ".png"
        raster = parts.folder / "map.tif" if is_picture else target
        with writing_cog(raster, headers[kind]) as strips:
            for part in parts.all():
                pixels = parts.read(kind, part.start)
                strips.put(part.start, pixels)
                if kind == "classes":
                    counts += np.bincount(pixels.ravel(), minlength=256)
        if is_picture:
            write_palette_png(target, raster)
            _write_world_file(target.with_suffix(".pgw"), headers[kind])
    write_json(place.facts, _facts(predictor, place, counts, made_with))
    parts.remove()


def _reading(reader: ImageReader) -> Read:
    """Reads with GDAL's settings for whole scenes, which every thread has for itself."""

    def read(window: Window) -> Patch:
        with environment():
            return reader.read(window)

    return read


def _part(band: Band, first: int, rows: int) -> Band:
    part = slice(first, first + rows)
    return Band(band.row + first, band.probabilities[:, part], band.invalid[part])


def _pixels(kind: str, band: Band, wanted: Wanted, num_classes: int) -> Array:
    """One kind of a band [C, n, W]."""
    if kind == "classes":
        return class_map(band)[None]
    values = np.full((num_classes if kind == "probabilities" else 1, *band.invalid.shape), np.nan, np.float32)
    if len(band.probabilities):
        found = band.probabilities
        if kind == "confidence" and wanted.confidence is not None:
            found = certainty(found, wanted.confidence)[None]
        np.copyto(values, found.cpu().numpy(), where=~band.invalid)
    return values


def _header(kind: str, reader: ImageReader, predictor: "Predictor", made_with: Mapping[str, object]) -> Header:
    names = dict(enumerate(predictor.names))
    tags = {
        f"saticl_{key}": str(value)
        for key, value in made_with.items()
        if value is not None and key not in OF_THE_IMAGE
    }
    plain = Header(reader.height, reader.width, transform=reader.transform, crs=reader.crs, tags=tags)
    if kind == "classes":
        colours = dict(enumerate(predictor.colours))
        return replace(plain, nodata=IGNORE, colours=colours, tags={**class_tags(names), **tags})
    labels = ("confidence",) if kind == "confidence" else predictor.names
    return replace(plain, dtype="float32", count=len(labels), nodata=float("nan"), names=labels)


def _write_world_file(path: Path, header: Header) -> None:
    """The place of a picture, where it has one; it counts from the middle of the first pixel."""
    a, b, c, d, e, f = list(header.transform)[:6]
    if not header.transform.is_identity:
        numbers = (a, d, b, e, c + (a + b) / 2, f + (d + e) / 2)
        write_atomically(path, "".join(f"{number!r}\n" for number in numbers))


def _facts(
    predictor: "Predictor", place: Place, counts: NDArray[np.int64], made_with: Mapping[str, object]
) -> dict[str, object]:
    """What the file beside a map says: what its values mean, how many pixels have them, what it was made with."""
    rows = zip(predictor.names, predictor.colours, counts, strict=False)
    return {
        "map": place.dst.name,
        "source": place.name,
        "classes": [
            {"value": value, "name": name, "colour": colour, "pixels": int(pixels)}
            for value, (name, colour, pixels) in enumerate(rows)
        ],
        "nodata": {"value": IGNORE, "pixels": int(counts[IGNORE])},
        "made_with": dict(made_with),
    }
