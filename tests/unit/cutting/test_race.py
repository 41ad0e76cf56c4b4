"""The shards of a job array start at the same moment, on file systems where each learns late what the others did."""

import subprocess
import sys
from pathlib import Path

import pytest

from saticl.commands.prepare import prepare
from saticl.cutting import folder
from saticl.cutting.folder import state_of
from saticl.tiles.manifest import MANIFEST
from tests.cutting import config, digests, prepared
from tests.raw import potsdam_scene

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw")
    potsdam_scene(root, 2, 10, height=200)
    potsdam_scene(root, 4, 12)
    return root


def start(raw: Path, dst: Path, delays: tuple[float, ...], *flags: str) -> None:
    shards = [(f"{number}/{len(delays)}", str(delay)) for number, delay in enumerate(delays, start=1)]
    command = [sys.executable, "-m", "tests.shards", str(raw), str(dst)]
    started = [
        subprocess.Popen([*command, *shard, *flags], cwd=REPOSITORY, stdout=subprocess.DEVNULL) for shard in shards
    ]
    assert [process.wait(60) for process in started] == [0] * len(delays)


@pytest.mark.parametrize("delays", [(0, 0, 0), (0, 0.6, 1.2), (1.5, 0.2, 0)])
def test_shards_that_start_together_keep_each_others_work(
    raw: Path, tmp_path: Path, delays: tuple[float, ...]
) -> None:
    prepared(raw, tmp_path / "expected")

    start(raw, tmp_path / "shards", delays)

    assert digests(tmp_path / "shards") == digests(tmp_path / "expected")


@pytest.mark.parametrize("delays", [(0, 1), (1.2, 0)])
def test_shards_that_replace_other_work_together_keep_each_others_work(
    raw: Path, tmp_path: Path, delays: tuple[float, ...]
) -> None:
    prepared(raw, tmp_path / "expected")
    prepared(raw, tmp_path / "shards", tile_size=40, overlap=4)

    start(raw, tmp_path / "shards", delays, "overwrite")

    assert digests(tmp_path / "shards") == digests(tmp_path / "expected")


def test_work_that_others_begin_while_we_look_is_not_of_unknown_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun_meanwhile(root: Path) -> None:
        (root / "tiles").mkdir(parents=True)

    monkeypatch.setattr(folder, "_begun", begun_meanwhile)

    assert state_of(tmp_path / "tiles", {"overlap": 8}, overwrite=False) == "new"


def test_a_shard_that_ends_last_completes_what_an_earlier_one_reopened(raw: Path, tmp_path: Path) -> None:
    prepared(raw, tmp_path / "expected")
    root = tmp_path / "shards"

    assert prepare(config(raw, root, shard="1/2")) is None
    assert not (root / MANIFEST).exists()
    folder.begin(root, prepared(raw, tmp_path / "other").options)  # one that looked before anybody had begun

    assert prepare(config(raw, root, shard="2/2")) is not None
    assert digests(root) == digests(tmp_path / "expected")
