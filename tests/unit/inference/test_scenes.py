"""Which images are meant, and where their maps go."""

from pathlib import Path

import pytest

from saticl.errors import InvalidOptions
from saticl.inference.scenes import places


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A folder with images and other files."""
    for name in ("b.tif", "a.png", "notes.csv", "deep/c.jp2"):
        (tmp_path / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "city" / name).touch()
    (tmp_path / "city/list.txt").write_text("# two\n\nb.tif\nhttps://host/d.tif?token=1\n/vsizip/x.zip/e.tif\n")
    return tmp_path / "city"


def names(*words: object) -> list[tuple[str, str]]:
    return [(place.source, str(place.dst)) for place in places([str(word) for word in words], Path("maps"))]


def test_files_folders_patterns_addresses_and_lists_name_images(city: Path) -> None:
    assert names(city / "b.tif") == [(f"{city}/b.tif", "maps/b.tif")]
    assert names(city) == [(f"{city}/a.png", "maps/a.png"), (f"{city}/b.tif", "maps/b.tif")]
    assert names(f"{city}/**/*.jp2") == [(f"{city}/deep/c.jp2", "maps/c.tif")]
    assert names(city / "list.txt") == [
        (f"{city}/b.tif", "maps/b.tif"),
        ("https://host/d.tif?token=1", "maps/d.tif"),
        ("/vsizip/x.zip/e.tif", "maps/e.tif"),
    ]


def test_an_image_that_is_named_twice_is_one(city: Path) -> None:
    assert len(names(city / "b.tif", city)) == 2


def test_what_cannot_be_predicted_is_one_sentence(city: Path) -> None:
    (city / "deep/b.tif").touch()
    (city / "empty").mkdir()
    for words, sentence in (
        ([], "No image was named"),
        ([city / "x.tif"], "There is no image .*x.tif: name a file"),
        ([f"{city}/*.xyz"], "No file matches"),
        ([city / "empty"], "empty holds no image"),
        (
            [city / "b.tif", city / "deep/b.tif"],
            "The map of .*deep/b.tif would have the same name as that",
        ),
    ):
        with pytest.raises(InvalidOptions, match=sentence):
            names(*words)


def test_a_map_and_what_belongs_to_it_lie_side_by_side(city: Path) -> None:
    (place,) = places([str(city / "b.tif")], Path("maps"))

    assert (place.facts, place.further("confidence")) == (Path("maps/b.json"), Path("maps/b_confidence.tif"))
    assert place.parts({"size": 1}) != place.parts({"size": 2})
    assert place.parts({"size": 1}).parent == Path("maps")
    assert place.parts({"size": 1}).name.startswith(".b.")


def test_maps_never_share_a_file(tmp_path: Path) -> None:
    for name in ("a.tif", "a_confidence.tif", "predict.tif"):
        (tmp_path / name).touch()

    for names, shared in ((("a", "a_confidence"), "a_confidence.tif"), (("predict",), "predict.json")):
        with pytest.raises(InvalidOptions, match=rf"would have the same name as that of .* \({shared}\)"):
            places([str(tmp_path / f"{name}.tif") for name in names], Path("maps"))


def test_maps_in_a_folder_of_images_are_no_images(city: Path) -> None:
    (city / "b.json").write_text('{"made_with": {}}')
    (city / "b_confidence.tif").touch()

    assert names(city) == [(f"{city}/a.png", "maps/a.png")]
    assert names(f"{city}/*.*g") == [(f"{city}/a.png", "maps/a.png")]


def test_what_follows_a_question_mark_in_an_address_is_kept_to_ourselves() -> None:
    (place,) = places(["https://host/d.tif?token=secret"], Path("maps"))

    assert (place.source, place.name) == ("https://host/d.tif?token=secret", "https://host/d.tif")


def test_a_list_does_not_name_lists(city: Path) -> None:
    (city / "circle.txt").write_text("circle.txt\n")

    with pytest.raises(InvalidOptions, match="names another list"):
        names(city / "circle.txt")
