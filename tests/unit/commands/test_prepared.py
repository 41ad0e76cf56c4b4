import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saticl.cli import app
from saticl.commands.prepared import Prepared, require_same_bands
from saticl.errors import InvalidOptions
from saticl.runs.folder import Finished
from saticl.tasks import Protocol
from saticl.tiles.index import read_index
from saticl.tiles.manifest import ClassEntry, Manifest
from saticl.views import Views
from tests.trained import info


def test_a_class_without_any_pixel_in_training_is_refused(tiny_tiles: Path, tmp_path: Path) -> None:
    """A car that only the test scene shows cannot be learned."""
    root, output = tmp_path / "tiles", tmp_path / "outputs"
    shutil.copytree(tiny_tiles, root)
    index = root / "tiles.jsonl"
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    car = [entry["name"] for entry in json.loads((root / "dataset.json").read_text())["classes"]].index("car")
    for row in rows:
        if row["split"] != "test":
            row["counts"][car] = 0
    index.write_text("".join(json.dumps(row) + "\n" for row in rows))

    words = ["train", f"--data-root={root}", f"--output-folder={output}", "--task.name=offline"]
    result = CliRunner().invoke(app, words)

    assert result.exit_code == 2
    sentence = " ".join((result.stdout + result.stderr).split())
    assert "The class car of step 0 (offline) has no pixel in the training tiles" in sentence
    assert not output.exists()


@pytest.mark.parametrize("flag", ["--aug.factor=0.1", "--aug.factor-icl=0.1"])
@pytest.mark.parametrize("symmetries", ["mirror", "none"])
def test_rotation_distillation_is_refused_where_images_may_not_be_turned(
    symmetries: str, flag: str, tiny_tiles: Path, tmp_path: Path
) -> None:
    root, output = tmp_path / "tiles", tmp_path / "outputs"
    shutil.copytree(tiny_tiles, root)
    manifest = Manifest.load(root)
    manifest.model_copy(update={"views": Views.model_validate({"symmetries": symmetries})}).save(root)

    words = ["train", f"--data-root={root}", f"--output-folder={output}", "--task.name=offline", flag]
    result = CliRunner().invoke(app, words)

    assert result.exit_code == 2
    sentence = " ".join((result.stdout + result.stderr).split())
    assert f"--aug.factor and --aug.factor-icl turn images, but those of {root}" in sentence
    assert f"symmetries: {symmetries}" in sentence
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "sentence"), [("2s: [[a]]", "has a wrong form"), (": [", "cannot be read as YAML")]
)
def test_a_file_of_tasks_is_read_or_explained(content: str, sentence: str, tiny_tiles: Path, tmp_path: Path) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text(content)

    words = ["train", f"--data-root={tiny_tiles}", "--task.name=2s", f"--task.protocols={file}"]
    result = CliRunner().invoke(app, [*words, f"--output-folder={tmp_path / 'outputs'}"])

    assert result.exit_code == 2
    assert sentence in " ".join((result.stdout + result.stderr).split())


def with_background(tiny_tiles: Path) -> Prepared:
    """The tiny tiles, as a dataset whose clutter is its background."""
    manifest = Manifest.load(tiny_tiles).model_copy(update={"background": "clutter", "dataset": "town"})
    return Prepared(tiny_tiles, manifest, read_index(tiny_tiles))


@pytest.mark.parametrize(
    ("content", "background"),
    [
        ("2s: {steps: [[building], [tree]]}", "clutter"),
        ("2s: {steps: [[building], [tree]], background: null}", None),
        ("2s: {steps: [[building], [tree]], background: car}", "car"),
        ("2s: {steps: [[building], [clutter]]}", None),
    ],
    ids=["says nothing", "none", "another", "learns it"],
)
def test_a_task_that_names_no_background_has_that_of_the_dataset(
    content: str, background: str | None, tiny_tiles: Path, tmp_path: Path
) -> None:
    (tmp_path / "tasks.yaml").write_text(content)

    task = with_background(tiny_tiles).task("2s", 1, tmp_path / "tasks.yaml")

    assert task.protocol.background == background


def test_tasks_on_a_prepared_folder_keep_their_background(tiny_tiles: Path) -> None:
    """What `prepare` wrote is settled: no background there is none."""
    data = with_background(tiny_tiles)

    assert data.task("6s", 0).protocol == Protocol("6s", data.task("6s", 0).protocol.groups, None)
    assert data.task("4-1", 0).protocol.background == "clutter"


def data_with(tiny_tiles: Path, *, classes: tuple[str, ...], bands: tuple[str, ...]) -> Prepared:
    entries = tuple(ClassEntry(name=name, colour=(0, 0, 0)) for name in classes)
    return Prepared(tiny_tiles, Manifest.load(tiny_tiles).model_copy(update={"classes": entries, "bands": bands}), [])


NAMES, BANDS = info().classes, info().bands


@pytest.mark.parametrize("bands", [("red", "green"), ("red", "green", "nir"), ("blue", "green", "red")])
def test_bands_that_the_model_does_not_read_are_refused(bands: tuple[str, ...], tiny_tiles: Path) -> None:
    with pytest.raises(InvalidOptions) as refused:
        require_same_bands(data_with(tiny_tiles, classes=NAMES, bands=bands), Finished(Path("step-0"), info()))

    assert str(refused.value) == (
        f"The model in step-0 reads the bands red, green, blue, but {tiny_tiles} holds {', '.join(bands)}: prepare "
        "the imagery with the same bands, in the same order, or choose another --data-root."
    )


def test_further_bands_and_other_classes_are_fine(tiny_tiles: Path) -> None:
    further = data_with(tiny_tiles, classes=("another",), bands=(*BANDS, "nir"))

    require_same_bands(further, Finished(Path("step-0"), info()))
