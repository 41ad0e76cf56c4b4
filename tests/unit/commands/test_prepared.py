import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from saticl.cli import app
from saticl.tiles.manifest import Manifest
from saticl.views import Views


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
