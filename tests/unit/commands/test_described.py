"""What the options of `import` say of a model, and what they may not say."""

from pathlib import Path

import pytest
from torch.testing import assert_close

from saticl.commands.described import Described, describe_model
from saticl.config import ImportConfig
from saticl.errors import InvalidOptions


def described(**options: object) -> Described:
    known = {"checkpoint": Path("model.pth"), "architecture": "smp-unet", "encoder": "resnet18", "classes": "a, b,c"}
    return describe_model(ImportConfig.model_validate({**known, "normalization": "raw", **options}))


def test_lists_are_read_in_their_order() -> None:
    model = described(background="b", colours="FF0000,#00ff00, 000080", bands="nir, red")

    assert (model.channels.classes, model.channels.background) == (("a", "b", "c"), "b")
    assert model.colours == ((255, 0, 0), (0, 255, 0), (0, 0, 128))
    assert model.bands == ("nir", "red")


def test_colours_are_chosen_where_none_are_given() -> None:
    assert len(set(described().colours)) == 3


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [("raw", (0, 0, 0), (1, 1, 1)), ("unit", (0, 0, 0), (255, 255, 255))],
)
def test_named_normalizations_hold_for_every_band(name: str, mean: object, std: object) -> None:
    model = described(normalization=name)

    assert (model.mean, model.std) == (mean, std)


def test_imagenets_normalization_is_that_of_pixels_from_0_to_255() -> None:
    model = described(normalization="imagenet")

    assert_close(model.mean, (123.675, 116.28, 103.53))
    assert_close(model.std, (58.395, 57.12, 57.375))


def test_numbers_are_taken_as_they_are() -> None:
    model = described(normalization=None, mean="1, 2.5,-3", std="4,5,6e2")

    assert (model.mean, model.std) == ((1, 2.5, -3), (4, 5, 600))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"classes": "a,,b"}, "--classes 'a,,b' has an empty name"),
        ({"classes": "a,b,a"}, "--classes names a more than once"),
        ({"classes": ",".join(map(str, range(254)))}, "names 254, but masks hold at most 253"),
        ({"bands": "red,red"}, "--bands names red more than once"),
        ({"colours": "FF0000,red,00FF00"}, "'red', which is no colour"),
        ({"colours": "FF0000"}, r"--colours has 1 values, and --classes names 3 \(a, b, c\)"),
        ({"normalization": None}, "Say once"),
        ({"mean": "1,1,1"}, "Say once"),
        ({"std": "1,1,1"}, "Say once"),
        ({"mean": "1,1,1", "std": "1,1,1"}, "Say once"),
        ({"normalization": None, "mean": "1,1,1"}, "Say once"),
        ({"normalization": None, "std": "1,1,1"}, "Say once"),
        ({"normalization": None, "mean": "1,1", "std": "1,1,1"}, "--mean has 2 values, and --bands names 3"),
        ({"normalization": None, "mean": "1,1,1", "std": "1,1"}, "--std has 2 values"),
        ({"normalization": None, "mean": "1,x,1", "std": "1,1,1"}, "--mean '1,x,1' are not numbers"),
        ({"normalization": None, "mean": "1,nan,1", "std": "1,1,1"}, "are not numbers"),
        ({"normalization": None, "mean": "1,1,1", "std": "1,0,1"}, "must be above 0"),
        ({"normalization": "imagenet", "bands": "a,b"}, "give --mean and --std instead"),
    ],
)
def test_mistakes_are_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidOptions, match=sentence):
        described(**options)
