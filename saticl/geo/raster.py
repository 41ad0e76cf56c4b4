"""Reading and writing of small rasters: GeoTIFF in one block, compressed without loss, with transform and CRS."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.windows
from affine import Affine
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.io import MemoryFile

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.files import Fingerprint, write_atomically
from saticl.geo.remote import ALONE, HTTP, gdal_name, is_remote, shown
from saticl.geo.windows import Window

Array = NDArray[Any]
"""Pixels of any type."""

CACHE_BYTES = 64 * 2**20
"""GDAL's own block cache; its default is a share of the machine's memory."""


ONE_FILE = {
    # GDAL would list the folder, with its hundreds of tiles, at every opening to look for companions of the file.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": True,
}
"""Settings for reading single tiles: no file beside them counts, and damaged JPEGs are errors, not grey pixels."""


@contextmanager
def opened(path: Path | str) -> Iterator[DatasetReader]:
    """A raster open for reading, from this machine or from an address; raises InvalidRaster where it cannot be opened.

    Rasters without georeference are allowed, so the warning about them is turned off.
    """
    name = gdal_name(str(path))
    try:
        with rasterio.Env(**ALONE) if is_remote(name) else nullcontext(), quiet():
            source = rasterio.open(name)
    except RasterioIOError as error:
        raise _damaged(name, error) from error
    with source:
        yield source


def read_bands(source: DatasetReader, bands: Sequence[int], window: Window, dtype: Any = None) -> Array:
    """Bands (from 1) of a window [C, H, W]; raises InvalidRaster naming the file where its pixels cannot be read."""
    place = rasterio.windows.Window(window.col, window.row, window.width, window.height)
    try:
        return np.asarray(source.read(list(bands), window=place, out_dtype=dtype))
    except RasterioIOError as error:
        raise _damaged(source.name, error) from error


def read_mask(source: DatasetReader, window: Window) -> NDArray[np.bool_]:
    """Where the file's own mask says that it holds data [H, W]; raises InvalidRaster where it cannot be read."""
    place = rasterio.windows.Window(window.col, window.row, window.width, window.height)
    try:
        return np.asarray(source.dataset_mask(window=place) != 0)
    except RasterioIOError as error:
        raise _damaged(source.name, error) from error


CUT_ANEW = "run the same `prepare` command again, which cuts such tiles again"
FETCH_AGAIN = "it is damaged or incomplete, download or copy it again"
ASK_AGAIN = "check the address and the connection, then run the same command again, which continues"


def read(path: Path | str, remedy: str = CUT_ANEW) -> Array:
    """All bands of a whole file [C, H, W], channels last in memory.

    Raises InvalidRaster where it cannot be read, with what then helps: by default what helps for tiles.
    """
    try:
        with rasterio.Env(**ONE_FILE), quiet(), rasterio.open(path) as source:
            pixels = np.empty((source.height, source.width, source.count), source.dtypes[0]).transpose(2, 0, 1)
            source.read(out=pixels)
            return pixels
    except RasterioIOError as error:
        raise InvalidRaster(f"{path} is missing or damaged ({cause(error)}): {remedy}.") from error


def read_valid(path: Path | str, remedy: str = CUT_ANEW) -> NDArray[np.bool_]:
    """Where a tile holds data [H, W]: the mask inside its file, everywhere where it has none.

    Raises InvalidRaster where it cannot be read, as `read` does.
    """
    try:
        with rasterio.Env(**ONE_FILE), quiet(), rasterio.open(path) as source:
            return np.asarray(source.dataset_mask() != 0)
    except RasterioIOError as error:
        raise InvalidRaster(f"{path} is missing or damaged ({cause(error)}): {remedy}.") from error


def write(
    path: Path,
    pixels: Array,
    transform: Affine,
    crs: CRS | None,
    nodata: float | None = None,
    colours: Mapping[int, tuple[int, int, int]] | None = None,
    valid: NDArray[np.bool_] | None = None,
    names: Sequence[str] = (),
) -> Fingerprint:
    """Write [C, H, W] under a temporary name that is then renamed; see `encode` for what is written.

    Returns the size and the checksum of the file. Raises InvalidRaster for what is no raster, UnwritableFile where
    the file did not reach the disk.
    """
    content = encode(str(path), pixels, transform, crs, nodata, colours, valid, names)
    write_atomically(path, content)
    return Fingerprint.of(content)


