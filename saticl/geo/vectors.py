"""Reading of polygons from vector files: those that touch a grid, in its pixels, each with its attribute as text.

GeoPackage, GeoJSON, Shapefile and what else GDAL's vector library reads, curves included.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import pyogrio
import pyogrio.raw
import rasterio.warp
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataSourceError
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.geo.layer import OF_IMAGE, Layer, text
from saticl.geo.place import Place, named
from saticl.geo.shapes import Geometries, in_pixels, valid_parts
from saticl.sentences import some_of

MARGIN = 0.01
"""Share of its sides that is read around a grid: reprojected boxes are not exact."""

Bounds = tuple[float, float, float, float]


class Found(NamedTuple):
    """Polygons that touch a grid, in its pixels: x is the column, y the row."""

    polygons: Geometries
    values: list[str]
    """The attribute of each as text; empty where none was asked for."""
    features: list[int]
    """Which feature each is of, in the order of the file."""
    outside: str
    """A sentence where the layer has polygons but does not reach the grid, else empty."""
    notes: tuple[str, ...]


def read_polygons(layer: Layer, place: Place, of_image: CRS | None, attribute: str | None = None) -> Found:
    """The polygons of a layer that touch a place; `of_image` is the coordinate system of the image as its file has it.

    Raises InvalidRaster for files that cannot be read, layers and attributes that are not there, coordinate systems
    that nobody names, points, lines, and polygons that cannot be repaired; InvalidOptions for a coordinate system
    that does not exist.
    """
    info = _info(layer)
    _check_attribute(layer, info, attribute)
    crs = _crs(layer, info["crs"], place, of_image)
    bounds = _bounds(place, crs, layer)
    extent = _extent(info)
    if extent is None or not _meet(extent, bounds):
        return Found(np.array([], object), [], [], _outside(layer, extent, crs, place), ())
    fids, geometries, values = _read(layer, bounds, attribute, _is_boolean(info, attribute))
    parts = valid_parts(geometries, str(layer), fids)
    parts = in_pixels(parts, str(layer), crs, place, shapely.box(*bounds))
    kept = parts.owners.tolist()
    return Found(parts.polygons, [values[owner] for owner in kept], kept, "", _notes(layer, parts.repaired))


def _info(layer: Layer) -> dict[str, Any]:
    with _readable(layer):
        layers = [str(name) for name in pyogrio.list_layers(layer.path)[:, 0]]
    if layer.name is None and len(layers) != 1:
        raise InvalidRaster(
            f"{layer.path} has {len(layers)} layers ({', '.join(layers)}): choose one with the key `layer`."
        )
    if layer.name is not None and layer.name not in layers:
        raise InvalidRaster(f"{layer.path} has no layer {layer.name!r}: it has {', '.join(layers)}.")
    with _readable(layer):
        info = pyogrio.read_info(layer.path, layer=layer.name, force_feature_count=True, force_total_bounds=True)
    if info["geometry_type"] is None:
        raise InvalidRaster(f"{layer} has a table without geometries: choose another layer or file.")
    return dict(info)


def _extent(info: dict[str, Any]) -> Bounds | None:
    """The box around all polygons, None where there are none: then GeoJSON says infinity, and a Shapefile zeros."""
    extent = info["total_bounds"]
    is_there = extent is not None and info["features"] > 0 and any(extent) and all(map(isfinite, extent))
    return extent if is_there else None


def _check_attribute(layer: Layer, info: dict[str, Any], attribute: str | None) -> None:
    if attribute is not None and attribute not in info["fields"]:
        known = ", ".join(str(name) for name in info["fields"]) or "none"
        raise InvalidRaster(f"{layer} has no attribute {attribute!r}: it has {known}.")


def _crs(layer: Layer, of_file: str | None, place: Place, of_image: CRS | None) -> CRS | None:
    """The coordinate system of a layer that lies where the place does."""
    if layer.crs == OF_IMAGE:
        return of_image  # and not that of the place, on whose grid the image may be read
    name = layer.crs or of_file
    if name is None:
        raise InvalidRaster(
            f"{layer} names no coordinate system: write one beside `file`, such as `crs: EPSG:32633`, or `crs: "
            f"{OF_IMAGE}` if the polygons were drawn in the coordinates of the image."
        )
    if place.crs is None:
        raise InvalidRaster(
            f"{place.name} names no coordinate system, so the polygons of {layer.path} cannot be placed on it: name "
            f"it with --crs, or write `crs: {OF_IMAGE}` beside `file` if both have the same."
        )
    try:
        return CRS.from_user_input(name)
    except (CRSError, ValueError) as error:
        raise InvalidOptions(
            f"The coordinate system {name!r} of {layer.path} is not known: write an EPSG code, such as `crs: "
            "EPSG:32633`, beside `file`."
        ) from error


def _bounds(place: Place, crs: CRS | None, layer: Layer) -> Bounds:
    """The place as a box in another coordinate system, with some margin."""
    box = place.bounds
    if crs != place.crs:
        try:
            box = rasterio.warp.transform_bounds(place.crs, crs, *box)
        except (CRSError, CPLE_BaseError) as error:
            raise InvalidRaster(
                f"{place.name} cannot be moved from {named(place.crs)} to {named(crs)}, the coordinate system of "
                f"{layer.path} ({error}): check both."
            ) from error
    left, bottom, right, top = box
    x, y = MARGIN * (right - left), MARGIN * (top - bottom)
    return left - x, bottom - y, right + x, top + y


def _meet(one: Bounds, other: Bounds) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _outside(layer: Layer, extent: Bounds | None, crs: CRS | None, place: Place) -> str:
    if extent is None:  # there are no polygons
        return ""
    return (
        f"No polygon of {layer.path} lies on {place.name}: the polygons reach {_range(extent)} in {named(crs)}, the "
        f"image {_range(place.bounds)} in {named(place.crs)}. Check the files, or write the coordinate system of the "
        "polygons as `crs` beside `file`."
    )


def _range(bounds: Bounds) -> str:
    return f"from ({bounds[0]:.8g}, {bounds[1]:.8g}) to ({bounds[2]:.8g}, {bounds[3]:.8g})"


def _is_boolean(info: dict[str, Any], attribute: str | None) -> bool:
    subtypes = dict(zip(info["fields"], info["ogr_subtypes"], strict=True))
    return attribute is not None and subtypes[attribute] == "OFSTBoolean"


def _read(
    layer: Layer, bounds: Bounds, attribute: str | None, is_boolean: bool
) -> tuple[NDArray[np.int64], Geometries, list[str]]:
    """Numbers, geometries and values of the features in a box of the layer's coordinate system."""
    columns = [] if attribute is None else [attribute]
    with _readable(layer):
        _, fids, binary, fields = pyogrio.raw.read(
            layer.path, layer=layer.name, columns=columns, bbox=bounds, force_2d=True, return_fids=True
        )
    geometries = shapely.from_wkb(binary, on_invalid="fix")
    lost = shapely.is_missing(geometries) & np.array([content is not None for content in binary], bool)
    if lost.any():
        raise InvalidRaster(f"Feature {fids[lost][0]} of {layer} is not a polygon that can be read: draw it again.")
    values = [""] * len(fids) if attribute is None else [_text(value, is_boolean) for value in fields[0].tolist()]
    return fids, geometries, values


def _text(value: object, is_boolean: bool) -> str:
    # Where one of them is null, all booleans that are read are numbers: 1, 0, and not a number.
    return text(bool(value) if is_boolean and text(value) != "null" else value)


def _notes(layer: Layer, repaired: tuple[int, ...]) -> tuple[str, ...]:
    if not repaired:
        return ()
    names = some_of(map(str, repaired))
    what = "1 polygon was" if len(repaired) == 1 else f"{len(repaired)} polygons were"
    return (f"{what} not valid and {'is' if len(repaired) == 1 else 'are'} repaired ({layer}: feature {names})",)


@contextmanager
def _readable(layer: Layer) -> Iterator[None]:
    """GDAL's errors as ours, and without its warnings, most of which are about metadata."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    except (DataSourceError, RuntimeError) as error:
        cause = " ".join(str(error).split())
        raise InvalidRaster(
            f"{layer.path} cannot be read as polygons ({cause}): give a whole GeoPackage, GeoJSON or Shapefile."
        ) from error
