"""Training through the command line on a small prepared folder: steps, resuming, refusals, agreement with `test`."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from saticl import cli
from saticl.display.tables import percent
from saticl.engine import fit
from saticl.engine.checkpoint import load_model
from saticl.engine.episode import Keep
from saticl.files import to_json
from saticl.geo import raster
from saticl.metrics.incremental import over_steps, true_iou
from saticl.protocols import ISPRS
from saticl.runs.journal import Epoch
from saticl.runs.step import read_info
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import read_index, write_index
from saticl.tiles.manifest import Manifest
from saticl.transforms.normalize import Normalize

SMALL = [
    "--model.encoder=test_resnet",
    "--trainer.batch-size=4",
    "--trainer.num-workers=0",
    "--trainer.max-epochs=2",
    "--tracking.uri=none",
    "--val-size=0.3",
]


def invoke(*words: object) -> tuple[int, str]:
    """Exit code and everything printed of a command line."""
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout + result.stderr


def train(tiles: Path, output: Path, *more: object) -> Path:
    """Train and return the run's folder."""
    code, text = invoke("train", "--data-root", tiles, "--output-folder", output, "--name=run", *SMALL, *more)
    assert code == 0, text
    (run,) = output.glob("*/*/run")
    return run


MIB_CD = ("--task.name=222a", "--method=mib", "--aug.factor=0.1", "--aug.factor-icl=0.1")


