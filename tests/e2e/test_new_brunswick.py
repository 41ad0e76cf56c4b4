"""Polygons in one coordinate system over images in another, as a mapping team has drawn them."""

from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.warp import transform

from saticl.geo import raster
from saticl.labels import UNLABELLED
from saticl.tiles.index import read_index
from saticl.tiles.manifest import Manifest
from tests.e2e.test_extension import done

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "vectors"

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real polygons lie beside the repository, and not here"
)

ORDER = ("Vegetation", "Hydro", "Train", "Road", "Building")
"""What is drawn later lies on top."""

DESCRIPTION = f"""
name: new_brunswick
images: "{{name}}_1m_{{part}}of2.tif"
bands: [red, green, blue]
classes: [{", ".join(ORDER)}]
polygons:
  file: BakerLake_2017_clipped.gpkg
  attribute: Niveau_2
  order: [{", ".join(ORDER)}]
"""


def independent(image: Path) -> np.ndarray:
    """The labels of the middles of all pixels, by asking of each whether it lies in a polygon; no raster library."""
    layer = SHARED / "BakerLake_2017_clipped.gpkg"
    names = list(pyogrio.read_info(layer)["fields"])
    _, _, geometries, fields = pyogrio.raw.read(layer)
    kinds = fields[names.index("Niveau_2")]
    with rasterio.open(image) as source:
        rows, cols = np.mgrid[: source.height, : source.width] + 0.5
        a, b, c, d, e, f = list(source.transform)[:6]
        x, y = transform(source.crs, "EPSG:2953", (a * cols + b * rows + c).ravel(), (d * cols + e * rows + f).ravel())
    labels = np.full(rows.size, UNLABELLED, np.uint8)
    for label, kind in enumerate(ORDER):
        for polygon in shapely.from_wkb(geometries[kinds == kind]):
            labels[shapely.contains_xy(polygon, x, y)] = label
    return labels.reshape(rows.shape)


def test_masks_agree_with_an_independent_rasterisation(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(DESCRIPTION)
    source = ("--src", SHARED, "--dataset", tmp_path / "own.yaml", "--dst", tmp_path / "tiles")

    done("prepare", *source, "--tile-size=512", "--jobs=1")

    tiles = read_index(tmp_path / "tiles")
    assert len(tiles) == 2
    seen = np.zeros(256, np.int64)
    for tile in tiles:
        labels = raster.read(tmp_path / "tiles" / str(tile.mask))[0]
        part = tile.scene[-1]
        expected = independent(SHARED / f"23322E759967N_clipped_1m_{part}of2.tif")
        assert labels.shape == expected.shape
        assert (labels != expected).mean() < 0.001  # middles on a border
        seen += np.bincount(labels.ravel(), minlength=256)
    assert {scene.crs for scene in Manifest.load(tmp_path / "tiles").scenes} == {"EPSG:2036"}
    assert (seen[: len(ORDER)] > 0).sum() >= 3
