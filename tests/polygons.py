"""Small vector files, and scenes whose labels they are."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pyogrio.raw
import shapely
from affine import Affine

pyogrio.set_gdal_config_options({"OGR_SQLITE_SYNCHRONOUS": "OFF"})  # a GeoPackage would wait for the disk at each step

UTM = "EPSG:32633"
LEFT, TOP = 400_000.0, 5_600_000.0
PLACE = Affine(0.5, 0, LEFT, 0, -0.5, TOP)
"""Where the images of these tests lie: half a metre per pixel."""


def on_ground(polygon: Any) -> Any:
    """A geometry in pixels (x is the column, y the row) on the ground of PLACE."""
    return shapely.transform(polygon, lambda xy: np.column_stack([LEFT + 0.5 * xy[:, 0], TOP - 0.5 * xy[:, 1]]))


def box(row: float, col: float, height: float, width: float) -> Any:
    """A rectangle in pixels."""
    return shapely.box(col, row, col + width, row + height)


def write_polygons(
    path: Path,
    polygons: Sequence[Any],
    kinds: Sequence[Any] | None = None,
    *,
    crs: str | None = UTM,
    layer: str | None = None,
    kind: str = "Unknown",
) -> None:
    """A vector file of the suffix's type, with an attribute `kind` where kinds are given; polygons as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    driver = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile"}[path.suffix]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a file without coordinate system is what some tests want
        pyogrio.raw.write(
            path,
            np.array([None if polygon is None else shapely.to_wkb(polygon) for polygon in polygons], object),
            [] if kinds is None else [np.array(kinds)],
            [] if kinds is None else ["kind"],
            driver=driver,
            layer=layer,
            geometry_type=kind,
            crs=crs,
        )