@pytest.fixture(scope="module")
def two_steps(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all steps of a protocol with MiB and rotation distillation, scored on the test split."""
    output = tmp_path_factory.mktemp("two_steps")
    run = train(tiny_tiles, output, *MIB_CD, "--task.step=all")
    code, text = invoke("test", "--run", run, "--task.step=all", "--num-workers=0", "--panels=2", "--predictions")
    assert code == 0, text
    return run


def test_every_step_leaves_a_sealed_folder(two_steps: Path) -> None:
    for step in range(3):
        folder = two_steps / f"step-{step}"
        names = {path.name for path in folder.iterdir()}
        assert {
            "config.yaml",
            "model.safetensors",
            "journal.jsonl",
            "scores.json",
            "confusion.json",
            "figures",
        } <= names
        assert "last" not in names
        assert read_info(folder / "model.safetensors").step == step


def test_later_steps_grow_the_classifier_and_keep_its_order(two_steps: Path) -> None:
    weights = [load_file(two_steps / f"step-{step}" / "model.safetensors") for step in range(3)]

    heads = [
        [len(tensors[f"classifier.heads.{head}.bias"]) for head in range(step + 1)]
        for step, tensors in enumerate(weights)
    ]

    assert heads == [[3], [3, 2], [3, 2, 2]]


def test_the_score_of_train_is_the_score_of_test_on_the_same_tiles(two_steps: Path) -> None:
    path = two_steps / "step-2" / "scores.json"
    printed_by_train = json.loads(path.read_text())["val"]

    code, text = invoke("test", "--run", two_steps, "--task.step=2", "--split=val", "--num-workers=0", "--panels=0")

    assert code == 0, text
    assert json.loads(path.read_text())["val"] == printed_by_train


def test_scores_and_their_matrix_say_the_same(two_steps: Path) -> None:
    scores = json.loads((two_steps / "step-2" / "scores.json").read_text())["test"]
    matrix = np.array(json.loads((two_steps / "step-2" / "confusion.json").read_text())["test"]["matrix"])

    assert scores["accuracy"] == pytest.approx(matrix.trace() / matrix.sum())
    assert [row["support"] for row in scores["classes"]] == matrix.sum(1).tolist()


def test_every_pixel_of_the_test_scenes_is_scored_once(two_steps: Path, tiny_tiles: Path) -> None:
    matrix = np.array(json.loads((two_steps / "step-0" / "confusion.json").read_text())["test"]["matrix"])
    manifest = json.loads((tiny_tiles / "dataset.json").read_text())

    labelled = sum(sum(scene["counts"]) for scene in manifest["scenes"] if scene["split"] == "test")

    assert matrix.sum() == labelled


def test_figures_and_the_table_over_steps_are_written(two_steps: Path) -> None:
    for step in range(3):
        figures = {path.name for path in (two_steps / f"step-{step}" / "figures").iterdir()}
        assert figures >= {"curves.png", "confusion-test.png", "classes-test.png", "panels-test.png"}
    table = json.loads((two_steps / "steps-test.json").read_text())
    assert table["steps"] == [0, 1, 2]
    assert (two_steps / "steps-test.png").is_file()


def test_the_whole_run_is_summed_up_and_follows_from_the_matrices_of_its_steps(two_steps: Path) -> None:
    document = json.loads((two_steps / "steps-test.json").read_text())
    matrices = [json.loads((two_steps / f"step-{step}" / "confusion.json").read_text()) for step in range(3)]
    iou = [true_iou(one["test"]["matrix"]) for one in matrices]

    run = over_steps(iou, (3, 2, 2))

    assert (document["split"], document["unseen"], document["joint"]) == ("test", "background", None)
    assert document["summary"] == to_json(run.summary)
    assert document["forgetting"] == run.forgetting.tolist()
    assert np.array_equal(np.array(document["miou"][:3], float).T, run.by_step, equal_nan=True)
    assert document["miou"][3] == pytest.approx(run.all.tolist())
    assert [row["iou"][2] for row in document["classes"]] == to_json(iou[2])


@pytest.fixture(scope="module")
def joint(tiny_tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned all classes at once, in the dataset's order and not in that of the protocol."""
    return train(tiny_tiles, tmp_path_factory.mktemp("joint"), "--method=ft", "--task.name=offline")


def test_a_joint_run_is_compared_class_by_class_by_name(two_steps: Path, joint: Path) -> None:
    common = ["--num-workers=0", "--panels=0", "--split=val"]
    written = {path: path.stat().st_mtime_ns for path in joint.rglob("*")}
    code, text = invoke("test", "--run", two_steps, "--task.step=all", "--joint", joint, *common)
    document = json.loads((two_steps / "steps-val.json").read_text())
    untouched = written == {path: path.stat().st_mtime_ns for path in joint.rglob("*")}
    scores = json.loads((joint / "step-0" / "scores.json").read_text())["val"]
    of_class = {row["name"]: row["iou"] for row in scores["classes"]}

    assert code == 0, text
    assert untouched
    for group, value in zip(
        read_info(two_steps / "step-2" / "model.safetensors").groups, document["joint"]["miou_of_groups"], strict=True
    ):
        assert value == pytest.approx(np.mean([of_class[name] for name in group]))
    assert document["summary"]["joint"] == pytest.approx(scores["groups"]["all"]["iou"])
    assert document["summary"]["gap"] == pytest.approx(scores["groups"]["all"]["iou"] - document["miou"][3][2])
    assert {"intransigence", "relative_gap", "share_of_joint"} <= document["summary"].keys()
    assert "gap to the joint run" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--task.step=2"], "--joint compares whole runs"),
        (["--task.step=all", "--joint=nowhere"], "nowhere holds no finished step"),
        (["--task.step=all", "--joint=ITSELF"], "learned potsdam/222a in 3 steps, not all classes at once"),
    ],
)
def test_a_joint_run_that_cannot_be_compared_is_refused_before_anything_is_scored(
    words: list[str], sentence: str, two_steps: Path, joint: Path
) -> None:
    given = [word.replace("ITSELF", str(two_steps)) for word in words]

    code, text = invoke("test", "--run", two_steps, "--joint", joint, *given)

    assert code == 2, text
    assert sentence in " ".join(text.split())
    assert "step 0:" not in text


def test_a_joint_run_scored_on_other_pixels_is_refused(two_steps: Path, joint: Path, tmp_path: Path) -> None:
    other = shutil.copytree(joint, tmp_path / "joint")
    config = other / "step-0" / "config.yaml"
    config.write_text(config.read_text().replace("val_size: 0.3", "val_size: 0.6"))

    code, text = invoke(
        "test", "--run", two_steps, "--task.step=all", "--split=val", "--num-workers=0", "--panels=0", "--joint", other
    )

    assert code == 2, text
    assert "train both with the same --val-size and --seed" in " ".join(text.split())


def test_another_run_stands_beside_it_class_by_class(two_steps: Path, tmp_path: Path) -> None:
    other = tmp_path / "another"
    other.mkdir()
    document = json.loads((two_steps / "steps-test.json").read_text())
    for row, value in zip(document["classes"], (0.9, 0.111, 0.222, 0.333, 0.444, 0.555, 0.666), strict=True):
        row["iou"][-1] = value
    (other / "steps-test.json").write_text(json.dumps(document))

    code, text = invoke(
        "test", "--run", two_steps, "--task.step=all", "--num-workers=0", "--panels=0", "--against", other
    )
    table = text[text.index("IoU after step 2, test tiles") :].splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table if line.startswith("│")]

    assert code == 0, text
    assert [name.strip() for name in table[2].split("┃")[1:-1]] == ["class", "step", "run", "another"]
    assert [row[:2] for row in cells[:-1]] == [
        [name, str(step)] for step, group in enumerate(ISPRS[1].groups) for name in group
    ]
    assert [row[3] for row in cells[:-1]] == ["11.1", "22.2", "33.3", "44.4", "55.5", "66.6"]
    ours = [row["iou"][-1] for row in json.loads((two_steps / "steps-test.json").read_text())["classes"][1:]]
    assert [row[2] for row in cells[:-1]] == [percent(math.nan if value is None else value) for value in ours]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--task.step=2"], "--against compares whole runs"),
        (["--task.step=all", "--split=val"], "run `test --task.step all --split val` on that run."),
    ],
)
def test_another_run_that_cannot_be_compared_is_refused_before_anything_is_scored(
    words: list[str], sentence: str, two_steps: Path, tmp_path: Path
) -> None:
    shutil.copy(two_steps / "steps-test.json", tmp_path)

    code, text = invoke("test", "--run", two_steps, "--against", tmp_path, *words)

    assert code == 2, text
    assert sentence in " ".join(text.split())
    assert "step 0:" not in text


def test_restricted_scores_are_an_argmax_among_the_classes_of_a_step(two_steps: Path, tiny_tiles: Path) -> None:
    code, text = invoke("test", "--run", two_steps, "--task.step=all", "--num-workers=0", "--panels=0", "--restricted")
    restricted = json.loads((two_steps / "steps-test.json").read_text())["restricted"]
    truth, logits = _logits_of_every_pixel(two_steps / "step-2" / "model.safetensors", tiny_tiles)

    assert code == 0, text
    assert [[value is None for value in row] for row in restricted] == [
        [False] * 3,
        [True, False, False],
        [True, True, False],
    ]
    for row, group in zip(restricted, ([1, 2], [3, 4], [5, 6]), strict=True):
        inside = np.isin(truth, group)
        guess = np.array(group)[logits[inside][:, group].argmax(1)]
        iou = [
            np.sum((guess == one) & (truth[inside] == one)) / np.sum((guess == one) | (truth[inside] == one))
            for one in group
        ]
        assert row[2] == pytest.approx(np.mean(iou), abs=1e-3)


def test_the_journal_says_what_an_epoch_took(two_steps: Path) -> None:
    events = [json.loads(line) for line in (two_steps / "step-1" / "journal.jsonl").read_text().splitlines()]
    epochs = [event for event in events if event["event"] == "epoch"]

    for costs in (event["costs"] for event in epochs):
        assert costs["seconds"] > 0
        assert costs["iterations"] >= 1
        assert costs["images_per_s"] == pytest.approx(4 * costs["iterations"] / costs["seconds"])
        assert 50 < costs["peak_memory_mb"] < 1e5


def test_predictions_lie_where_their_tiles_lie(two_steps: Path, tiny_tiles: Path) -> None:
    rows = [json.loads(line) for line in (tiny_tiles / "tiles.jsonl").read_text().splitlines()]
    tiles = {row["id"].replace("/", "_"): row for row in rows if row["split"] == "test"}

    written = {path.stem: path for path in (two_steps / "step-2" / "predictions-test").glob("*.tif")}

    assert set(written) == set(tiles)
    for name, path in written.items():
        with rasterio.open(path) as map_, rasterio.open(tiny_tiles / tiles[name]["image"]) as image:
            assert (map_.transform, map_.crs, map_.shape) == (image.transform, image.crs, image.shape)
            assert map_.read(1).max() < 7


def test_predictions_have_no_class_where_there_are_no_data(two_steps: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(tiny_tiles, tmp_path / "tiles"))
    run = Path(shutil.copytree(two_steps, tmp_path / "run"))
    rows = read_index(data)
    tile = next(row for row in rows if row.split == "test")
    valid = np.ones((tile.window.height, tile.window.width), np.bool_)
    valid[:20, :30] = False
    with rasterio.open(data / tile.image) as source:
        pixels, place = source.read(), (source.transform, source.crs)
    raster.write(data / tile.image, pixels, *place, valid=valid)
    write_index(data, [replace(row, invalid=600) if row is tile else row for row in rows])
    shutil.rmtree(run / "step-2" / "predictions-test")

    code, text = invoke("test", "--run", run, "--data-root", data, "--num-workers=0", "--panels=0", "--predictions")

    assert code == 0, text
    with rasterio.open(run / f"step-2/predictions-test/{tile.id.replace('/', '_')}.tif") as found:
        assert np.array_equal(found.read(1) == 255, ~valid)


def test_the_journal_names_every_term(two_steps: Path) -> None:
    events = [json.loads(line) for line in (two_steps / "step-1" / "journal.jsonl").read_text().splitlines()]
    epochs = [event for event in events if event["event"] == "epoch"]

    assert [event["epoch"] for event in epochs] == [1, 2]
    for event in epochs:
        assert set(event["terms"]) == {"ce", "kd", "rotation", "rotation_kd"}
        assert math.isclose(event["loss"], sum(event["terms"].values()))


