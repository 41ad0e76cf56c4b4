"""The next step of a run from other data, on the command line: which classes, which labels, which folders."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file
from typer.testing import CliRunner

from saticl import cli
from saticl.runs.folder import find_steps
from saticl.runs.step import StepInfo, read_info
from saticl.tiles.index import read_index, write_index
from tests.prepared import write_prepared, write_relabelled

SMALL = [
    "--model.encoder=test_resnet",
    "--trainer.batch-size=4",
    "--trainer.num-workers=0",
    "--trainer.max-epochs=1",
    "--tracking.uri=none",
    "--val-size=0.3",
]
REST = [word for word in SMALL if "encoder" not in word]
"""What an extension needs: its network is that of the step before."""


def invoke(*words: object) -> tuple[int, str]:
    """Exit code and everything printed, on one line."""
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join((result.stdout + result.stderr).split())


def done(*words: object) -> str:
    code, text = invoke(*words)
    assert code == 0, text
    return text


def info(run: Path, step: int) -> StepInfo:
    return read_info(run / f"step-{step}" / "model.safetensors")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first year with two classes, next year's folders with other classes, and a run of the first year."""
    root = tmp_path_factory.mktemp("world")
    write_prepared(root / "all")
    write_relabelled(root / "all", root / "first", ["building", "tree"], "first_year")
    write_relabelled(root / "all", root / "car", ["car"])
    write_relabelled(root / "all", root / "mixed", ["car", "tree", "clutter"])
    done("train", "--data-root", root / "first", "--output-folder", root / "outputs", "--name=run", *SMALL)
    return root


@pytest.fixture
def run(world: Path, tmp_path: Path) -> Path:
    """A copy of the run, which a test may extend."""
    return Path(shutil.copytree(world / "outputs", tmp_path / "outputs")) / "first_year" / "offline" / "run"


def test_a_run_learns_a_class_from_a_folder_that_knows_it_alone(world: Path, run: Path) -> None:
    text = done("train", "--extend", run / "step-0", "--data-root", world / "car", "--add=car", *REST)

    assert "new classes car old classes building, tree" in text
    first, second = info(run, 0), info(run, 1)
    assert second.groups == (("building", "tree"), ("car",))
    assert (second.step, second.dataset, second.protocol_name) == (1, "first_year", "offline")
    assert (second.mean, second.model.encoder) == (first.mean, "test_resnet")
    assert second.classes == ("building", "tree", "car")
    assert len(set(second.colours)) == 3
    weights = load_file(run / "step-1" / "model.safetensors")
    assert sum(len(value) for name, value in weights.items() if name.endswith("bias") and "heads" in name) == 4
    scores = json.loads((run / "step-1" / "scores.json").read_text())["val"]["classes"]
    assert [row["support"] > 0 for row in scores] == [False, False, False, True]  # only the car is labelled there

    options = yaml.safe_load((run / "step-1" / "config.yaml").read_text())
    assert options["extend"] == str(run / "step-0")
    again = done("train", "--config", run / "step-1" / "config.yaml", "--trainer.resume")
    assert "step 1 is finished already" in again


def test_all_steps_of_a_run_are_scored_on_the_same_folders(world: Path, run: Path) -> None:
    done("train", "--extend", run / "step-0", "--data-root", world / "car", "--add=car", *REST)
    quick = ["--task.step=all", "--num-workers=0", "--panels=2"]

    text = done("test", "--run", run, *quick)

    tests = {step: json.loads((run / f"step-{step}" / "scores.json").read_text())["test"] for step in (0, 1)}
    for step in (0, 1):
        assert f"step{step}:testtilesof{world}/firstand{world}/car,fulltruth" in text.replace(" ", "")
        assert tests[step]["data"] == [str(world / "first"), str(world / "car")]
    trees = [tests[step]["classes"][2]["support"] for step in (0, 1)]
    assert trees[0] == trees[1] > 0
    summary = json.loads((run / "steps-test.json").read_text())
    assert summary["steps"] == [0, 1]
    assert summary["forgetting"] is not None

    done("test", "--run", run, *quick, "--data-root", world / "all")
    whole = json.loads((run / "step-1" / "scores.json").read_text())["test"]
    assert whole["data"] == [str(world / "all")]
    assert [row["support"] > 0 for row in whole["classes"]] == [True] * 4


