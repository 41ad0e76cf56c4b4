"""Source files that were edited are noticed by size and time, and their scenes are cut again."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from saticl.commands.prepare import prepare
from saticl.cutting.blocks import ROWS_PER_BLOCK
from saticl.errors import InvalidRaster
from saticl.geo.raster import parse_crs, write
from saticl.tiles.manifest import MANIFEST
from tests.cutting import config, digests, prepared, times
from tests.polygons import PLACE, UTM, box, on_ground, write_polygons
from tests.raw import HERE, picture, potsdam_scene

HEIGHT = 8 + 24 * 2 * ROWS_PER_BLOCK
"""Two blocks of tiles of 32 pixels that share 8."""

WORDS = "have changed since tiles were cut"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    potsdam_scene(tmp_path / "raw", 2, 10, height=HEIGHT, width=60)
    potsdam_scene(tmp_path / "raw", 4, 12, height=40, width=60)
    return tmp_path / "raw"


def town(tmp_path: Path, suffix: str = ".gpkg", file: str = "{name}") -> str:
    """A description of two scenes with polygons, whose files it writes."""
    root = tmp_path / "raw"
    for name in ("a", "b"):
        write(root / f"{name}.tif", picture(40, 40), PLACE, parse_crs(UTM))
        draw(root / f"{name}{suffix}", 5)
    polygons = {"file": f"{file}{suffix}", "attribute": "kind"}
    content = {"images": "{name}.tif", "bands": ["r", "g", "b"], "classes": ["house", "barn"], "polygons": polygons}
    path = tmp_path / "town.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def draw(path: Path, side: int, kind: str = "house") -> None:
    for old in path.parent.glob(f"{path.stem}{path.suffix}"):
        old.unlink()
    write_polygons(path, [on_ground(box(0, 0, side, side))], [kind], kind="Polygon")
    later(path)


def later(path: Path) -> None:
    """Two edits may come in one tick of the clock, but not in tests."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson", ".shp"])
def test_edited_polygons_are_drawn_again_in_their_scene_only(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root, dataset = tmp_path / "tiles", town(tmp_path, suffix)
    assert [scene.counts for scene in prepared(tmp_path / "raw", root, dataset=dataset).scenes] == [(25, 0)] * 2
    assert WORDS not in capsys.readouterr().out
    kept = times(root / "tiles/b")

    draw(tmp_path / "raw" / f"a{suffix}", 9)
    manifest = prepared(tmp_path / "raw", root, dataset=dataset)

    shown = " ".join(capsys.readouterr().out.split())
    assert f"Files of 1 scene {WORDS}, for example of a. This is cut again now." in shown
    assert [scene.counts for scene in manifest.scenes] == [(81, 0), (25, 0)]
    assert times(root / "tiles/b") == kept
    before = times(root)
    prepared(tmp_path / "raw", root, dataset=dataset)
    assert WORDS not in capsys.readouterr().out
    assert times(root) == before


def test_an_edited_attribute_of_a_shapefile_lies_in_a_file_beside_it(tmp_path: Path) -> None:
    root, dataset = tmp_path / "tiles", town(tmp_path, ".shp")
    prepared(tmp_path / "raw", root, dataset=dataset)
    write_polygons(tmp_path / "new/a.shp", [on_ground(box(0, 0, 5, 5))], ["barn"], kind="Polygon")

    shutil.copy(tmp_path / "new/a.dbf", tmp_path / "raw/a.dbf")
    later(tmp_path / "raw/a.dbf")
    manifest = prepared(tmp_path / "raw", root, dataset=dataset)

    assert [scene.counts for scene in manifest.scenes] == [(0, 25), (25, 0)]


def test_a_file_of_all_scenes_that_was_edited_cuts_all_of_them_again(tmp_path: Path) -> None:
    root, dataset = tmp_path / "tiles", town(tmp_path, file="a")
    prepared(tmp_path / "raw", root, dataset=dataset)

    draw(tmp_path / "raw/a.gpkg", 9)

    assert [one.counts for one in prepared(tmp_path / "raw", root, dataset=dataset).scenes] == [(81, 0)] * 2


IMAGE, MASK, HEIGHTS = (
    "2_Ortho_RGB/top_potsdam_2_10_RGB",
    "5_Labels_all/top_potsdam_2_10_label",
    "1_DSM/dsm_potsdam_02_10",
)


@pytest.mark.parametrize("name", [f"{IMAGE}.tif", f"{IMAGE}.tfw", f"{MASK}.tif", f"{HEIGHTS}.tif"])
def test_every_file_of_a_scene_is_watched(raw: Path, tmp_path: Path, name: str) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root, dsm=True)
    before = times(root / "tiles")

    later(raw / name)
    prepared(raw, root, dsm=True)

    changed = {path.parent.name for path, then in times(root / "tiles").items() if before[path] != then}
    assert changed == {"2_10"}


def test_an_image_of_another_size_leaves_nothing_of_the_old_one(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    potsdam_scene(raw, 2, 10, height=40, width=90)

    prepared(raw, root, jobs=2)

    prepared(raw, tmp_path / "expected")
    assert digests(root) == digests(tmp_path / "expected")


def test_shards_cut_their_blocks_again_and_the_last_one_completes_the_folder(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    write(raw / f"{MASK}.tif", picture(HEIGHT, 60) // 255 * 255, HERE, None)
    later(raw / f"{MASK}.tif")

    assert prepare(config(raw, root, shard="1/2")) is None
    assert not (root / MANIFEST).exists()
    assert prepare(config(raw, root, shard="2/2")) is not None

    prepared(raw, tmp_path / "expected")
    assert digests(root) == digests(tmp_path / "expected")


def lose_a_block(root: Path) -> None:
    (root / "parts/2_10/0000.json").unlink()


def lose_the_manifest(root: Path) -> None:
    (root / MANIFEST).unlink()


@pytest.mark.parametrize("kill", [lose_a_block, lose_the_manifest])
def test_an_edit_is_noticed_after_a_killed_run_too(raw: Path, tmp_path: Path, kill: Callable[[Path], None]) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    kill(root)
    potsdam_scene(raw, 2, 10, height=HEIGHT, width=70)

    prepared(raw, root)

    prepared(raw, tmp_path / "expected")
    assert digests(root) == digests(tmp_path / "expected")


def test_an_edit_that_broke_a_file_is_told_and_the_folder_is_not_complete(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    before = times(root / "tiles")
    (raw / f"{IMAGE}.tif").write_bytes(b"nothing")

    with pytest.raises(InvalidRaster, match=r"top_potsdam_2_10_RGB\.tif"):
        prepare(config(raw, root))

    assert not (root / MANIFEST).exists()
    assert times(root / "tiles") == before


def test_parts_of_earlier_versions_say_nothing_of_their_sources_and_stay(raw: Path, tmp_path: Path) -> None:
    root = tmp_path / "tiles"
    prepared(raw, root)
    for path in (root / "parts").rglob("*.json"):
        part = json.loads(path.read_text())
        del part["sources"]
        path.write_text(json.dumps(part))
    before = times(root)
    later(raw / f"{MASK}.tif")

    prepared(raw, root)

    assert times(root) == before
