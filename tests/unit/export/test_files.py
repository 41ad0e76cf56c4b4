"""Exported files compute what the step computes, at sizes they were not made at, and say what they are."""

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from saticl.engine.checkpoint import load_model
from saticl.errors import InvalidOptions
from saticl.export import files
from saticl.export.check import Run
from saticl.export.facts import Facts, Source
from saticl.export.portable import Portable
from saticl.inference.predictor import Predictor
from saticl.methods.finetuning import FineTuning
from saticl.runs.folder import MODEL_FILE, Finished
from saticl.runs.step import read_info
from saticl.types import Output
from tests.exported import about, write

onnx = pytest.importorskip("onnx", reason="onnx is not installed: requirements-dev.txt brings it")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: requirements-dev.txt brings it")

SIZES = [(1, 1, 1), (1, 2, 7), (2, 33, 97), (3, 64, 64), (1, 131, 70), (1, 1, 200)]


def facts_of(finished: Finished, tile_size: int | None = None) -> Facts:
    return Facts.of(finished, 7, Source(), normalized=True, tile_size=tile_size)


def tiles(count: int, height: int, width: int) -> Tensor:
    """Raw values as a file of 8 bits has them."""
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(1)).float()


class World:
    """A step with activated norms, and its files."""

    def __init__(self, run: Path) -> None:
        self.finished = write(run, about(norm="abn", act="ident"))
        self.facts = facts_of(self.finished)
        self.step = Portable.open(self.finished.model)
        self.predictor = Predictor.open(self.finished.folder, device="cpu")
        self.onnx = files.onnx_content(self.step.expanded(), self.facts)
        self.torchscript = files.torchscript_content(self.step.expanded(), self.facts)

    def run(self, form: str) -> Run:
        return files.run_onnx(self.onnx) if form == "onnx" else files.run_torchscript(self.torchscript)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("run"))


@pytest.mark.parametrize("form", ["onnx", "torchscript"])
def test_files_give_the_probabilities_of_the_step_at_every_size(form: str, world: World) -> None:
    run = world.run(form)

    for size in SIZES:
        images = tiles(*size)
        found, expected = run(images), world.predictor.batch(images)
        assert found.dtype == torch.float32
        assert found.shape == (size[0], 4, *size[1:])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert float(found.amax()) > 0.6  # so that 1e-4 is small
    assert len(found.argmax(1).unique()) > 1


def test_scores_mean_what_the_method_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def reversed_scores(cls: type[FineTuning], output: Output) -> Tensor:
        return (-output.logits).softmax(1)

    plain = world.run("onnx")(tiles(1, 40, 40))
    monkeypatch.setattr(FineTuning, "decode", classmethod(reversed_scores))
    step = Portable.open(world.finished.model)

    found = files.run_onnx(files.onnx_content(step, world.facts))(tiles(1, 40, 40))

    assert found.argmax(1).equal(plain.argmin(1))


def metadata(content: bytes) -> Mapping[str, str]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    return found


def test_onnx_has_names_shapes_and_facts(world: World) -> None:
    session = onnxruntime.InferenceSession(world.onnx, providers=["CPUExecutionProvider"])

    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
        ("input", ["batch", 3, "height", "width"], "tensor(float)")
    ]
    assert [(one.name, one.shape, one.type) for one in session.get_outputs()] == [
        ("output", ["batch", 4, "height", "width"], "tensor(float)")
    ]
    assert Facts.model_validate_json(metadata(world.onnx)["saticl_export"]) == world.facts
    assert [one.version for one in onnx.load_from_string(world.onnx).opset_import if one.domain == ""] == [17]


@pytest.mark.filterwarnings("ignore:.*torch.jit.load:FutureWarning")
def test_torchscript_has_the_facts(world: World) -> None:
    extra = {"saticl_export": ""}

    torch.jit.load(io.BytesIO(world.torchscript), _extra_files=extra)

    assert Facts.model_validate_json(extra["saticl_export"]) == world.facts


def deepness(content: bytes, image: np.ndarray) -> np.ndarray:
    """What the plugin does with a tile [H, W, C]: its preprocessing, its threshold, its classes."""
    known = {name: json.loads(value) for name, value in metadata(content).items() if name != "saticl_export"}
    batch = np.float32(image[None] * 1.0 / 255.0)
    mean, std = (np.array(known[f"standardization_{name}"], dtype=np.float32) for name in ("mean", "std"))
    batch = ((batch - mean) / std).transpose(0, 3, 1, 2)
    result: np.ndarray = onnxruntime.InferenceSession(content).run(None, {"input": batch})[0]
    result[result < known["seg_thresh"]] = 0.0
    return result