def test_a_step_of_which_no_folder_has_labels_stays_unknown_beside_the_others(world: Path, run: Path) -> None:
    done("train", "--extend", run / "step-0", "--data-root", world / "car", "--add=car", *REST)

    text = done("test", "--run", run, "--task.step=all", "--num-workers=0", "--panels=0", "--data-root", world / "car")

    assert f"{world}/carhasnolabelsofbuilding,tree:notscored" in text.replace(" ", "")
    supports = [
        [row["support"] for row in json.loads((run / f"step-{step}/scores.json").read_text())["test"]["classes"]]
        for step in (0, 1)
    ]
    assert sum(supports[0]) == 0
    assert supports[1][:3] == [0, 0, 0] < supports[1][3:]


def test_an_encoder_that_was_built_for_a_size_learns_from_tiles_of_another(world: Path, tmp_path: Path) -> None:
    write_prepared(tmp_path / "larger", size=80)
    options = [word for word in SMALL if "encoder" not in word] + ["--model.encoder=test_vit"]
    output = ["--output-folder", tmp_path / "runs", "--name=run"]
    done("train", "--data-root", world / "first", *output, *options)
    step = tmp_path / "runs/first_year/offline/run/step-0"

    done("train", "--extend", step, "--data-root", tmp_path / "larger", "--add=car", *REST)

    assert info(step.parent, 1).image_size == info(step.parent, 0).image_size == 64


def test_a_folder_that_is_gone_is_said_and_left_out(world: Path, run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(world / "car", tmp_path / "car"))
    done("train", "--extend", run / "step-0", "--data-root", moved, "--add=car", *REST)
    shutil.rmtree(moved)

    text = done("test", "--run", run, "--num-workers=0", "--panels=0")

    assert f"{moved} is not there any more: not scored on it" in text
    car = json.loads((run / "step-1" / "scores.json").read_text())["test"]["classes"][3]
    assert car["support"] == 0
    assert "car1----0" in re.sub(r"[\s│]", "", text)


def test_another_name_leaves_the_extended_run_as_it_is(world: Path, run: Path) -> None:
    done(
        *("train", "--extend", run / "step-0" / "model.safetensors", "--data-root", world / "mixed", "--add=car"),
        *("--add=clutter", "--name=other", "--output-folder", run.parents[2], *REST),
    )

    other = run.parent / "other"
    assert [path.name for path in run.glob("step-*")] == ["step-0"]
    assert info(other, 1).groups == (("building", "tree"), ("car", "clutter"))
    assert [step.folder for step in find_steps(other, "all")] == [run / "step-0", other / "step-1"]
    before = (run / "step-0" / "scores.json").read_bytes()
    done("test", "--run", other, "--task.step=all", "--num-workers=0", "--panels=2")
    assert (run / "step-0" / "scores.json").read_bytes() == before
    assert json.loads((other / "steps-test.json").read_text())["forgetting"] is not None


@pytest.mark.parametrize(("policy", "shown"), [("use", 2), ("ignore", 0)])
def test_labels_of_old_classes_are_used_or_not(policy: str, shown: int, world: Path, run: Path) -> None:
    """The validation targets of a step hold what it may know: the tree of the new folder, or what the teacher says."""
    from saticl.commands.plan import make_plan
    from saticl.commands.stages import stages
    from saticl.flags.resolve import Setting
    from saticl.flags.training import resolve_training

    words = {"extend": run / "step-0", "data_root": world / "mixed", "add": ("car",), "labels_of_old": policy}
    config = resolve_training([Setting((name,), value, name) for name, value in words.items()])
    (stage,) = stages(config)
    plan = make_plan(stage)

    assert plan.table[plan.data.classes.index("tree")] == shown
    assert plan.table[plan.data.classes.index("car")] == 3
    assert plan.table[plan.data.classes.index("clutter")] == 0
    assert plan.uses_old_labels is (policy == "use")


