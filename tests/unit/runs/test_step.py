"""A checkpoint says what it is without torch, or is refused in one sentence that says what to do."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from saticl.errors import InvalidCheckpoint
from saticl.geo.palette import GREYS
from saticl.runs.step import KEY, read_info
from tests.trained import info

REPOSITORY = Path(__file__).resolve().parents[3]


def write(path: Path, content: object) -> Path:
    save_file({"weight": np.zeros(1)}, path, {KEY: json.dumps(content)})
    return path


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    about = info(1, background=None)

    assert read_info(write(tmp_path / "model.safetensors", about.model_dump(mode="json"))) == about
    assert (about.format, about.task.step, about.task.new) == (2, 1, ("car",))


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    path = write(tmp_path / "model.safetensors", info().model_dump(mode="json"))
    code = (
        f"import sys; from pathlib import Path; from saticl.runs import folder, variants, steps, joint, scores, lock\n"
        f"print(folder.read_info(Path({str(path)!r})).dataset, 'torch' in sys.modules)"
    )

    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert result.stdout == "town False\n"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": 1}, "another version of saticl (format: Input should be 2): train that step again"),
        ({"extra": 1}, "extra"),
        ({"step": None}, "step"),
    ],
)
def test_a_description_of_another_version_is_refused(
    changes: dict[str, object], sentence: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "model.safetensors", info().model_dump(mode="json") | changes)

    with pytest.raises(InvalidCheckpoint) as caught:
        read_info(path)
    assert sentence in str(caught.value)
    assert "train that step again" in str(caught.value)


def test_files_that_are_none_of_ours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(InvalidCheckpoint, match=r"There is no checkpoint .*: train that step first"):
        read_info(path)
    for content in (b"", b"nonsense" * 9):
        path.write_bytes(content)
        with pytest.raises(InvalidCheckpoint, match=r"damaged .*: delete its folder and train that step again"):
            read_info(path)
    save_file({"weight": np.zeros(1)}, path)
    with pytest.raises(InvalidCheckpoint, match="not a checkpoint of this program"):
        read_info(path)


def test_colours_follow_the_output_indices_and_an_artificial_background_is_grey() -> None:
    of_classes = dict(zip(info().classes, info().colours, strict=True))
    groups = (("tree",), ("car", "building"))

    assert info(1, groups=groups).output_colours == [
        GREYS[0],
        *(of_classes[one] for one in ("tree", "car", "building")),
    ]
    greys = dict.fromkeys(info().classes, GREYS[0])
    assert info(1, groups=groups, colours=tuple(greys.values())).output_colours[0] == GREYS[1]
    real = info(0, groups=(("tree",),), background="car")
    assert real.output_colours == [of_classes["car"], of_classes["tree"]]
