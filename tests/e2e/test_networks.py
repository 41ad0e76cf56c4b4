"""Decoders on the command line: trained, exported, applied; what cannot work is refused before training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from saticl.engine.checkpoint import save_model
from saticl.export import files
from saticl.export.facts import Facts, Source
from saticl.export.portable import Portable
from saticl.geo import raster
from saticl.inference.predictor import Predictor
from saticl.models.bodies import DECODERS
from saticl.runs.folder import MODEL_FILE, Finished
from tests.e2e.test_extension import SMALL, done, invoke
from tests.exported import about, segmenter
from tests.raw import write_picture

SIZES = [(1, 33, 97), (2, 131, 64)]
"""Tiles: count, height, width. None is the size at which networks are traced."""


NEW = [name for name in DECODERS if not name.startswith("unet")]
"""Others are exported in tests/unit/export."""


def finished(folder: Path, decoder: str, encoder: str = "test_resnet", norm: str = "std") -> Finished:
    of = about(encoder, decoder=decoder, norm=norm)
    save_model(folder / "run/step-1" / MODEL_FILE, segmenter(of).state_dict(), of)
    return Finished(folder / "run/step-1", of)


@pytest.mark.parametrize("decoder", NEW)
def test_an_exported_file_computes_what_the_step_computes_at_every_size(decoder: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: requirements-dev.txt brings it")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: requirements-dev.txt brings it")
    step = finished(tmp_path, decoder, norm="std" if decoder == "erfnet" else "abn")
    facts = Facts.of(step, 7, Source(), normalized=True, tile_size=None)
    portable, predictor = Portable.open(step.model), Predictor.open(step.folder, device="cpu")
    runs = [files.run_onnx(files.onnx_content(portable.expanded(), facts))]
    if decoder in ("deeplabv3", "upernet", "erfnet"):
        runs.append(files.run_torchscript(files.torchscript_content(portable.expanded(), facts)))

    for count, height, width in SIZES:
        tiles = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1)) * 255
        expected = predictor.batch(tiles)
        assert expected.std() > 0.01
        for run in runs:
            torch.testing.assert_close(run(tiles), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_map_is_made_with_every_decoder(decoder: str, tmp_path: Path) -> None:
    step = finished(tmp_path, decoder)
    picture = tmp_path / "photo.png"
    write_picture(picture, np.random.default_rng(0).integers(0, 255, (3, 90, 75)).astype(np.uint8))

    done("predict", "--run", step.folder.parent, picture, "--dst", tmp_path / "maps", "--size=64", "--overlap=16")

    assert raster.read(tmp_path / "maps/photo.png").shape[1:] == (90, 75)


@pytest.mark.parametrize(
    ("encoder", "decoder", "method"),
    [("erfnet", "erfnet", "plop"), pytest.param("test_resnet", "deeplabv3", "mib", marks=pytest.mark.slow)],
)
def test_steps_are_trained_one_after_another(
    encoder: str, decoder: str, method: str, tiny_tiles: Path, tmp_path: Path
) -> None:
    words = [word for word in SMALL if "encoder" not in word and "batch" not in word]

    text = done(
        *("train", "--data-root", tiny_tiles, "--output-folder", tmp_path, "--name=run", f"--method={method}"),
        *("--task.name=321", "--task.step=all", "--aug.factor=0.1", "--aug.factor-icl=0.1", "--image-size=32"),
        *(f"--model.encoder={encoder}", f"--model.decoder={decoder}", "--trainer.max-iterations=1"),
        *("--trainer.batch-size=2", *words),
    )

    assert "Traceback" not in text
    assert len(list(tmp_path.glob(f"*/*/run/*/{MODEL_FILE}"))) == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--model.encoder=test_vit", "--model.decoder=deeplabv3plus"), "deeplabv3plus adds a finer map"),
        (("--model.decoder=erfnet", "--model.norm=abn"), "leave out --model.norm and --model.act"),
        (("--model.encoder=resnet101_iabn",), "Did you mean 'resnet101-iabn'?"),
        (("--model.encoder=erfnet", "--model.pretrained"), "give a file with --model.weights FILE"),
        (("--model.encoder=resnet101-iabn", "--model.weights=none.pth"), "There is no file none.pth"),
        (("--model.decoder=deeplab",), "--model.decoder must be"),
    ],
)
def test_networks_that_cannot_be_are_refused_before_training(
    words: tuple[str, ...], sentence: str, tiny_tiles: Path, tmp_path: Path
) -> None:
    small = [word for word in SMALL if "encoder" not in word]
    code, text = invoke("train", "--data-root", tiny_tiles, "--output-folder", tmp_path, "--name=run", *small, *words)

    assert code == 2
    assert sentence in text
    assert not list(tmp_path.rglob("journal.jsonl"))


def test_decoders_are_listed() -> None:
    assert all(name in done("list", "decoders", "--json") for name in DECODERS)
    assert "resnet101-iabn" in done("list", "encoders", "iabn")