def test_normalisation_stays_that_of_the_model_unless_told_otherwise(world: Path, run: Path, tmp_path: Path) -> None:
    brighter = Path(shutil.copytree(world / "car", tmp_path / "brighter"))
    manifest = json.loads((brighter / "dataset.json").read_text())
    manifest["statistics"] = {"mean": [180.0] * 3, "std": [20.0] * 3}
    (brighter / "dataset.json").write_text(json.dumps(manifest))
    words = ["train", "--extend", run / "step-0", "--data-root", brighter, "--add=car", *REST]
    words += ["--output-folder", tmp_path / "outputs"]

    text = done(*words, "--name=model")
    assert "180 ± 20 instead of 100 ± 50" in text
    assert "train with --normalization data" in text
    text = done(*words, "--name=data", "--normalization=data")
    assert "instead of" not in text
    means = {name: info(run.parent / name, 1).mean for name in ("model", "data")}
    assert means == {"model": (100.0,) * 3, "data": (180.0,) * 3}


def test_another_ground_resolution_is_said(world: Path, run: Path, tmp_path: Path) -> None:
    finer = Path(shutil.copytree(world / "car", tmp_path / "finer"))
    manifest = json.loads((finer / "dataset.json").read_text())
    for scene in manifest["scenes"]:
        scene["transform"] = [0.5, 0, 500_000, 0, -0.5, 5_000_000]
    (finer / "dataset.json").write_text(json.dumps(manifest))

    text = done("train", "--extend", run / "step-0", "--data-root", finer, "--add=car", *REST)

    assert "covers 0.5 m of ground" in text
    assert "prepare --gsd" in text


@pytest.mark.parametrize(
    ("folder", "words", "sentence"),
    [
        ("car", [], "--extend needs a new class: write --add CLASS, once for every class. {root}/car holds car."),
        ("first", ["--add=tree"], "knows the class tree already (it knows background, building, tree)"),
        ("car", ["--add=cart"], "There is no class 'cart' in {root}/car. Did you mean 'car'?"),
        ("car", ["--add=car", "--add=car"], "--add names car more than once"),
        ("car", ["--add=car", "--task.step=3"], "makes step 1 of the task offline"),
        ("car", ["--add=car", "--task.step-checkpoint=x"], "leave out --task.step-checkpoint"),
        ("car", ["--add=car", "--model.encoder=resnet18"], "holds a network with --model.encoder test_resnet"),
        ("car", ["--add=car", "--dataset=potsdam"], "but 'potsdam' is expected"),
        ("car", ["--add=car", "--in-channels=2"], "reads 3 bands (red, green, blue): leave out --in-channels"),
        ("car", ["--add=car", "--output-folder=elsewhere"], "leave out --output-folder elsewhere, or add --name"),
        ("car", ["--add=car", "--name=../up"], "'../up' becomes the name of a folder: write it without slashes"),
    ],
)
def test_what_cannot_be_extended_is_one_sentence(
    folder: str, words: list[str], sentence: str, world: Path, run: Path
) -> None:
    code, text = invoke("train", "--extend", run / "step-0", "--data-root", world / folder, *words, *REST)

    assert code == 2
    assert sentence.format(root=world) in text
    assert not (run / "step-1").exists()


def test_a_class_without_any_pixel_is_refused(world: Path, run: Path, tmp_path: Path) -> None:
    empty = Path(shutil.copytree(world / "car", tmp_path / "empty"))
    rows = [json.loads(line) for line in (empty / "tiles.jsonl").read_text().splitlines()]
    (empty / "tiles.jsonl").write_text("".join(json.dumps(row | {"counts": [0]}) + "\n" for row in rows))

    code, text = invoke("train", "--extend", run / "step-0", "--data-root", empty, "--add=car", *REST)

    assert code == 2
    assert "holds a class of step 1 of the task 'offline' (car)" in text


def test_other_bands_and_other_files_are_refused(world: Path, run: Path, tmp_path: Path) -> None:
    write_prepared(tmp_path / "heights", ("red", "green", "height"))
    words = ["train", "--data-root", tmp_path / "heights", "--add=car", *REST, "--extend"]

    code, text = invoke(*words, run / "step-0")
    assert (code, "reads the bands red, green, blue, but" in text) == (2, True)

    (tmp_path / "model.safetensors").write_bytes(b"something else")
    code, text = invoke(*words, tmp_path)
    assert (code, "is not a checkpoint of this program" in text) == (2, True)
    code, text = invoke(*words, run)
    assert (code, "holds step-0" in text) == (2, True)
    code, text = invoke("train", "--data-root", world / "car", "--add=car", *SMALL)
    assert (code, "--add names new classes for --extend" in text) == (2, True)
    code, text = invoke("train", *SMALL)
    assert (code, "--data-root is required" in text) == (2, True)


