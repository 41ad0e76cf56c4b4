"""What is said of an exported model: the facts, the item, the card, and what Deepness reads; word for word."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import saticl
from saticl.export import deepness
from saticl.export.card import card
from saticl.export.facts import Facts, OutputClass, Source
from saticl.export.stac import Format, item
from saticl.runs.folder import Finished
from saticl.runs.scores import ClassRow, SplitScores
from tests.exported import MEAN, STD, about
from tests.trained import info


def facts(**changes: object) -> Facts:
    finished = Finished(Path("outputs/town/21/mine/step-1"), about())
    made = Facts.of(finished, 2_345_678, Source(dtype="uint8", highest=(255, 250, 3)), normalized=True, tile_size=None)
    return made.model_copy(update={"date": "2026-01-02T03:04:05Z", **changes})


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The clock of this process nine hours before that of UTC."""
    monkeypatch.setenv("TZ", "UTC-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_greenwich")
def test_facts_are_those_of_the_step() -> None:
    before = datetime.now(UTC).replace(microsecond=0)

    made = Facts.of(Finished(Path("outputs/town/21/mine/step-1"), about()), 5, Source(), normalized=True, tile_size=64)

    assert made.classes == (
        OutputClass(index=0, name="background", colour=(166, 169, 173)),
        OutputClass(index=1, name="building", colour=(0, 0, 255)),
        OutputClass(index=2, name="tree", colour=(0, 255, 0)),
        OutputClass(index=3, name="car", colour=(255, 255, 0)),
    )
    assert (made.bands, made.mean, made.std) == (("red", "green", "blue"), MEAN, STD)
    assert (made.dataset, made.protocol, made.run, made.step, made.method) == ("town", "21", "mine", 1, "ft")
    assert made.groups == (("building", "tree"), ("car",))
    assert (made.encoder, made.decoder, made.parameters, made.pretrained) == ("test_resnet", "unet", 5, False)
    assert (made.ground_size, made.tile_size, made.normalized) == (0.05, 64, True)
    assert (made.version, made.background) == (saticl.__version__, None)
    assert before <= datetime.fromisoformat(made.date) <= datetime.now(UTC)


@pytest.mark.parametrize("options", [{"pretrained": True}, {"weights": "encoder.pth"}])
def test_weights_from_elsewhere_are_pretrained(options: dict[str, object]) -> None:
    finished = Finished(Path("run/step-1"), about(**options))

    made = Facts.of(finished, 5, Source(), normalized=True, tile_size=None)

    assert made.pretrained
    properties = item(made, "onnx", "m", "c")["properties"]
    assert isinstance(properties, dict)
    assert properties["mlm:pretrained"] is True
    assert "mlm:pretrained_source" not in properties


def test_classes_of_later_steps_are_not_among_the_learned() -> None:
    first = Facts.of(Finished(Path("run/step-0"), info(0)), 5, Source(), normalized=True, tile_size=None)

    assert first.learned == (("building", "tree"),)
    assert facts().learned == (("building", "tree"), ("car",))


def test_deepness_reads_json() -> None:
    assert {name: json.loads(value) for name, value in deepness.properties(facts(tile_size=512)).items()} == {
        "model_type": "Segmentor",
        "class_names": {"0": "background", "1": "building", "2": "tree", "3": "car"},
        "resolution": 5.0,
        "tile_size": 512,
        "tiles_size": 512,
        "tiles_overlap": 25,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
        "standardization_mean": [0.0, 0.0, 0.0],
        "standardization_std": [1 / 255, 1 / 255, 1 / 255],
    }
    assert json.loads(deepness.properties(facts(ground_size=0.123456789))["resolution"]) == 12.3457
    assert not {"resolution", "tile_size", "tiles_size"} & {*deepness.properties(facts(ground_size=None))}


