"""A model meets a scene in other coordinates, with pixels of another size: cut to its ground, then learned."""

from pathlib import Path

import pytest
from affine import Affine

from saticl.geo import raster
from saticl.geo.palette import encode
from saticl.tiles.manifest import Manifest
from tests.e2e.test_extension import REST, SMALL, done, info
from tests.grids import COLOURS, UTM33, patches, picture

MERCATOR = raster.parse_crs("EPSG:3857")
FIRST_YEAR = Affine(0.25, 0, 500_000, 0, -0.25, 5_800_000)
NEXT_YEAR = Affine(0.82, 0, 1_669_792.4, 0, -0.82, 6_864_000)
"""The same region in Web Mercator, where 0.82 m of the map are half a metre of ground."""

DESCRIPTION = """
images: "images/{name}.tif"
masks: "masks/{name}.tif"
bands: [red, green, blue]
split: {by: name, train: [a, b], test: [c]}
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A prepared first year (roofs and streets), and the raw scenes of the next, which know water alone."""
    for year, transform, crs in (("first", FIRST_YEAR, UTM33), ("next", NEXT_YEAR, MERCATOR)):
        for name, seed in (("a", 1), ("b", 2), ("c", 3)):
            labels = patches(150, 150, seed=seed)
            raster.write(tmp_path / year / f"images/{name}.tif", picture(labels), transform, crs)
            raster.write(tmp_path / year / f"masks/{name}.tif", encode(labels, COLOURS), transform, crs)
    (tmp_path / "first.yaml").write_text(
        DESCRIPTION + 'name: city\nclasses: {roof: "#FF0000", street: "#808080"}\nunlabelled: ["#0000FF"]\n'
    )
    (tmp_path / "next.yaml").write_text(
        DESCRIPTION + 'name: next_city\nclasses: {water: "#0000FF"}\nunlabelled: ["#FF0000", "#808080"]\n'
    )
    prepare(tmp_path, "first", "tiles-first")
    done("train", "--data-root", tmp_path / "tiles-first", "--output-folder", tmp_path / "runs", "--name=run", *SMALL)
    return tmp_path


def prepare(world: Path, year: str, dst: str, *words: str) -> str:
    source = ("--src", world / year, "--dst", world / dst, "--dataset", world / f"{year}.yaml")
    return done("prepare", *source, "--tile-size=64", "--jobs=1", *words)


def extend(world: Path, folder: str, name: str) -> str:
    step = world / "runs/city/offline/run/step-0"
    return done(
        "train",
        "--extend",
        step,
        "--data-root",
        world / folder,
        "--add=water",
        "--name",
        name,
        "--output-folder",
        world / "runs",
        *REST,
    )


def test_scenes_in_other_coordinates_are_cut_to_the_ground_of_the_model(world: Path) -> None:
    prepare(world, "next", "tiles-as-they-are")
    prepare(world, "next", "tiles-fitting", "--gsd=0.25", "--target-crs=EPSG:32633")

    as_they_are = extend(world, "tiles-as-they-are", "as-they-are")
    fitting = extend(world, "tiles-fitting", "fitting")

    assert "covers 0.501 m of ground" in as_they_are
    assert "of ground" not in fitting
    scenes = Manifest.load(world / "tiles-fitting").scenes
    assert {(scene.crs, scene.transform[0], scene.transform[4]) for scene in scenes} == {("EPSG:32633", 0.25, -0.25)}
    assert all(280 < side < 340 for scene in scenes for side in (scene.height, scene.width))  # 75 m, turned a little
    run = world / "runs/city/offline/fitting"
    assert info(run, 1).classes == ("roof", "street", "water")

    text = done("test", "--run", run, "--num-workers=0", "--panels=0", "--data-root", world / "tiles-first",
                "--data-root", world / "tiles-fitting")  # fmt: skip

    assert "roof" in text
    assert "water" in text
