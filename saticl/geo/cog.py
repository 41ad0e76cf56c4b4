"""Large rasters as cloud optimised GeoTIFFs, written strip by strip: memory depends on the width, not on the height.

Such a file is tiled and has smaller copies of itself (overviews), so viewers and servers read only what they show.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter, MemoryFile
from rasterio.windows import Window

from saticl.errors import InvalidRaster
from saticl.files import assembling, unwritable, write_atomically
from saticl.geo.raster import CACHE_BYTES, Array, cause, opened, quiet
from saticl.labels import Colour

BLOCK = 512
"""Side of a block in pixels; a raster that is no larger has no overviews, nor has one of a pixel more."""


@dataclass(frozen=True)
class Header:
    """What a raster is, apart from its pixels."""

    height: int
    width: int
    dtype: Any = "uint8"
    count: int = 1
    transform: Affine = field(default_factory=Affine.identity)
    """The identity is no georeference."""
    crs: CRS | None = None
    nodata: float | None = None
    colours: Mapping[int, Colour] | None = None
    """Colour of each value, for one band of uint8."""
    names: Sequence[str] = ()
    """Names of the bands."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Whatever else the file should say, as TIFF metadata."""


class Strips:
    """An open file that takes its rows from top to bottom, in strips of any height."""

    def __init__(self, dst: Path, target: DatasetWriter, header: Header) -> None:
        self._dst, self._target, self._header = dst, target, header
        self._held = np.empty((header.count, BLOCK, header.width), header.dtype)
        self.rows = 0
        """How many have been taken."""
        self.checksums: list[int] = []
        """One for each row of blocks that was written."""

    def put(self, row: int, strip: Array) -> None:
        """Take the next rows [C, h, W], the first of which is `row`.

        Raises ValueError for any others, UnwritableFile where the disk does not take them.
        """
        header, height = self._header, strip.shape[1]
        if row != self.rows or strip.shape[::2] != (header.count, header.width) or row + height > header.height:
            raise ValueError(f"{strip.shape} from row {row} on does not follow {self.rows} rows of {self._dst}")
        while strip.shape[1]:
            start = self.rows % BLOCK
            part, strip = strip[:, : BLOCK - start], strip[:, BLOCK - start :]
            end = start + part.shape[1]
            self._held[:, start:end] = part
            self.rows += part.shape[1]
            if end == BLOCK or self.rows == header.height:
                self._write(self._held[:, :end])

    def _write(self, rows: Array) -> None:
        """Write whole blocks one after another, so none is compressed twice, however small GDAL's cache is."""
        self.checksums.append(_checksum(rows))
        height = rows.shape[1]
        for col in range(0, self._header.width, BLOCK):
            block = rows[:, :, col : col + BLOCK]
            with _reaching(self._dst):
                self._target.write(block, window=Window(col, self.rows - height, block.shape[2], height))


def write_cog(dst: Path, rows: Iterable[tuple[int, Array]], header: Header) -> None:
    """Write a raster from its strips, top to bottom: the first row of each, and its pixels [C, h, W].

    `writing_cog` says what is written, and which errors are raised.
    """
    with writing_cog(dst, header) as strips:
        for row, strip in rows:
            strips.put(row, strip)


@contextmanager
def writing_cog(dst: Path, header: Header) -> Iterator[Strips]:
    """What takes the strips of a raster; when the block ends without an error, all of the raster is on the disk.

    DEFLATE in blocks of 512 pixels, and overviews until one is hardly larger than a block. A pixel of an overview has
    the value that is most frequent below it, or their mean where values are fractions. The same pixels give the same
    bytes. What was there before stays until the end, and stays if the block fails.

    Raises UnwritableFile where not all of it reached the disk, ValueError where rows are missing.
    """
    with assembling(dst) as temporary, rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
        plain = temporary.with_name("strips.tif")
        with _reaching(dst):
            target = _created(plain, header)
        strips = Strips(dst, target, header)
        try:
            yield strips
        finally:
            with _reaching(dst):
                target.close()
        if strips.rows != header.height:
            raise ValueError(f"{dst} was given {strips.rows} of its {header.height} rows")
        with _reaching(dst):
            _optimise(plain, temporary, header)
            _verify(temporary, header, strips.checksums)


