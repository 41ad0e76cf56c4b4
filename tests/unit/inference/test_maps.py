"""From an image file to its map: the pixels of the network, the place of the image, and the same bytes every time."""

import copy
import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from saticl.errors import InvalidOptions, InvalidRaster
from saticl.geo import raster
from saticl.geo.imagery import open_image
from saticl.geo.raster import Array
from saticl.inference import maps
from saticl.inference import parts as parts_module
from saticl.inference.classes import certainty, likeliest
from saticl.inference.making import Team, is_finished, make_map, origin
from saticl.inference.maps import (
    Place,
    Wanted,
    predict_rows,
)
from saticl.inference.parts import Parts, joined
from saticl.inference.predictor import Predictor
from saticl.inference.sliding import Tiling
from saticl.labels import IGNORE
from tests.raw import write_picture

UTM33 = raster.parse_crs("EPSG:32633")
WHERE = Affine(0.5, 0, 500_000, 0, -0.25, 5_800_000)
TILING = Tiling(size=64, overlap=16, batch_size=2)
EVERYTHING = Wanted(TILING, "entropy", True)


UNPLACED = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
"""Parts lie nowhere; what Python ignores for a while, it does not ignore for each thread by itself."""


def picture(height: int = 130, width: int = 90) -> Array:
    return np.random.default_rng(5).integers(1, 255, (3, height, width), np.uint8)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with a hole without data."""
    pixels, valid = picture(), np.ones((130, 90), np.bool_)
    valid[40:60, 10:50] = False
    raster.write(tmp_path / "raw/scene.tif", pixels, WHERE, UTM33, valid=valid)
    return tmp_path / "raw/scene.tif"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(path: Path) -> Array:
    with rasterio.open(path) as source:
        pixels: Array = source.read()
        return pixels


def test_the_map_is_what_the_network_says_and_lies_where_the_image_lies(trained: Predictor, image: Path) -> None:
    dst = trained.scene(image, image.parent.parent / "maps/scene.tif", Wanted(TILING))

    hole = np.zeros((130, 90), np.bool_)
    hole[40:60, 10:50] = True
    expected = trained(picture(), ~hole, TILING)
    assert np.array_equal(read(dst)[0], expected)
    assert (expected == IGNORE).sum() == hole.sum()
    with rasterio.open(dst) as found:
        assert (found.transform, found.crs, found.nodata) == (WHERE, UTM33, IGNORE)
        assert found.colormap(1)[1][:3] == (0, 0, 255)
        assert (found.tags()["class_2"], found.tags()["saticl_step"]) == ("tree", "1")
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert sorted(path.name for path in dst.parent.iterdir()) == ["scene.json", "scene.tif"]
    facts = json.loads((dst.parent / "scene.json").read_text())
    assert [row["name"] for row in facts["classes"]] == ["background", "building", "tree", "car"]
    assert [row["pixels"] for row in facts["classes"]] == np.bincount(expected.ravel(), minlength=4)[:4].tolist()
    assert facts["nodata"] == {"value": IGNORE, "pixels": 800}


def test_confidence_and_probabilities_are_those_of_the_map(trained: Predictor, image: Path, tmp_path: Path) -> None:
    dst = trained.scene(image, tmp_path / "maps/scene.tif", EVERYTHING)

    classes, confidence, probabilities = (
        read(dst.with_name(name)) for name in ("scene.tif", "scene_confidence.tif", "scene_probabilities.tif")
    )
    known = classes[0] != IGNORE
    assert np.array_equal(probabilities.argmax(0)[known], classes[0][known])
    assert np.array_equal(np.isnan(probabilities).all(0), ~known)
    assert np.array_equal(np.isnan(confidence[0]), ~known)
    expected = certainty(torch.from_numpy(probabilities[:, known])[:, None], "entropy")[0]
    np.testing.assert_allclose(confidence[0][known], expected.numpy(), rtol=1e-4, atol=1e-5)
    with rasterio.open(dst.with_name("scene_probabilities.tif")) as source:
        assert source.descriptions == ("background", "building", "tree", "car")
        assert np.isnan(source.nodata)


def test_a_finished_map_stays_and_one_of_other_options_is_made_again(
    trained: Predictor, image: Path, tmp_path: Path
) -> None:
    dst = trained.scene(image, tmp_path / "scene.tif", Wanted(TILING))
    before = dst.stat().st_mtime_ns

    trained.scene(image, dst, Wanted(TILING))
    assert dst.stat().st_mtime_ns == before
    trained.scene(image, dst, Wanted(Tiling(size=32, overlap=8)))
    assert dst.stat().st_mtime_ns > before
    assert json.loads(dst.with_suffix(".json").read_text())["made_with"]["size"] == 32
    place, wanted = Place(str(image), dst), Wanted(Tiling(size=32, overlap=8))
    assert is_finished(place, said_of(trained, place, wanted), wanted)
    raster.write(image, picture() // 2, WHERE, UTM33)
    assert not is_finished(place, said_of(trained, place, wanted), wanted)


def said_of(trained: Predictor, place: Place, wanted: Wanted) -> dict[str, object]:
    with open_image(place.source, trained.bands) as reader:
        return origin(trained, place, reader, wanted)


@UNPLACED
def test_processes_that_share_the_rows_write_the_bytes_of_one(
    trained: Predictor, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_module, "ROWS", 24)
    one, two = (Place(str(image), tmp_path / name / "scene.tif") for name in ("one", "two"))
    make_map(trained, one, EVERYTHING, lambda done: None)

    barrier = threading.Barrier(2)

    def wait() -> None:
        barrier.wait(30)

    teams = [Team(rank, 2, wait) for rank in range(2)]
    with ThreadPoolExecutor(2) as processes:  # threads stand for processes, with a predictor each
        both = [copy.deepcopy(trained.network), trained.network]
        predictors = [replace(trained, network=network) for network in both]
        list(
            processes.map(
                lambda pair: make_map(pair[0], two, EVERYTHING, lambda done: None, pair[1]),
                zip(predictors, teams, strict=True),
            )
        )

    for name in ("scene.tif", "scene_confidence.tif", "scene_probabilities.tif", "scene.json"):
        assert digest(tmp_path / "one" / name) == digest(tmp_path / "two" / name), name
    monkeypatch.setattr(parts_module, "ROWS", 512)
    whole = Place(str(image), tmp_path / "whole" / "scene.tif")
    make_map(trained, whole, EVERYTHING, lambda done: None)
    assert digest(whole.dst) == digest(one.dst)


def test_an_interrupted_map_goes_on_where_it_was(
    trained: Predictor, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_module, "ROWS", 24)
    place, wanted = Place(str(image), tmp_path / "scene.tif"), Wanted(TILING)
    options = said_of(trained, place, wanted)
    parts = Parts(place.parts(options), 130, wanted.kinds)
    parts.begin(options)
    with open_image(place.source, trained.bands) as reader:
        predict_rows(trained, reader, wanted, parts, range(48), lambda done: None)
    assert joined(parts.missing()) == [range(48, 130)]
    done: list[int] = []

    make_map(trained, place, wanted, done.append)

    assert sum(done) == 130 - 48
    fresh = trained.scene(image, tmp_path / "fresh/scene.tif", wanted)
    assert digest(fresh) == digest(place.dst)


def test_parts_of_other_options_are_thrown_away(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "parts", 1000, ("classes",))
    parts.begin({"size": 1})
    path, content = parts.encoded("classes", 0, np.ones((1, 512, 5), np.uint8))
    path.write_bytes(content)
    assert np.array_equal(parts.read("classes", 0), np.ones((1, 512, 5), np.uint8))

    parts.begin({"size": 1})
    assert parts.missing() == [range(512, 1000)]
    parts.begin({"size": 2})
    assert joined(parts.missing()) == [range(1000)]


@pytest.mark.parametrize(("number", "world", "turned"), [(1, 3, 0), (1, 3, 2), (7, 2, 1), (10, 3, 1), (0, 2, 0)])
def test_every_part_has_one_process(number: int, world: int, turned: int) -> None:
    parts = [range(5 * part, 5 * part + 5) for part in range(number)]

    shares = [list(Team(rank, world, turned=turned).share(parts)) for rank in range(world)]

    assert sorted((part for share in shares for part in share), key=lambda part: part.start) == parts
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert all(len(joined(share)) <= 1 for share in shares)


def test_the_parts_of_small_images_go_to_different_processes() -> None:
    busy = [[bool(Team(rank, 3, turned=number).share([range(5)])) for rank in range(3)] for number in range(3)]

    assert np.array(busy).sum(0).tolist() == [1, 1, 1]


def test_a_file_that_is_no_map_of_ours_is_never_replaced(trained: Predictor, image: Path, tmp_path: Path) -> None:
    raster.write(tmp_path / "maps/scene.tif", np.zeros((1, 5, 5), np.uint8), WHERE, UTM33)
    before = digest(image), digest(tmp_path / "maps/scene.tif")

    with pytest.raises(InvalidOptions, match=r"maps/scene\.tif is there already and no map of this program"):
        trained.scene(image, tmp_path / "maps/scene.tif", Wanted(TILING))
    with pytest.raises(InvalidOptions, match="would replace it"):
        trained.scene(image, image, Wanted(TILING))

    assert (digest(image), digest(tmp_path / "maps/scene.tif")) == before


def test_a_map_that_is_being_replaced_is_not_taken_for_finished(
    trained: Predictor, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, small = Place(str(image), tmp_path / "scene.tif"), Wanted(Tiling(size=32, overlap=8), "margin")
    trained.scene(image, place.dst, Wanted(TILING, "margin"))
    monkeypatch.setattr(maps, "_facts", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):  # killed between the map and what is said of it
        trained.scene(image, place.dst, small)

    first = Wanted(TILING, "margin")
    assert not is_finished(place, said_of(trained, place, first), first)
    monkeypatch.undo()
    trained.scene(image, place.dst, first)
    assert digest(place.dst) == digest(trained.scene(image, tmp_path / "fresh/scene.tif", first))


def test_files_of_an_earlier_map_do_not_stay_beside_a_new_one(trained: Predictor, image: Path, tmp_path: Path) -> None:
    trained.scene(image, tmp_path / "maps/scene.tif", EVERYTHING)
    (tmp_path / "maps/scene.gpkg").touch()

    trained.scene(image, tmp_path / "maps/scene.tif", Wanted(TILING))

    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["scene.json", "scene.tif"]


def test_a_damaged_part_is_made_again_by_the_next_run(
    trained: Predictor, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_module, "ROWS", 24)
    place, wanted = Place(str(image), tmp_path / "scene.tif"), Wanted(TILING)
    options = said_of(trained, place, wanted)
    parts = Parts(place.parts(options), 130, wanted.kinds)
    parts.begin(options)
    parts.path("classes", 24).write_bytes(b"no raster")

    with pytest.raises(InvalidRaster, match="run the same `predict` command again"):
        make_map(trained, place, wanted, lambda done: None)
    make_map(trained, place, wanted, lambda done: None)

    assert digest(place.dst) == digest(trained.scene(image, tmp_path / "fresh/scene.tif", wanted))


@UNPLACED
def test_threads_that_share_a_predictor_do_not_disturb_each_other(
    trained: Predictor, image: Path, tmp_path: Path
) -> None:
    before = {name: tensor.clone() for name, tensor in trained.network.state_dict().items()}

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: trained.scene(image, tmp_path / f"{n}/scene.tif", Wanted(TILING)), range(8)))

    assert len({digest(tmp_path / f"{number}/scene.tif") for number in range(8)}) == 1
    assert not trained.network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.network.state_dict().items())


def test_a_picture_becomes_a_picture(trained: Predictor, tmp_path: Path) -> None:
    write_picture(tmp_path / "photo.png", picture(50, 40))

    dst = trained.scene(tmp_path / "photo.png", tmp_path / "maps/photo.png", Wanted(TILING))

    with raster.opened(dst) as found:
        assert (found.driver, found.count, found.colormap(1)[1][:3]) == ("PNG", 1, (0, 0, 255))
        assert np.array_equal(found.read(1), trained(picture(50, 40), None, TILING))
    assert sorted(path.name for path in dst.parent.iterdir()) == ["photo.json", "photo.png"]


def test_a_picture_with_a_place_becomes_one_with_a_place(trained: Predictor, tmp_path: Path) -> None:
    write_picture(tmp_path / "photo.png", picture(50, 40))
    (tmp_path / "photo.pgw").write_text("0.5\n0\n0\n-0.5\n100.25\n199.75\n")

    dst = trained.scene(tmp_path / "photo.png", tmp_path / "maps/photo.png", Wanted(TILING))

    with raster.opened(dst) as found, raster.opened(tmp_path / "photo.png") as image:
        assert found.transform == image.transform == Affine(0.5, 0, 100, 0, -0.5, 200)


@given(st.integers(1, 9), st.integers(0, 5))
def test_the_likeliest_class_is_the_first_of_the_largest(classes: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 4, (classes, 6, 7)).astype(np.float32)

    found = likeliest(torch.from_numpy(values))

    assert found.dtype == torch.uint8
    assert np.array_equal(found.numpy(), values.argmax(0))
    assert np.array_equal(values, np.random.default_rng(seed).integers(0, 4, (classes, 6, 7)))


def probabilities_of(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None, None]


@pytest.mark.parametrize(
    ("values", "margin", "entropy"),
    [((1.0, 0.0, 0.0, 0.0), 1.0, 1.0), ((0.25, 0.25, 0.25, 0.25), 0.0, 0.0), ((0.5, 0.5, 0.0, 0.0), 0.0, 0.5)],
)
def test_certainty_goes_from_not_at_all_to_one(values: tuple[float, ...], margin: float, entropy: float) -> None:
    assert float(certainty(probabilities_of(*values), "margin")) == pytest.approx(margin)
    assert float(certainty(probabilities_of(*values), "entropy")) == pytest.approx(entropy, abs=1e-6)


def whole_map(array: NDArray[np.uint8]) -> set[int]:
    return set(np.unique(array).tolist())


def test_an_image_without_any_data_becomes_a_map_without_any(trained: Predictor, tmp_path: Path) -> None:
    raster.write(tmp_path / "empty.tif", np.zeros((3, 70, 70), np.uint8), WHERE, UTM33, nodata=0)

    dst = trained.scene(tmp_path / "empty.tif", tmp_path / "maps/empty.tif", EVERYTHING)

    assert whole_map(read(dst)) == {IGNORE}
    assert np.isnan(read(dst.with_name("empty_probabilities.tif"))).all()
