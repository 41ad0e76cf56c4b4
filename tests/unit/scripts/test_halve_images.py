"""The script that halves images and masks."""

from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "scripts")
        import halve_images
    module: ModuleType = halve_images
    return module


def halved(script: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["halve_images.py", "--src", str(folder / "in"), "--dst", str(folder / "out")])
    script.main()


def test_photographs_are_averaged_and_masks_keep_their_colours(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "Tile 1").mkdir(parents=True)
    photograph = np.zeros((9, 16, 3), np.uint8)
    photograph[:, 8:] = 200
    photograph[::2] = photograph[::2] + 20
    mask = np.random.default_rng(0).integers(0, 255, (7, 10, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "in" / "Tile 1" / "a.jpg"), photograph)
    cv2.imwrite(str(tmp_path / "in" / "Tile 1" / "a.png"), mask)

    halved(script, tmp_path, monkeypatch)

    smaller = cv2.imread(str(tmp_path / "out" / "Tile 1" / "a.jpg"))
    assert smaller is not None
    assert smaller.shape == (4, 8, 3)
    assert np.abs(smaller[:, :3].astype(int) - 10).max() < 8
    assert np.abs(smaller[:, -3:].astype(int) - 210).max() < 8
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out" / "Tile 1" / "a.png")), mask[:6:2, ::2])


@pytest.mark.parametrize(("content", "says"), [(None, "no .jpg"), (b"text", "cannot be read as an image")])
def test_a_folder_that_cannot_be_halved_is_named(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, says: str
) -> None:
    (tmp_path / "in").mkdir()
    if content is not None:
        (tmp_path / "in" / "a.png").write_bytes(content)

    with pytest.raises(SystemExit, match=says):
        halved(script, tmp_path, monkeypatch)
