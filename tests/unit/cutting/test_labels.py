"""What `prepare` writes of labels that are drawn, whoever cuts the scenes, and of one mosaic."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml

from saticl.geo import raster
from saticl.geo.raster import parse_crs, shifted, write
from saticl.labels import IGNORE, UNLABELLED, UNLABELLED_COLOUR
from saticl.tiles.index import read_index
from tests.cutting import digests, prepared
from tests.polygons import PLACE, UTM, box, on_ground, write_polygons
from tests.raw import picture

HEIGHT, WIDTH = 420, 100
MOSAIC = """<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:32633</SRS>
<GeoTransform>400000, 0.5, 0, 5600000, 0, -0.5</GeoTransform>{bands}</VRTDataset>"""
BAND = '<VRTRasterBand dataType="Byte" band="{band}">{sources}</VRTRasterBand>'
SOURCE = """<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>{band}</SourceBand>
<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>
<DstRect xOff="0" yOff="{row}" xSize="{width}" ySize="{height}"/></SimpleSource>"""


def described(tmp_path: Path, images: str) -> str:
    content: dict[str, Any] = {
        "name": "town",
        "images": images,
        "bands": ["red", "green", "blue"],
        "classes": ["building", "road"],
        "polygons": {"file": "labels.gpkg", "attribute": "kind", "area": {"file": "area.gpkg"}},
    }
    path = tmp_path / "town.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def write_raw(root: Path) -> None:
    """One scene in two files of equal height, as a mosaic; a building, a road, and an area without the last rows."""
    pixels, half = picture(HEIGHT, WIDTH), HEIGHT // 2
    for name, row in (("upper", 0), ("lower", half)):
        write(root / f"{name}.tif", pixels[:, row : row + half], shifted(PLACE, row, 0), parse_crs(UTM))
    place = {"width": WIDTH, "height": half}
    bands = [
        BAND.format(
            band=band,
            sources="".join(
                SOURCE.format(name=name, band=band, row=row, **place)
                for name, row in (("upper.tif", 0), ("lower.tif", half))
            ),
        )
        for band in (1, 2, 3)
    ]
    (root / "mosaic.vrt").write_text(MOSAIC.format(width=WIDTH, height=HEIGHT, bands="".join(bands)))
    shapes = [on_ground(box(190.3, 20.2, 40, 30)), on_ground(box(50, 60, 300, 7).buffer(3))]
    write_polygons(root / "labels.gpkg", shapes, ["building", "road"])
    write_polygons(root / "area.gpkg", [on_ground(box(0, 0, 400, WIDTH))])


def test_a_mosaic_with_polygons_is_the_same_whoever_cuts_it(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_raw(raw)
    dataset = described(tmp_path, "{name}.vrt")

    manifest = prepared(raw, tmp_path / "alone", dataset=dataset)
    prepared(raw, tmp_path / "together", dataset=dataset, jobs=2)

    assert digests(tmp_path / "alone") == digests(tmp_path / "together")
    (scene,) = manifest.scenes
    image, mask = np.zeros((3, HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    for tile in read_index(tmp_path / "alone"):
        assert tile.mask is not None
        pixels = raster.read(tmp_path / "alone" / tile.mask)[0]
        image[:, *tile.window.slices] = raster.read(tmp_path / "alone" / tile.image)
        mask[tile.window.slices] = pixels
        assert tile.unlabelled == (pixels == UNLABELLED).sum()
        assert tile.ignored == (pixels == IGNORE).sum()
    np.testing.assert_array_equal(image, picture(HEIGHT, WIDTH))
    assert (scene.unlabelled, scene.ignored) == ((mask == UNLABELLED).sum(), (mask == IGNORE).sum())
    assert scene.ignored == 20 * WIDTH
    assert scene.counts == ((mask == 0).sum(), (mask == 1).sum())
    assert scene.counts[0] == 40 * 30
    with rasterio.open(tmp_path / "alone" / str(read_index(tmp_path / "alone")[0].mask)) as source:
        assert source.colormap(1)[UNLABELLED][:3] == UNLABELLED_COLOUR


def test_the_table_at_the_end_counts_pixels_per_class_and_unlabelled_ones(tmp_path: Path, capsys: Any) -> None:
    write_raw(tmp_path / "raw")

    (scene,) = prepared(tmp_path / "raw", tmp_path / "tiles", dataset=described(tmp_path, "{name}.vrt")).scenes

    shown = capsys.readouterr().out
    for name, pixels in (("building", scene.counts[0]), ("road", scene.counts[1]), ("unlabelled", scene.unlabelled)):
        (line,) = [line for line in shown.splitlines() if f"{name} %" in line]
        assert f"{100 * pixels / (HEIGHT * WIDTH):.2f} ({pixels:,})" in line
