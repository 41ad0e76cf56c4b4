"""A trained step on the command line, from a run to files that other programs run; or one sentence."""

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from saticl.engine.checkpoint import save_model
from saticl.export.facts import Facts
from saticl.inference.predictor import Predictor
from saticl.methods.finetuning import FineTuning
from saticl.tiles.manifest import Manifest
from saticl.types import Output
from tests.e2e.test_extension import SMALL, done, invoke
from tests.exported import about, segmenter, write


@pytest.fixture(scope="module")
def onnxruntime() -> Any:
    pytest.importorskip("onnx", reason="onnx is not installed: requirements-dev.txt brings it")
    return pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture(scope="module")
def trained(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps; only the second was scored on test tiles."""
    output = tmp_path_factory.mktemp("outputs")
    done(
        *("train", "--data-root", tiny_tiles, "--output-folder", output, "--name=run", "--method=ft"),
        *("--task.name=321", "--task.step=0", *SMALL),
    )
    (run,) = output.glob("*/*/run")
    done("train", "--config", run / "step-0" / "config.yaml", "--task.step=1")
    done("test", "--run", run, "--num-workers=0", "--panels=0")
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, to which a test may write."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def untrained(tmp_path: Path) -> Path:
    """A run without data, options and scores."""
    return write(tmp_path / "town", about()).folder.parent


def facts(path: Path) -> Facts:
    """Those in the item beside a file."""
    item = json.loads(path.with_name(f"{path.name}.stac.json").read_text(encoding="utf-8"))
    return Facts.model_validate(item["properties"]["saticl"])


def test_a_run_becomes_a_file_that_gives_what_the_step_gives(onnxruntime: Any, run: Path, tiny_tiles: Path) -> None:
    text = done("export", "--run", run)

    path = run / "step-1" / "export" / "model.onnx"
    assert {one.name for one in path.parent.iterdir()} == {"model.onnx", "model.onnx.stac.json", "model.onnx.md"}
    assert "probabilities differ by at most" in text
    session = onnxruntime.InferenceSession(path)
    images = torch.randint(0, 256, (2, 3, 75, 90))
    (found,) = session.run(["output"], {"input": images.numpy().astype(np.float32)})
    np.testing.assert_allclose(found, Predictor.open(run, device="cpu").batch(images), rtol=0, atol=1e-4)

    known, manifest = facts(path), Manifest.load(tiny_tiles)
    assert session.get_modelmeta().custom_metadata_map["saticl_export"] == known.model_dump_json()
    assert (known.step, known.run, known.protocol, known.normalized) == (1, "run", "321", True)
    assert known.parameters == sum(one.numel() for one in Predictor.open(run / "step-1").network.parameters())
    assert known.source.dtype == manifest.dtype
    assert known.source.highest == manifest.statistics.highest
    card = path.with_name("model.onnx.md").read_text(encoding="utf-8")
    assert card.index("Test tiles") < card.index("Validation tiles")
    assert "Not scored" not in card


def test_the_example_in_the_page_works(
    onnxruntime: Any, untrained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    block = re.search(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert block is not None
    done("export", "--run", untrained)
    monkeypatch.chdir(untrained / "step-1" / "export")
    capsys.readouterr()

    exec(block[1], {})

    assert capsys.readouterr().out.strip() in ("background", "building", "tree", "car")


def test_a_step_a_format_and_a_file_can_be_chosen(run: Path, tmp_path: Path) -> None:
    dst = tmp_path / "new" / "town.pt"

    done("export", "--run", run, "--task.step=0", "--format=torchscript", "--dst", dst)
    done("export", "--run", run / "step-0", "--format=safetensors")

    assert {one.name for one in dst.parent.iterdir()} == {"town.pt", "town.pt.stac.json", "town.pt.md"}
    assert facts(dst).step == 0
    weights = run / "step-0" / "export" / "model.safetensors"
    assert facts(weights).normalized is False
    assert Predictor.open(weights.parent).names == Predictor.open(run / "step-0").names
    assert not (run / "step-1" / "export").exists()


def test_a_step_alone_is_enough(onnxruntime: Any, untrained: Path) -> None:
    text = done("export", "--run", untrained, "--tile-size=40")

    path = untrained / "step-1" / "export" / "model.onnx"
    assert "red, green, blue: raw values, tiles of 40 x 40 pixels" in text
    assert (facts(path).source.dtype, facts(path).tile_size) == (None, 40)
    assert "Not scored yet." in path.with_name("model.onnx.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("encoder", ["test_vit", "convit_tiny"])
def test_encoders_of_one_size_say_so(encoder: str, onnxruntime: Any, tmp_path: Path) -> None:
    write(tmp_path, about(encoder))

    text = done("export", "--run", tmp_path)

    assert f"{encoder} exports at one size only: exported for tiles of 64 x 64 pixels." in text
    assert facts(tmp_path / "step-1" / "export" / "model.onnx").tile_size == 64
    for size in (65, 48):
        code, text = invoke("export", "--run", tmp_path, f"--tile-size={size}")
        pads = encoder == "convit_tiny" and size < 64
        refused = f"{encoder} exports at 64 x 64 pixels, not at --tile-size {size}: leave it out." in text
        assert (code, refused, "one size" in text) == (0 if pads else 2, not pads, False)
    assert "one size" not in done("export", "--run", tmp_path, "--tile-size=64")
    assert encoder == "convit_tiny" or "every size" in done("export", "--run", tmp_path, "--format=torchscript")


def test_a_difference_leaves_nothing_behind(
    onnxruntime: Any, untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bound_to_a_size(cls: type[FineTuning], output: Output) -> torch.Tensor:
        shift = 0.0 if output.logits.shape[-1] == 61 else 1.0  # a trace keeps what it has seen
        return output.logits.softmax(1) + shift

    monkeypatch.setattr(FineTuning, "decode", classmethod(bound_to_a_size))

    for form in ("onnx", "torchscript"):
        code, text = invoke("export", "--run", untrained, "--format", form)
        assert code == 2
        assert (
            "test_resnet is not what was trained: for 1 x 1 x 1 pixels probabilities differ by up to 1.0e+00" in text
        )
        assert not (untrained / "step-1" / "export").exists()


def without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a package were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr("saticl.export.files.find_spec", lambda name: None if name == package else find(name))


def test_without_onnx_one_sentence_says_how_to_install_it(untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without("onnx", monkeypatch)

    code, text = invoke("export", "--run", untrained)

    assert code == 2
    assert "--format onnx needs the package onnx: run `pip install onnx onnxruntime`." in text
    done("export", "--run", untrained, "--format=torchscript")


def test_without_onnxruntime_the_file_is_written_unchecked(
    onnxruntime: Any, untrained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("onnxruntime", monkeypatch)

    text = done("export", "--run", untrained)

    assert "Not checked: onnxruntime is not installed (`pip install onnxruntime`)." in text
    assert "Not checked" in (untrained / "step-1" / "export" / "model.onnx.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--run={tmp}/none"], "none holds no finished step"),
        (["--run={tmp}/unfinished"], "unfinished holds no finished step"),
        (["--task.step=0"], "has no finished step 0; finished: 1."),
        (["--format=tflite"], "--format must be one of onnx, torchscript, safetensors, not 'tflite'"),
        (["--dst={tmp}"], "is a folder: name a file in it, such as {tmp}/model.onnx."),
        (
            ["--format=safetensors", "--dst={run}/step-1/../step-1/model.safetensors"],
            "is the model of the step itself: name another file.",
        ),
        (["--format=safetensors", "--tile-size=64"], "leave out --tile-size"),
        (["--tile-size=0"], "--tile-size"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    words: list[str], sentence: str, untrained: Path, tmp_path: Path
) -> None:
    (tmp_path / "unfinished" / "step-0").mkdir(parents=True)
    before = (untrained / "step-1" / "model.safetensors").read_bytes()
    known = {"tmp": tmp_path, "run": untrained}

    code, text = invoke("export", "--run", untrained, *(word.format(**known) for word in words))

    assert code == 2
    assert sentence.format(**known) in text
    assert [one.name for one in (untrained / "step-1").iterdir()] == ["model.safetensors"]
    assert (untrained / "step-1" / "model.safetensors").read_bytes() == before


def test_data_that_are_gone_or_damaged_are_not_known(run: Path, tmp_path: Path) -> None:
    options = run / "step-1" / "config.yaml"
    path = run / "step-1" / "export" / "model.pt"
    text = options.read_text(encoding="utf-8")
    (root,) = (line.split(": ", 1)[1] for line in text.splitlines() if line.startswith("data_root: "))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "dataset.json").write_text("{}")

    for other in (tmp_path / "gone", tmp_path / "damaged"):
        options.write_text(text.replace(root, str(other)), encoding="utf-8")
        done("export", "--run", run, "--format=torchscript")
        assert facts(path).source.dtype is None


def test_damaged_scores_are_one_sentence(run: Path) -> None:
    (run / "step-1" / "scores.json").write_text("{")

    code, text = invoke("export", "--run", run, "--format=safetensors")

    assert (code, "scores.json is damaged" in text) == (2, True)
    assert not (run / "step-1" / "export").exists()


def test_weights_that_are_not_the_bands_of_the_data_have_no_range(run: Path, tiny_tiles: Path) -> None:
    """A step that reads a band which its folder does not have any more."""
    of = about().model_copy(update={"bands": ("red", "green", "infrared")})
    save_model(run / "step-1" / "model.safetensors", segmenter(of).state_dict(), of)

    done("export", "--run", run, "--format=safetensors")

    known = facts(run / "step-1" / "export" / "model.safetensors").source
    assert (known.dtype, known.highest) == (Manifest.load(tiny_tiles).dtype, ())