def encode(
    name: str,
    pixels: Array,
    transform: Affine,
    crs: CRS | None,
    nodata: float | None = None,
    colours: Mapping[int, tuple[int, int, int]] | None = None,
    valid: NDArray[np.bool_] | None = None,
    names: Sequence[str] = (),
) -> bytes:
    """The file of that name that holds [C, H, W] as one block, ZSTD level 1 after a predictor.

    `colours` is a colour table for masks (one band of uint8), so that viewers show them as a map. `valid` [H, W] says
    which pixels hold data; it is kept inside the file, and other pixels become `nodata` where it is given. `names` are
    those of the bands. Raises InvalidRaster for what is no raster.
    """
    if valid is not None and nodata is not None:
        pixels = np.where(valid, pixels, pixels.dtype.type(nodata))
    profile = _profile(pixels, colours is not None) | {
        "transform": None if transform.is_identity else transform,  # identity is no georeference
        "crs": crs,
        "nodata": nodata,
    }
    # Encoded in memory, because GDAL says nothing where the disk is full when it closes a file.
    try:
        # Most tiles hold data everywhere, and settings of their own take longer than all else that is not encoding.
        inside = nullcontext() if valid is None else rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True)
        with inside, quiet(), MemoryFile() as memory:
            with memory.open(**profile) as target:
                if colours is not None:
                    target.write_colormap(1, dict(colours))
                for band, called in enumerate(names, start=1):
                    target.set_band_description(band, called)
                target.write(pixels)
                if valid is not None:
                    target.write_mask(valid)
            return bytes(memory.getbuffer())
    except RasterioIOError as error:
        raise InvalidRaster(f"{name} cannot be written ({cause(error)}).") from error


def _profile(pixels: Array, is_mask: bool) -> dict[str, Any]:
    bands, height, width = pixels.shape
    is_float = pixels.dtype.kind == "f"
    profile = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": bands,
        "dtype": pixels.dtype,
        "interleave": "pixel",
        "compress": "ZSTD",
        "zstd_level": 1,
        # Masks are runs of equal values, which differences only make longer.
        "predictor": 1 if is_mask else 3 if is_float else 2,
        "blockysize": height,
    }
    if not is_mask and (bands != 3 or pixels.dtype != np.uint8):
        # GDAL would call the fourth of four bands transparency, and near infrared is not.
        profile |= {"photometric": "MINISBLACK", "alpha": "NO"}
    return profile


def shifted(transform: Affine, row: int, col: int) -> Affine:
    """The transform of a window that begins at this pixel; none stays none.

    Written out because affine 3 wants `@` for it, and affine 2 only knows `*`.
    """
    if transform.is_identity:
        return transform
    a, b, c, d, e, f = list(transform)[:6]
    return Affine(a, b, c + a * col + b * row, d, e, f + d * col + e * row)


def parse_crs(text: str, flag: str = "--crs") -> CRS:
    """The coordinate system that was named after a flag; raises InvalidOptions for one that does not exist."""
    try:
        return CRS.from_user_input(text)
    except ValueError as error:  # CRSError is one, and not all codes get as far as raising it
        raise InvalidOptions(
            f"The coordinate system {text!r} is not known: write an EPSG code after {flag}, for example EPSG:32633."
        ) from error


def crs_of(text: str | None) -> CRS | None:
    """The coordinate system that a manifest names; None where it names none, or none that exists."""
    try:
        return None if text is None else CRS.from_user_input(text)
    except ValueError:
        return None


@contextmanager
def environment() -> Iterator[None]:
    """GDAL settings for reading whole scenes: bounded cache, servers are not waited for without end.

    Damaged JPEGs are errors instead of grey pixels. Companions of a file are asked for one by one: to find them, GDAL
    would list the folder at every opening, and datasets have folders of twenty thousand photographs.
    """
    settings = {"GDAL_CACHEMAX": CACHE_BYTES, "GDAL_ERROR_ON_LIBJPEG_WARNING": True}
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE", **settings, **HTTP):
        yield


def _damaged(name: str, error: RasterioIOError) -> InvalidRaster:
    remedy = ASK_AGAIN if is_remote(name) else FETCH_AGAIN
    return InvalidRaster(f"{shown(name)} cannot be read as a raster ({cause(error)}): {remedy}.")


def cause(error: Exception) -> str:
    """GDAL's own words for an error."""
    return shown(" ".join(str(error.__cause__ or error).split()))


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warning that a raster lies nowhere on the ground, which is allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield
