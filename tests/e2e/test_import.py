"""A model of another program from its file to a step that is scored, applied and continued; or one sentence."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from saticl import cli
from saticl.inference.predictor import Predictor
from saticl.protocols import ISPRS_CLASSES
from saticl.runs.folder import MODEL_FILE
from saticl.runs.step import read_info
from tests.foreign import as_theirs, made

SCALE = ("--mean=100,110,120", "--std=50,60,70")
LEARN = (
    *("--method=mib", "--trainer.max-epochs=1", "--trainer.max-iterations=2", "--trainer.batch-size=2"),
    *("--trainer.num-workers=0", "--tracking.uri=none", "--val-size=0.3"),
)


def invoke(*words: object) -> tuple[int, str]:
    """Exit code and everything printed of a command line."""
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout + result.stderr


def words(file: Path, classes: str, output: Path, *more: str) -> list[object]:
    """A whole command line."""
    known = ["import", "--checkpoint", file, "--architecture=smp-unet", "--encoder=tu-test_resnet"]
    return [*known, f"--classes={classes}", "--output-folder", output, *SCALE, *more]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A model with three outputs."""
    torch.save({"state_dict": as_theirs(made(), "model.")}, tmp_path / "town.pth")
    return tmp_path / "town.pth"


@pytest.mark.parametrize("background", [None, "tree"])
def test_an_imported_step_predicts_what_the_model_predicts(background: str | None, file: Path, tmp_path: Path) -> None:
    named = () if background is None else (f"--background={background}",)
    code, text = invoke(*words(file, "road,tree,roof", tmp_path / "out", "--colours=FF0000,00FF00,0000FF", *named))
    assert code == 0, text

    predictor = Predictor.open(tmp_path / "out" / "imported" / "offline" / "town" / "step-0")

    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    mean, std = torch.tensor([100.0, 110, 120]), torch.tensor([50.0, 60, 70])
    with torch.no_grad():
        theirs = made()((images - mean[:, None, None]) / std[:, None, None]).logits.argmax(1)
    assert predictor.names == (background or "background", *[n for n in ("road", "tree", "roof") if n != background])
    expected = torch.tensor([predictor.names.index(name) for name in ("road", "tree", "roof")])[theirs]
    assert torch.equal(predictor.batch(images).argmax(1), expected)
    assert len(expected.unique()) > 1
    assert predictor.colours[predictor.names.index("roof")] == (0, 0, 255)


def test_an_imported_step_is_scored(tiny_tiles: Path, tmp_path: Path) -> None:
    torch.save(as_theirs(made(6)), tmp_path / "six.pth")
    code, text = invoke(
        *words(tmp_path / "six.pth", ",".join(ISPRS_CLASSES), tmp_path / "out", "--dataset=potsdam", "--name=six"),
        "--data-root",
        tiny_tiles,
    )
    assert code == 0, text
    run = tmp_path / "out" / "potsdam" / "offline" / "six"

    code, text = invoke("test", "--run", run, "--num-workers=0", "--panels=0")

    assert code == 0, text
    assert (run / "step-0" / "scores.json").is_file()


def test_the_next_step_learns_a_class_on_top(file: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    code, text = invoke(*words(file, "building,tree,car", tmp_path / "out"))
    assert code == 0, text
    run = tmp_path / "out" / "imported" / "offline" / "town"

    code, text = invoke("train", "--extend", run / "step-0", "--data-root", tiny_tiles, "--add=clutter", *LEARN)

    assert code == 0, text
    second = run / "step-1"
    assert Predictor.open(second).names == ("background", "building", "tree", "car", "clutter")
    about = read_info(second / MODEL_FILE)
    assert (about.model.decoder, about.mean) == ("unet-smp", (100, 110, 120))


def test_a_folder_that_holds_a_step_is_kept(file: Path, tmp_path: Path) -> None:
    assert invoke(*words(file, "a,b,c", tmp_path / "out"))[0] == 0
    (model,) = tmp_path.glob(f"out/*/*/*/*/{MODEL_FILE}")
    before = model.read_bytes()

    code, text = invoke(*words(file, "c,b,a", tmp_path / "out"))

    assert code == 2
    assert "already holds a step: give another --name" in " ".join(text.split())
    assert model.read_bytes() == before


def test_a_step_that_is_being_trained_is_kept(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "imported" / "offline" / "town" / "step-0"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("method: mib\n", encoding="utf-8")

    code, _ = invoke(*words(file, "a,b,c", tmp_path / "out"))

    assert code == 2
    assert [path.name for path in folder.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("classes", "more", "sentence"),
    [
        ("a,b", (), "has 3 outputs, and --classes names 2 (a, b)"),
        ("a,b,c", ("--background=d",), "--background d is none of the --classes a, b, c"),
        ("a,b,c", ("--encoder=tu-test_convnext",), "tensors are missing"),
        (
            "a,b,c",
            ("--architecture=deeplabv3",),
            "--architecture must be one of smp-unet, mib, erfnet, not 'deeplabv3'",
        ),
        ("a,b,c", ("--normalization=unit",), "Say once how pixels were scaled"),
        ("a,b,c", ("--checkpoint=none.pth",), "There is no file none.pth: --checkpoint takes"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_nothing_is_written(
    classes: str, more: tuple[str, ...], sentence: str, file: Path, tmp_path: Path
) -> None:
    code, text = invoke(*words(file, classes, tmp_path / "out", *more))

    assert code == 2
    assert sentence in " ".join(text.split())
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_is_one_sentence(file: Path, tmp_path: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])

    code, text = invoke(*words(file, "a,b,c", tmp_path / "out"))

    assert code == 2
    assert "is not a file of weights, or it is damaged" in " ".join(text.split())