def test_the_config_of_a_step_repeats_it(two_steps: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    code, text = invoke("train", "--config", two_steps / "step-0" / "config.yaml", "--output-folder", tmp_path)

    assert code == 0, text
    (again,) = tmp_path.glob("*/*/run/step-0/model.safetensors")
    _assert_same_weights(again, two_steps / "step-0" / "model.safetensors")


def test_steps_one_by_one_equal_all_at_once(two_steps: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    for step in range(2):
        run = train(tiny_tiles, tmp_path, *MIB_CD, f"--task.step={step}")

    _assert_same_weights(run / "step-1" / "model.safetensors", two_steps / "step-1" / "model.safetensors")


def test_a_run_killed_between_epochs_resumes_to_the_same_weights(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--task.name=222a", "--method=ft", "--trainer.max-epochs=3"]
    whole = train(tiny_tiles, tmp_path / "whole", *options)
    train_epoch = fit.train_epoch

    def killed_in_the_second_epoch(episode: fit.Episode, progress: fit.Progress, epoch: int, keep: Keep) -> Epoch:
        if epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(episode, progress, epoch, keep)

    with monkeypatch.context() as patch:
        patch.setattr(fit, "train_epoch", killed_in_the_second_epoch)
        words = ["train", "--data-root", tiny_tiles, "--output-folder", tmp_path / "killed", "--name=run", *SMALL]
        assert invoke(*words, *options)[0] == 130
    resumed = train(tiny_tiles, tmp_path / "killed", *options, "--trainer.resume")

    _assert_same_weights(resumed / "step-0" / "model.safetensors", whole / "step-0" / "model.safetensors")
    losses = [
        [json.loads(line).get("loss") for line in (run / "step-0" / "journal.jsonl").read_text().splitlines()]
        for run in (whole, resumed)
    ]
    assert losses[0] == losses[1]


def test_resuming_a_finished_run_does_nothing(two_steps: Path, tiny_tiles: Path) -> None:
    before = (two_steps / "step-1" / "model.safetensors").stat().st_mtime_ns
    output = two_steps.parents[2]

    train(tiny_tiles, output, *MIB_CD, "--task.step=all", "--trainer.resume")

    assert (two_steps / "step-1" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--task.name=222a", "--task.step=1"], "Step 1 continues from step 0, but"),
        (["--task.name=222a", "--task.step=9"], "no step 9: choose --task.step 0 to 2"),
        (["--task.name=222"], "Did you mean '222a'?"),
        (["--method=mibb"], "Did you mean 'mib'?"),
        (["--model.encoder=resnet43"], "Did you mean 'resnet"),
        (["--trainer.batchsize=3"], "--trainer.batch-size"),
        (["--in-channels=5"], "--in-channels 5 is too large"),
        (["--dataset=vaihingen"], "but 'vaihingen' is expected"),
        (["--method=ft", "--kd.alpha=2"], "kd.alpha"),
        (["--trainer.precision=fp16"], "needs a CUDA device"),
        (["--image-size=4096"], "--image-size 4096 is larger than the tiles"),
    ],
)
def test_a_mistake_gets_one_sentence_and_leaves_nothing(
    words: list[str], sentence: str, tiny_tiles: Path, tmp_path: Path
) -> None:
    code, text = invoke("train", "--data-root", tiny_tiles, "--output-folder", tmp_path, *SMALL, *words)

    assert code == 2, text
    assert sentence in " ".join(text.split())
    assert "Traceback" not in text
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_cannot_start_is_not_tracked(tiny_tiles: Path, tmp_path: Path) -> None:
    code, _ = invoke(
        "train", "--data-root", tiny_tiles, "--output-folder", tmp_path, "--task.name=222a", "--task.step=1"
    )

    assert code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_protocol_is_refused(two_steps: Path, tiny_tiles: Path, tmp_path: Path) -> None:
    code, text = invoke(
        "train", "--data-root", tiny_tiles, "--output-folder", tmp_path, *SMALL, "--task.name=321", "--task.step=1",
        "--task.step-checkpoint", two_steps / "step-0",
    )  # fmt: skip

    assert code == 2
    assert "continues from {building, tree, clutter}" in " ".join(text.split())


def test_a_step_is_never_overwritten(two_steps: Path, tiny_tiles: Path) -> None:
    config = yaml.safe_load((two_steps / "step-0" / "config.yaml").read_text())

    code, text = invoke("train", "--config", two_steps / "step-0" / "config.yaml")
    changed, other = invoke(
        "train", "--config", two_steps / "step-0" / "config.yaml", "--trainer.resume", "--optimizer.lr=0.5"
    )

    assert (code, changed) == (2, 2)
    assert "already holds this step" in " ".join(text.split())
    assert f"optimizer.lr = {config['optimizer']['lr']}, not 0.5" in " ".join(other.split())


def test_a_loss_that_is_not_finite_stops_the_run_by_name(tiny_tiles: Path, tmp_path: Path) -> None:
    code, text = invoke(
        "train", "--data-root", tiny_tiles, "--output-folder", tmp_path, *SMALL, "--method=ft", "--task.name=222a",
        "--optimizer.lr=1e30", "--optimizer.target=sgd", "--trainer.max-epochs=20",
    )  # fmt: skip

    assert code == 2
    assert "'ce' became NaN or infinite" in " ".join(text.split())


@pytest.mark.parametrize("words", [["--run=nowhere"], ["--task.step=7"]])
def test_a_step_that_was_not_trained_cannot_be_tested(words: list[str], two_steps: Path) -> None:
    code, text = invoke("test", "--run", two_steps, *words)

    assert code == 2
    assert "finished step" in " ".join(text.split())


def _assert_same_weights(first: Path, second: Path) -> None:
    ours, theirs = load_file(first), load_file(second)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.equal(theirs[name]), name


def _logits_of_every_pixel(model: Path, tiles: Path) -> tuple[np.ndarray, np.ndarray]:
    """Truth [N] and logits [N, K] of the test scenes' pixels, tile by tile and without the program's evaluation."""
    segmenter, info = load_model(model)
    manifest, normalize = Manifest.load(tiles), Normalize(info.mean, info.std)
    chosen = [tile for tile in read_index(tiles) if tile.split == "test"]
    dataset = TileDataset(tiles, chosen, info.task.eval_table(), manifest, None, augment=None, owned=True)
    truths, rows = [], []
    with torch.no_grad():
        for index in range(len(dataset)):
            sample = dataset[index]
            logits = segmenter.eval()(normalize(sample.image[None])).logits[0]
            truths.append(sample.target.flatten().numpy())
            rows.append(logits.flatten(1).T.float().numpy())
    return np.concatenate(truths), np.concatenate(rows)