@pytest.mark.parametrize("highest", [255, 4095])
def test_deepness_gets_the_probabilities_of_the_step(highest: int, world: World) -> None:
    image = np.random.default_rng(0).integers(0, highest + 1, (64, 64, 3)).astype(np.uint16)

    found = deepness(world.onnx, image)

    expected = world.predictor.batch(torch.from_numpy(image.astype(np.int32)).permute(2, 0, 1)[None])
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=2e-4)


def test_a_tile_size_is_the_only_one(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    content = files.onnx_content(world.step.expanded(), facts_of(world.finished, 50))

    session = onnxruntime.InferenceSession(content)
    shapes = [one.shape for one in (*session.get_inputs(), *session.get_outputs())]
    assert shapes == [["batch", 3, 50, 50], ["batch", 4, 50, 50]]
    run = files.run_onnx(content)
    torch.testing.assert_close(run(tiles(2, 50, 50)), world.step(tiles(2, 50, 50)), rtol=0, atol=1e-4)
    with pytest.raises(Exception, match="Expected: 50"):
        run(tiles(1, 51, 50))
    assert capfd.readouterr().err == ""
    known = metadata(content)
    assert (known["tile_size"], known["tiles_size"]) == ("50", "50")


def test_exporting_leaves_the_step_as_it_was(world: World) -> None:
    before = world.step(tiles(1, 20, 20))

    twin = world.step.expanded()

    names = {type(module).__name__ for module in world.step.modules()}
    assert "ABN" in names
    assert "ABN" not in {type(module).__name__ for module in twin.modules()}
    assert world.step(tiles(1, 20, 20)).equal(before)
    torch.testing.assert_close(twin(tiles(1, 20, 20)), before)
    assert not any(tensor.requires_grad for tensor in twin.parameters())


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", None])
def test_packages_are_looked_for(missing: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None if name == missing else object())

    assert files.can_run_onnx() is (missing != "onnxruntime")
    if missing == "onnx":
        with pytest.raises(InvalidOptions, match=r"needs the package onnx: run `pip install onnx onnxruntime`"):
            files.require_packages()
    else:
        files.require_packages()


@pytest.mark.parametrize("norm", ["iabn", "iabn_sync"])
def test_in_place_abn_is_exported_where_it_is_not_installed(
    norm: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of such a step is that of an `abn` step but for one word, since both have the same state."""
    monkeypatch.setitem(sys.modules, "inplace_abn", None)
    monkeypatch.setitem(sys.modules, "saticl.models.iabn", None)  # another test may have imported it
    monkeypatch.delattr("saticl.models.iabn", raising=False)
    content = files.safetensors_content(world.finished.model, world.facts)
    path = tmp_path / MODEL_FILE
    path.write_bytes(content)
    named = world.finished.info.model.model_copy(update={"norm": norm})
    in_place = read_info(path).model_copy(update={"model": named})
    monkeypatch.setattr("saticl.engine.checkpoint.read_info", lambda _: in_place)

    step = Portable.open(path)

    assert step(tiles(1, 40, 30)).equal(world.step(tiles(1, 40, 30)))
    assert step.info.model.norm == norm
    with pytest.raises(InvalidOptions, match="In-Place ABN"):
        load_model(path)


def test_safetensors_are_the_step_with_the_facts(world: World, tmp_path: Path) -> None:
    from safetensors import safe_open

    path = tmp_path / MODEL_FILE
    path.write_bytes(files.safetensors_content(world.finished.model, world.facts))

    assert read_info(path) == world.finished.info
    ours, theirs = load_model(path)[0].state_dict(), load_model(world.finished.model)[0].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    with safe_open(path, framework="numpy") as archive:
        assert Facts.model_validate_json(archive.metadata()["saticl_export"]) == world.facts


@pytest.mark.parametrize("content", [files.onnx_content, files.torchscript_content])
def test_a_network_that_cannot_be_traced_is_one_sentence(
    content: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(image: Tensor) -> Tensor:
        raise RuntimeError("no such operation\nsecond line")

    step = world.step.expanded()
    monkeypatch.setattr(step, "decode", odd)

    with pytest.raises(InvalidOptions) as caught:
        content(step, world.facts)
    said = str(caught.value)
    assert said.startswith(
        "test_resnet cannot be exported for tiles of every size (no such operation). Add --tile-size"
    )
    with pytest.raises(InvalidOptions, match="for tiles of 64 pixels") as caught:
        content(step, facts_of(world.finished, 64))
    assert "--tile-size" not in str(caught.value)