def test_a_protocol_may_have_a_folder_per_step(world: Path, tmp_path: Path) -> None:
    file = tmp_path / "areas.yaml"
    file.write_text(f"two: {{steps: [[building, tree], [car]], folders: [{world}/first, {world}/car]}}\n")
    words = ["train", "--task.protocols", file, "--task.name=two", "--output-folder", tmp_path / "outputs"]

    done(*words, "--task.step=all", "--name=run", *SMALL)

    run = tmp_path / "outputs" / "areas" / "two" / "run"
    assert info(run, 1).groups == (("building", "tree"), ("car",))
    roots = [yaml.safe_load((run / f"step-{step}" / "config.yaml").read_text())["data_root"] for step in (0, 1)]
    assert roots == [str(world / "first"), str(world / "car")]
    text = done("test", "--run", run, "--task.step=all", "--num-workers=0", "--panels=0")
    assert "average incremental mIoU" in text

    code, text = invoke(*words, "--data-root", world / "all", "--task.step=1", *SMALL)
    assert (code, f"names the folder {world}/car for step 1: leave out --data-root" in text) == (2, True)
    file.write_text(f"two: {{steps: [[building], [car]], folders: [{world}/first, {world}/first]}}\n")
    code, text = invoke(*words, "--task.step=1", "--name=other", *SMALL)
    assert (code, "There is no class 'car' in" in text) == (2, True)


def test_a_protocol_with_folders_takes_the_background_of_the_first(world: Path, tmp_path: Path) -> None:
    first = Path(shutil.copytree(world / "first", tmp_path / "first"))
    content = json.loads((first / "dataset.json").read_text())
    (first / "dataset.json").write_text(json.dumps({**content, "background": "tree"}))
    (tmp_path / "areas.yaml").write_text(f"two: {{steps: [[building], [car]], folders: [first, {world}/car]}}\n")
    words = ["train", "--task.protocols", tmp_path / "areas.yaml", "--task.name=two", "--task.step=0", "--name=run"]

    done(*words, "--output-folder", tmp_path / "runs", *SMALL)

    assert info(tmp_path / "runs/areas/two/run", 0).background == "tree"


@pytest.mark.parametrize("wrong", ["pixels", "bands"])
def test_all_steps_are_planned_before_the_first_is_trained(wrong: str, world: Path, tmp_path: Path) -> None:
    second = Path(shutil.copytree(world / "car", tmp_path / "second"))
    if wrong == "pixels":
        write_index(second, [replace(tile, counts=(0,)) for tile in read_index(second)])
        sentence = "holds a class of step 1 of the task 'two' (car)"
    else:
        content = json.loads((second / "dataset.json").read_text())
        (second / "dataset.json").write_text(json.dumps({**content, "bands": ["nir", "red", "green"]}))
        sentence = f"{second} holds the bands nir, red, green, but {world}/first red, green, blue: all steps read"
    (tmp_path / "areas.yaml").write_text(f"two: {{steps: [[tree], [car]], folders: [{world}/first, second]}}\n")
    words = ["train", "--task.protocols", tmp_path / "areas.yaml", "--task.name=two", "--task.step=all", "--name=run"]

    code, text = invoke(*words, "--output-folder", tmp_path / "runs", *SMALL)

    assert code == 2
    assert sentence in text
    assert not (tmp_path / "runs").exists()


def test_unlabelled_pixels_are_background_or_not_known(world: Path, run: Path) -> None:
    """With ignored pixels the only label of the new folder is the new class: nothing is left to be wrong about."""
    words = ["train", "--extend", run / "step-0", "--data-root", world / "car", "--add=car", *REST]

    done(*words, "--unlabelled=ignore", "--name=run", "--output-folder", run.parents[2])

    matrix = np.array(json.loads((run / "step-1" / "confusion.json").read_text())["val"]["matrix"])
    assert matrix.shape == (5, 4)
    assert matrix[4].sum() == 0