@pytest.mark.parametrize(
    ("form", "framework", "artifact"),
    [
        ("onnx", "ONNX", "onnx"),
        ("torchscript", "PyTorch", "torch.jit.save"),
        ("safetensors", "PyTorch", "safetensors"),
    ],
)
def test_the_item_has_the_fields_of_the_extension(form: Format, framework: str, artifact: str) -> None:
    made = facts()

    found = json.loads(json.dumps(item(made, form, "model.onnx", "model.onnx.md")))

    properties = found.pop("properties")
    assert found == {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/mlm/v1.5.1/schema.json",
            "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
        ],
        "id": "town-21-mine-step-1",
        "geometry": None,
        "links": [],
        "assets": {
            "model": {
                "href": "./model.onnx",
                "title": "town 21 mine step 1",
                "type": f"application/octet-stream; application={form}",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": artifact,
            },
            "card": {
                "href": "./model.onnx.md",
                "title": "Model card",
                "type": "text/markdown",
                "roles": ["metadata"],
            },
        },
    }
    assert Facts.model_validate(properties.pop("saticl")) == made
    (given,), (output,) = properties.pop("mlm:input"), properties.pop("mlm:output")
    assert properties == {
        "datetime": "2026-01-02T03:04:05Z",
        "title": "town 21 mine step 1",
        "bands": [{"name": "red"}, {"name": "green"}, {"name": "blue"}],
        "gsd": 0.05,
        "mlm:name": "town 21 mine step 1",
        "mlm:architecture": "unet with test_resnet",
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": framework,
        "mlm:total_parameters": 2_345_678,
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
    }
    assert given == {
        "name": "input",
        "description": "Raw values, normalised inside the model.",
        "bands": ["red", "green", "blue"],
        "input": {
            "shape": [-1, 3, -1, -1],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": None,
        "resize_type": None,
        "pre_processing_function": None,
    }
    assert output["name"] == "output"
    assert {*output} == {
        *("name", "description", "tasks", "result", "classification:classes", "post_processing_function"),
    }
    assert (output["description"], output["post_processing_function"]) == ("Probabilities.", None)
    assert output["tasks"] == ["semantic-segmentation"]
    assert output["result"] == {
        "shape": [-1, 4, -1, -1],
        "dim_order": ["batch", "class", "height", "width"],
        "data_type": "float32",
    }
    assert output["classification:classes"][3] == {
        "value": 3,
        "name": "car",
        "title": "car",
        "color_hint": "FFFF00",
    }


def test_names_in_the_item_are_those_that_its_extensions_allow() -> None:
    odd = OutputClass(index=1, name="Wald / forêt", colour=(1, 2, 10))
    made = facts(classes=(odd,), dataset="été 2026", run="a.b", ground_size=None, tile_size=64, normalized=False)

    found = item(made, "onnx", "m", "c")

    properties = found["properties"]
    assert isinstance(properties, dict)
    assert properties["title"] == "été 2026 21 a.b step 1"
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", properties["mlm:name"])
    assert found["id"] == "t-2026-21-a-b-step-1"
    (entry,) = properties["mlm:output"][0]["classification:classes"]
    assert entry == {"value": 1, "name": "Wald_for_t", "title": "Wald / forêt", "color_hint": "01020A"}
    assert "gsd" not in properties
    odd = OutputClass(index=0, name="水", colour=(0, 0, 0))
    named = item(facts(classes=(odd,)), "onnx", "m", "c")["properties"]
    assert isinstance(named, dict)
    assert named["mlm:output"][0]["classification:classes"][0]["name"] == "unnamed"
    assert properties["mlm:input"][0]["input"]["shape"] == [-1, 3, 64, 64]
    assert properties["mlm:output"][0]["result"]["shape"] == [-1, 1, 64, 64]
    assert properties["mlm:input"][0]["description"] == "Normalised values."
    assert properties["mlm:input"][0]["value_scaling"] == [
        {"type": "z-score", "mean": 90.0, "stddev": 40.0},
        {"type": "z-score", "mean": 100.0, "stddev": 50.0},
        {"type": "z-score", "mean": 110.0, "stddev": 0.0},
    ]


def scored(iou: float) -> SplitScores:
    row = ClassRow(name="tree|s", iou=iou, f1=0.5, precision=0.25, recall=float("nan"), support=3)
    return SplitScores(unseen="background", accuracy=0.5, groups={}, classes=(row,))


def test_the_card_says_what_the_model_is() -> None:
    text = card(facts(), "onnx", "town.onnx", {"test": scored(0.123456), "val": scored(1)}, "Checked.")

    assert text.startswith(
        "# town 21 mine step 1\n\nSemantic segmentation: unet with the encoder test_resnet, 2.3 mill"
    )
    assert "the method ft, protocol 21, step 1: {building, tree} > {car}. Run mine. Exported on 2026-01-02 by" in text
    assert "## Licence\n\n_To be filled in._\n" in text
    assert "| 0 | background | #A6A9AD | - |\n| 1 | building | #0000FF | 0 |" in text
    assert "| 3 | car | #FFFF00 | 1 |\n\n" in text
    assert "`input`: float32 [batch, 3, height, width], raw values as they are stored;" in text
    assert "Bands in this order: red, green, blue.\n\n" in text
    assert "`output`: float32 [batch, 4, height, width], probabilities by the index of the class. Checked.\n" in text
    assert "Dataset town, uint8; resolution: 0.05 m of ground per pixel.\n\n| band |" in text
    assert "| red | 90 | 40 | 255 |\n| green | 100 | 50 | 250 |\n| blue | 110 | 0 | 3 |\n" in text
    assert (
        "Test tiles, in per cent:\n\n| class | IoU | F1 | precision | recall |\n| --- | --- | --- | --- | --- |\n"
        in text
    )
    assert "| tree\\|s | 12.3 | 50 | 25 | - |\n\nValidation tiles, in per cent:" in text
    assert "| tree\\|s | 100 |" in text
    assert 'onnxruntime.InferenceSession("town.onnx")' in text
    assert "export again with `--tile-size 512`" in text
    assert text.endswith(".\n")


def test_the_card_says_what_is_not_known() -> None:
    text = card(facts(source=Source(), ground_size=None), "onnx", "m", {}, "")

    assert "type of values not known; resolution: not known" in text
    assert "| red | 90 | 40 | - |" in text
    assert "## Scores\n\nNot scored yet.\n" in text


def test_the_card_shows_how_each_kind_of_file_is_used() -> None:
    fixed = card(facts(tile_size=512), "onnx", "m.onnx", {}, "")
    assert "[batch, 3, 512, 512], raw" in fixed
    assert "[batch, 4, 512, 512], prob" in fixed
    assert "Deepness: choose the raster as input layer, m.onnx as model file" in fixed
    assert "map the bands to red, green, blue, and press Run." in fixed
    assert "export again" not in fixed

    script = card(facts(), "torchscript", "m.pt", {}, "")
    assert 'model = torch.jit.load("m.pt")' in script
    assert "onnx" not in script

    weights = card(facts(normalized=False), "safetensors", "m.safetensors", {}, "")
    assert "`Predictor.open(folder)`" in weights
    assert "(value - mean) / deviation, with the numbers below" in weights
