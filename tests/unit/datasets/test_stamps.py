"""Which files are watched, and by what."""

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from saticl.datasets.base import Polygons, Request
from saticl.datasets.potsdam import Potsdam
from saticl.datasets.stamps import stamps
from saticl.geo.layer import Layer
from tests.raw import potsdam_scene


def touch(path: Path, size: int = 3, time: int = 5) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, ns=(0, time))
    return str(path)


def test_a_stamp_is_size_and_time_of_change(tmp_path: Path) -> None:
    first, second = touch(tmp_path / "a.gpkg", 3, 10**18 + 1), touch(tmp_path / "b.gpkg", 4, 7)

    assert stamps([first, second, first]) == {first: (3, 10**18 + 1), second: (4, 7)}


@pytest.mark.parametrize(
    ("name", "beside"),
    [("a.shp", [".dbf", ".shx", ".prj", ".cpg"]), ("a.TIF", [".tfw"]), ("a.png", [".pgw"]), ("a.jpeg", [".jgw"])],
)
def test_files_that_belong_to_a_file_are_watched_too(tmp_path: Path, name: str, beside: list[str]) -> None:
    path = tmp_path / name
    names = [touch(path), *(touch(path.with_suffix(suffix)) for suffix in beside)]
    touch(path.with_suffix(".other"))

    assert list(stamps([str(path)])) == names


def test_the_files_of_a_folder_that_is_a_database_are_watched(tmp_path: Path) -> None:
    inside = touch(tmp_path / "town.gdb/a0001.gdbtable")

    assert inside in stamps([str(tmp_path / "town.gdb")])


def test_what_is_not_on_this_machine_has_no_stamp(tmp_path: Path) -> None:
    names = ["https://example.com/a.tif", "s3://bucket/a.tif", "/vsicurl/https://example.com/a.tif"]

    assert stamps([*names, str(tmp_path / "gone.tif")]) == {}


def test_of_a_member_of_an_archive_the_archive_is_watched(tmp_path: Path) -> None:
    potsdam_scene(tmp_path / "raw", 2, 10)
    folder = tmp_path / "raw/2_Ortho_RGB"
    with zipfile.ZipFile(tmp_path / "raw/2_Ortho_RGB.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
            path.unlink()
    folder.rmdir()

    (scene,) = Potsdam().scenes(tmp_path / "raw", Request(allow_missing=True))

    assert str(tmp_path / "raw/2_Ortho_RGB.zip") in stamps(scene.files)


def test_all_files_of_a_scene_are_named(tmp_path: Path) -> None:
    potsdam_scene(tmp_path, 2, 10)
    (scene,) = Potsdam().scenes(tmp_path, Request({"dsm": True}, allow_missing=True))
    drawn = Polygons(Layer("a.gpkg"), None, (), area=Layer("b.gpkg"))

    assert set(scene.files) == {scene.image, scene.mask, scene.dsm}
    assert {"a.gpkg", "b.gpkg"} < set(replace(scene, polygons=drawn).files)