def class_tags(names: Mapping[int, str]) -> dict[str, str]:
    """Names of classes as tags: GDAL keeps its own list of them in a second file, which is lost when maps are sent."""
    return {f"class_{value}": name for value, name in names.items()}


def write_palette_png(dst: Path, class_map: Path) -> None:
    """Write a class map as a PNG in the colours of its table; pixels without data are transparent.

    Raises InvalidRaster for a map that cannot be read or has no colours, UnwritableFile where the picture did not
    reach the disk.
    """
    with opened(class_map) as source:
        if source.colorinterp != (ColorInterp.palette,):
            raise InvalidRaster(f"{class_map} has no table of colours, which a picture of it needs.")
    # Made in memory, because GDAL says nothing where the disk is full, and without GDAL's own notes (PAM) beside it.
    try:
        settings = {"GDAL_CACHEMAX": CACHE_BYTES, "GDAL_PAM_ENABLED": False}
        with rasterio.Env(**settings), quiet(), MemoryFile(ext=".png") as memory:
            rasterio.shutil.copy(class_map, memory.name, driver="PNG")
            content = bytes(memory.getbuffer())
    except (RasterioError, CPLE_BaseError) as error:
        raise InvalidRaster(f"{class_map} cannot be shown as a picture ({cause(error)}).") from error
    write_atomically(dst, content)


def _created(path: Path, header: Header) -> DatasetWriter:
    """The raster without overviews, in blocks that are filled in any order."""
    profile: dict[str, Any] = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "interleave": "pixel"}
    profile |= {"compress": "ZSTD", "zstd_level": 1, "bigtiff": "IF_SAFER"}
    profile |= {name: getattr(header, name) for name in ("height", "width", "count", "dtype", "crs", "nodata")}
    if header.colours is None:
        # GDAL would call the fourth of four bands transparency.
        profile |= {"photometric": "MINISBLACK", "alpha": "NO"}
    with quiet():
        target = rasterio.open(
            path, "w", driver="GTiff", transform=None if header.transform.is_identity else header.transform, **profile
        )
        if header.colours is not None:
            target.write_colormap(1, dict(header.colours))
        for band, name in enumerate(header.names, start=1):
            target.set_band_description(band, name)
        target.update_tags(**header.tags)
    return target


def _optimise(plain: Path, path: Path, header: Header) -> None:
    is_float = np.dtype(header.dtype).kind == "f"
    rasterio.shutil.copy(
        plain,
        path,
        driver="COG",
        compress="DEFLATE",
        predictor="YES" if is_float else "NO",  # classes are runs of equal values, which differences only make longer
        blocksize=BLOCK,
        bigtiff="IF_SAFER",
        overview_resampling="AVERAGE" if is_float else "MODE",
    )


def _verify(path: Path, header: Header, checksums: Sequence[int]) -> None:
    """Read everything again: where the disk was full, GDAL may have said nothing, and blocks that are lost look empty.

    Raises OSError where pixels are not those that were given, or an overview is not whole.
    """
    with quiet(), rasterio.open(path) as source:
        overviews = len(source.overviews(1))
        if (source.count, source.height, source.width) != (header.count, header.height, header.width):
            raise OSError("its header was lost")
        for index, row in enumerate(range(0, header.height, BLOCK)):
            rows = source.read(window=Window(0, row, header.width, min(BLOCK, header.height - row)))
            if _checksum(rows) != checksums[index]:
                raise OSError("some pixels were lost")
    for level in range(overviews):
        with quiet(), rasterio.open(path, overview_level=level) as source:
            row, col = (source.height - 1) // BLOCK, (source.width - 1) // BLOCK
            source.block_size(1, row, col)
            source.read(window=source.block_window(1, row, col))


def _checksum(rows: Array) -> int:
    return zlib.crc32(rows.tobytes())


@contextmanager
def _reaching(dst: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RasterioError, CPLE_BaseError) as error:
        raise unwritable(dst, cause(error)) from error
