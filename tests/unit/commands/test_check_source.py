"""`prepare --check`: the same verdict as `prepare`, the whole picture at once, and nothing written."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rich.console import Console

from saticl.commands import check_report
from saticl.commands.prepare import prepare
from saticl.config import PrepareConfig
from saticl.cutting import inspection
from saticl.datasets.isprs import COLOURS
from saticl.errors import InvalidOptions, InvalidRaster, MissingRawData, SaticlError, UnusableSource
from saticl.geo import raster
from saticl.geo.palette import encode
from tests.cutting import config, digests, prepared
from tests.polygons import box, write_polygons
from tests.raw import HERE, labels, picture, potsdam_scene, vaihingen_scene

UTM = CRS.from_epsg(32633)
SIDE_M = 200
"""From one scene to the next; they are 40 x 50 pixels of 1 m."""


@dataclass
class Source:
    """Scenes a to e of a described folder: three for training, one for validation, one for testing."""

    root: Path
    names: tuple[str, ...] = ("a", "b", "c", "d", "e")
    split: dict[str, list[str]] = field(
        default_factory=lambda: {"train": ["a", "b", "c"], "val": ["d"], "test": ["e"]}
    )

    @property
    def description(self) -> Path:
        return self.root / "own.yaml"

    def image(self, name: str) -> Path:
        return self.root / f"raw/images/{name}.tif"

    def mask(self, name: str) -> Path:
        return self.root / f"raw/masks/{name}.tif"

    def place(self, name: str, dx: float = 0) -> Affine:
        return Affine(1, 0, 500_000 + SIDE_M * self.names.index(name) + dx, 0, -1, 5_800_000)

    def paint(self, name: str, pixels: NDArray[Any], dx: float = 0, crs: CRS | None = UTM) -> None:
        raster.write(self.image(name), pixels, self.place(name, dx), crs)

    def label(self, name: str, mask: NDArray[Any], dx: float | None = None, crs: CRS | None = UTM) -> None:
        """A mask lies on its image; with a distance it says itself where it lies."""
        where = (Affine.identity(), None) if dx is None else (self.place(name, dx), crs)
        raster.write(self.mask(name), mask[None], *where)

    def write(self) -> None:
        content = {
            "images": "images/{name}.tif",
            "masks": "masks/{name}.tif",
            "bands": ["red", "green", "blue"],
            "classes": {"x": 0, "y": 1, "z": 2},
            "split": self.split,
        }
        self.description.write_text(json.dumps(content))  # JSON is YAML
        for number, name in enumerate(self.names):
            self.paint(name, picture(40, 50, seed=number))
            self.label(name, labels(40, 50, number, classes=3))


@pytest.fixture
def source(tmp_path: Path) -> Source:
    made = Source(tmp_path)
    made.write()
    return made


def asked(source: Source, **changes: Any) -> PrepareConfig:
    base: dict[str, Any] = {"dataset": str(source.description), "check": True, "allow_missing": False}
    return config(source.root / "raw", changes.pop("dst", None), **(base | changes))


class Answer:
    """What was found: whether it is refused, the record, and what was printed."""

    def __init__(self, source: Source, capsys: pytest.CaptureFixture[str], **changes: Any) -> None:
        file = source.root / "found.json"
        try:
            assert prepare(asked(source, check_json=file, **changes)) is None
            self.refusal = ""
        except UnusableSource as error:
            self.refusal = str(error)
        self.shown = " ".join(capsys.readouterr().out.split())
        self.record = json.loads(file.read_text())
        assert self.record["usable"] == (not self.refusal)

    def texts(self, is_refused: bool) -> list[str]:
        return [one["text"] for one in self.record["findings"] if one["is_refused"] == is_refused]


Look = Callable[..., Answer]


@pytest.fixture
def look(source: Source, capsys: pytest.CaptureFixture[str]) -> Look:
    return lambda **changes: Answer(source, capsys, **changes)


def test_a_good_source_is_summed_up_and_nothing_is_written(source: Source, look: Look) -> None:
    before = digests(source.root / "raw")

    answer = look(dst=source.root / "tiles")

    assert answer.refusal == ""
    assert answer.record["findings"] == []
    assert "own: 5 scenes" in answer.shown
    assert "`prepare` would cut 20 tiles of 32 pixels, overlap 8." in answer.shown
    assert "EPSG:32633" in answer.shown
    assert digests(source.root / "raw") == before
    assert sorted(path.name for path in source.root.iterdir()) == ["found.json", "own.yaml", "raw"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_counted_is_what_prepare_counts(
    source: Source, look: Look, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    if jobs == 1:
        monkeypatch.setattr(inspection, "ROWS", 16)
        monkeypatch.setattr(inspection, "SECTION_PIXELS", 1)  # several sections and windows per scene
    record = look(jobs=jobs).record

    manifest = prepared(source.root / "raw", source.root / "tiles", dataset=str(source.description))

    for found, scene in zip(record["scenes"], manifest.scenes, strict=True):
        assert (found["id"], found["split"], found["group"]) == (scene.id, scene.split, scene.group)
        assert (found["height"], found["width"], found["tiles"]) == (scene.height, scene.width, scene.tiles)
        assert (tuple(found["counts"]), found["pixels"]) == (scene.counts, 40 * 50)
        assert (found["crs"], tuple(found["transform"])) == (scene.crs, scene.transform)
        assert found["dtype"] == manifest.dtype
    assert record["bands"] == list(manifest.bands)
    assert record["statistics"]["mean"] == pytest.approx(manifest.statistics.mean, rel=1e-12)
    assert record["statistics"]["std"] == pytest.approx(manifest.statistics.std, rel=1e-9)


def truncate(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])


def repaint(source: Source, name: str, value: int, number: int = 3) -> None:
    mask = labels(40, 50, source.names.index(name), classes=3)
    mask[5, :number] = value
    source.label(name, mask)


BREAKAGES: dict[str, tuple[Callable[[Source], object], list[str]]] = {
    "nothing": (lambda source: None, []),
    "no mask": (lambda source: source.mask("b").unlink(), ["Files of 1 scene are missing: b (masks/b.tif)"]),
    "a cropped mask": (lambda source: source.label("b", labels(39, 50, classes=3)), ["50 x 40 pixels but its mask"]),
    "an unknown number": (
        lambda source: repaint(source, "b", 7),
        ["3 pixels of masks in 1 scene have values of no class: 7 (3 pixels in b)"],
    ),
    "a truncated image": (lambda source: truncate(source.image("b")), ["b.tif cannot be read as a raster"]),
    "a truncated mask": (lambda source: truncate(source.mask("b")), ["b.tif cannot be read as a raster"]),
    "no raster at all": (lambda source: source.image("b").write_bytes(b"text"), ["images/b.tif cannot be read"]),
    "one band": (lambda source: source.paint("b", picture(40, 50, 1)), ["b.tif has 1 bands, but 3 are expected"]),
    "16 bits": (
        lambda source: source.paint("b", picture(40, 50).astype(np.uint16)),
        ["The scenes have different types"],
    ),
    "complex numbers": (
        lambda source: source.label("b", np.zeros((40, 50), np.complex64)),
        ["masks/b.tif is of type complex64"],
    ),
    "another system": (lambda source: source.paint("b", picture(40, 50), crs=CRS.from_epsg(32632)), []),
    "a mask beside": (lambda source: source.label("b", labels(40, 50, classes=3), dx=9), []),
    "a mask elsewhere": (
        lambda source: source.label("b", labels(40, 50, classes=3), dx=0, crs=CRS.from_epsg(3857)),
        ["lies elsewhere than its image"],
    ),
    "an overlap": (lambda source: source.paint("e", picture(40, 50), dx=-SIDE_M + 10), []),
    "no class": (lambda source: source.label("b", np.full((40, 50), 0, np.uint8)), []),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_the_verdict_is_that_of_prepare(source: Source, look: Look, breakage: str) -> None:
    damage, words = BREAKAGES[breakage]
    damage(source)

    answer = look()

    refused = answer.texts(is_refused=True)
    assert len(refused) == len(words)
    for text, expected in zip(refused, words, strict=True):
        assert expected in text
        assert " ".join(text.split()) in answer.shown
    try:
        prepare(asked(source, check=False, dst=source.root / "tiles"))
        succeeds = True
    except (InvalidRaster, MissingRawData):
        succeeds = False
    assert succeeds == (answer.refusal == "")
    assert ("1 problem above" in answer.refusal) == bool(words)


def test_one_mistake_hides_no_other(source: Source, look: Look) -> None:
    source.mask("a").unlink()
    source.paint("b", picture(40, 50, 1))  # another number of bands, and in the same scene
    repaint(source, "b", 9, number=4)  # values of no class
    truncate(source.image("c"))
    repaint(source, "c", 8, number=2)
    source.image("d").write_bytes(b"text")
    source.label("d", np.zeros((40, 50), np.complex64))

    answer = look()

    refused = answer.texts(is_refused=True)
    assert [sum(part in text for text in refused) for part in ("missing: a", "1 bands", "complex64")] == [1, 1, 1]
    assert sum("cannot be read as a raster" in text for text in refused) == 2
    assert "6 pixels of masks in 2 scenes have values of no class: 9 (4 pixels in b), 8 (2 pixels in c)" in " ".join(
        refused
    )
    values = answer.record["unknown_values"]
    assert [(one["value"], one["pixels"], one["scene"]) for one in values] == [("9", 4, "b"), ("8", 2, "c")]
    assert values[0]["mask"] == str(source.mask("b"))
    good = [one for one in answer.record["scenes"] if one["id"] == "e"]
    assert sum(good[0]["counts"]) == 40 * 50


def test_missing_files_may_be_allowed(source: Source, look: Look) -> None:
    source.mask("b").unlink()

    answer = look(allow_missing=True)

    assert answer.refusal == ""
    assert answer.texts(is_refused=False) == ["Files of 1 scene are missing: b (masks/b.tif); they are left out."]
    assert "would cut 16 tiles" in answer.shown


def test_a_source_without_a_complete_scene_is_refused_all_the_same(source: Source, look: Look) -> None:
    for name in source.names:
        source.mask(name).unlink()

    answer = look(allow_missing=True)

    assert "no scene is complete" in answer.texts(is_refused=True)[0]
    assert answer.record["scenes"] == []


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            lambda source: source.paint("e", picture(40, 50), dx=10 - 4 * SIDE_M),
            "1 pair of scenes of different splits overlap on the ground: a and e (train and test, 80.0 % of",
        ),
        (
            lambda source: source.paint("b", picture(40, 50), dx=25 - SIDE_M),
            "1 pair of scenes of one split overlap on the ground: a and b (train, 50.0 % of the smaller)",
        ),
        (lambda source: source.label("b", labels(40, 50, classes=3), dx=9), "b: the mask "),
        (
            lambda source: source.paint("b", picture(40, 50), crs=CRS.from_epsg(32632)),
            "Scenes have 2 coordinate systems: EPSG:32633 (a), EPSG:32632 (b).",
        ),
        (
            lambda source: source.label("e", np.full((40, 50), 1, np.uint8)),
            "No test scene shows x, z.",
        ),
        (
            lambda source: [source.label(name, np.full((40, 50), 1, np.uint8)) for name in source.names],
            "No scene shows x, z.",
        ),
    ],
)
def test_what_prepare_accepts_is_noted(
    source: Source, look: Look, damage: Callable[[Source], object], expected: str
) -> None:
    damage(source)

    answer = look()

    assert answer.refusal == ""
    assert any(text.startswith(expected) for text in answer.texts(is_refused=False)), answer.texts(is_refused=False)
    assert expected in answer.shown


def test_the_record_names_the_pairs_that_overlap(source: Source, look: Look) -> None:
    source.paint("e", picture(40, 50), dx=10 - 4 * SIDE_M)

    (pair,) = look().record["overlaps"]

    assert (pair["scenes"], pair["splits"], pair["share"]) == (["a", "e"], ["train", "test"], pytest.approx(0.8))


def test_scenes_of_one_group_may_overlap(source: Source, look: Look, tmp_path: Path) -> None:
    content = json.loads(source.description.read_text())
    content |= {"images": "images/{name}.tif", "split": None}
    content["images"], content["masks"] = "{group}/{name}.tif", "masks/{name}.tif"
    source.description.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    source.paint("b", picture(40, 50), dx=25 - SIDE_M)

    answer = look()

    assert answer.record["overlaps"] != []
    assert not any("overlap" in text for text in answer.texts(is_refused=False))


def test_resolutions_that_differ_are_noted(source: Source, look: Look) -> None:
    raster.write(source.image("b"), picture(40, 50), Affine(2, 0, 600_000, 0, -2, 5_800_000), UTM)
    raster.write(source.mask("b"), labels(40, 50, classes=3)[None], HERE, None)

    (text,) = look().texts(is_refused=False)

    assert "of ground in " in text
    assert "2.0" in text


def test_scenes_without_a_place_are_noted_together(source: Source, look: Look) -> None:
    for name in source.names:
        raster.write(source.image(name), picture(40, 50), HERE, None)
        raster.write(source.mask(name), labels(40, 50, classes=3)[None], HERE, None)

    assert look().texts(is_refused=False) == [
        "No file says where the scene lies, so its tiles have no place on the ground: all 5 scenes."
    ]


def test_a_transform_without_a_system_asks_for_one(source: Source, look: Look) -> None:
    source.paint("b", picture(40, 50), crs=None)
    source.label("b", labels(40, 50, 1, classes=3), crs=None)

    assert look().texts(is_refused=False) == ["No file names the coordinate system; --crs EPSG:... can name it: b."]
    assert look(crs="EPSG:32633").record["findings"] == []


def test_scenes_that_teach_nothing_are_noted(source: Source, look: Look) -> None:
    raster.write(source.image("b"), np.zeros((3, 40, 50), np.uint8), source.place("b"), UTM, nodata=0)

    answer = look()

    assert answer.texts(is_refused=False) == ["1 scene without a single pixel of a class: b."]
    assert answer.record["scenes"][1]["no_data"] == 40 * 50
    assert "without data" in answer.shown


def test_many_scenes_with_one_problem_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tuple(f"scene_{number:03}" for number in range(60))
    source = Source(tmp_path, names, {"train": list(names)})
    source.write()
    for number, name in enumerate(names[:50]):
        source.label(name, labels(39 - number % 5, 50, classes=3))

    answer = Answer(source, capsys)

    (text,) = answer.texts(is_refused=True)
    assert text.count("scene_") == 2 + 5
    assert "The same in 49 more scenes: scene_001, scene_002, scene_003, scene_004, scene_005 and 44 more." in text
    (found,) = [one for one in answer.record["findings"] if one["is_refused"]]
    assert found["scenes"] == list(names[:50])


def test_lines_are_broken_between_words_on_a_terminal_only(
    source: Source, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source.label("b", labels(39, 50, classes=3))
    for is_terminal in (True, False):
        monkeypatch.setattr(check_report, "console", Console(width=60, force_terminal=is_terminal, color_system=None))
        with pytest.raises(UnusableSource):
            prepare(asked(source))
        lines = capsys.readouterr().out.splitlines()
        assert (max(map(len, lines)) <= 60) == is_terminal


@pytest.mark.parametrize("dataset", ["potsdam", "vaihingen"])
def test_downloads_are_checked_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str], dataset: str) -> None:
    raw = tmp_path / "raw"
    if dataset == "potsdam":
        potsdam_scene(raw, 2, 10)
        potsdam_scene(raw, 3, 13, dsm_width=99)
    else:
        vaihingen_scene(raw, 1)
        vaihingen_scene(raw, 2)
    changes: dict[str, Any] = {"dataset": dataset, "check": True, "dsm": True}

    assert prepare(config(raw, None, **changes)) is None

    shown = " ".join(capsys.readouterr().out.split())
    assert f"{dataset}: 2 scenes" in shown
    assert "are missing" in shown
    assert ("3_13: the surface model has 1 columns less" in shown) == (dataset == "potsdam")
    with pytest.raises(UnusableSource):
        prepare(config(raw, None, **changes, allow_missing=False))
    lacking = "2_12 (RGB image, label, surface model)" if dataset == "potsdam" else "area5 (IRRG image, label, surface"
    assert lacking in " ".join(capsys.readouterr().out.split())


def test_a_blended_mask_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = tmp_path / "raw"
    potsdam_scene(raw, 4, 12)
    blended = np.clip(encode(labels(90, 100, 412), COLOURS), 20, 230)
    blended[:, 40:42, 50:53] = np.array([250, 3, 250])[:, None, None]
    raster.write(raw / "5_Labels_all/top_potsdam_4_12_label.tif", blended, HERE, None)

    prepare(config(raw, None, check=True))

    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "6 pixels of masks in 1 scene have values of no class: #FA03FA (6 pixels in 4_12); they are ignored" in shown
    )
    assert "8,994 mask pixels do not have the exact colour of a class, which is repaired: 4_12." in shown


def test_a_download_that_holds_nothing_shows_what_is_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raw").mkdir()

    with pytest.raises(UnusableSource):
        prepare(config(tmp_path / "raw", None, check=True))

    assert "5_Labels_all/top_potsdam_2_10_label.tif" in capsys.readouterr().out


def test_tiles_that_may_not_be_written_there_are_a_problem(source: Source, look: Look) -> None:
    prepared(source.root / "raw", source.root / "tiles", dataset=str(source.description), tile_size=16)
    before = digests(source.root / "tiles")

    answer = look(dst=source.root / "tiles")

    (text,) = answer.texts(is_refused=True)
    assert "was prepared with other options" in text
    assert look(dst=source.root / "tiles", overwrite=True).refusal == ""
    assert "the same folder" in look(dst=source.root / "raw").texts(is_refused=True)[0]
    assert digests(source.root / "tiles") == before


@pytest.mark.parametrize("folder", ["raw", "tiles"])
def test_the_record_is_not_written_into_source_or_tiles(source: Source, folder: str) -> None:
    with pytest.raises(InvalidOptions, match=f"found.json lies in .*{folder}: choose a file outside"):
        prepare(asked(source, dst=source.root / "tiles", check_json=source.root / folder / "found.json"))

    assert not (source.root / folder / "found.json").exists()


def test_the_folder_for_tiles_may_lack_only_when_nothing_is_cut(source: Source) -> None:
    with pytest.raises(InvalidOptions, match="--dst is required: folder for the tiles"):
        prepare(asked(source, check=False))
    with pytest.raises(InvalidOptions, match="add --check"):
        prepare(asked(source, check=False, dst=source.root / "tiles", check_json=source.root / "found.json"))

    assert not (source.root / "tiles").exists()


def test_options_that_contradict_the_source_are_refused_at_once(source: Source) -> None:
    with pytest.raises(SaticlError, match="'nowhere' is not known"):
        prepare(asked(source, crs="nowhere"))


def test_scenes_whose_polygons_all_lie_elsewhere_are_one_line(source: Source, look: Look) -> None:
    content = json.loads(source.description.read_text())
    del content["masks"]
    polygons = {"file": "labels/{name}.gpkg", "attribute": "kind", "area": {"file": "areas/{name}.gpkg"}}
    source.description.write_text(json.dumps(content | {"classes": ["x", "y", "z"], "polygons": polygons}))
    for name in source.names:
        for folder in ("labels", "areas"):
            write_polygons(source.root / f"raw/{folder}/{name}.gpkg", [box(0, 0, 5, 5)], ["x"])

    (text,) = look().texts(is_refused=True)

    assert text.endswith("The same in 4 more scenes: b, c, d, e.")


def test_overlaid_masks_with_the_same_problem_are_one_line(source: Source, look: Look) -> None:
    content = json.loads(source.description.read_text())
    masks = {"masks": ["masks/{name}.tif", "more/{name}.tif"], "unlabelled": [9]}
    source.description.write_text(json.dumps(content | masks))
    for name in source.names:
        raster.write(source.root / f"raw/more/{name}.tif", labels(30, 50, classes=3)[None], Affine.identity(), None)

    (text,) = look().texts(is_refused=True)

    assert "The same in 4 more scenes" in text


def test_with_min_valid_the_number_of_tiles_is_an_upper_limit(source: Source, look: Look) -> None:
    assert "`prepare` would cut at most 20 tiles of 32 pixels" in look(min_valid=0.5).shown
