"""The file from which an interrupted step continues is complete, or what is wrong with it is told in a sentence."""

import errno
from pathlib import Path

import pytest
import torch
from torch import nn

from saticl.engine import checkpoint, fit
from saticl.errors import InvalidCheckpoint, UnwritableFile
from saticl.methods.base import Method
from saticl.options import TrainerOptions
from saticl.runs.journal import Epoch
from tests.steps import ignore, make_method, make_step

RESUMED = TrainerOptions(channels_last=False, max_epochs=2, resume=True)


def interrupted(folder: Path) -> Path:
    """The state that a step leaves which is killed in its second epoch."""

    def kill(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    step = make_step(folder, make_method())
    with pytest.raises(KeyboardInterrupt):
        fit.fit(step, kill)
    return step.last


def test_a_full_disk_is_a_sentence_and_the_state_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last" / "state.pt"
    checkpoint.save_resumable(path, {"progress": 1})

    def full(path: Path, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UnwritableFile, match=r"state\.pt cannot be written"):
        checkpoint.save_resumable(path, {"progress": 2})

    assert checkpoint.load_resumable(path) == {"progress": 1}


@pytest.mark.parametrize("content", [b"", b"no archive", None], ids=["empty", "foreign", "half"])
def test_a_damaged_state_is_a_sentence(content: bytes | None, tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)

    with pytest.raises(InvalidCheckpoint, match=r"state\.pt is damaged or comes from another version"):
        fit.fit(make_step(tmp_path, make_method(), options=RESUMED), ignore)


def test_a_state_of_another_version_is_a_sentence(tmp_path: Path) -> None:
    path = interrupted(tmp_path)
    state = checkpoint.load_resumable(path)
    del state["progress"]["phase"]
    checkpoint.save_resumable(path, state)

    with pytest.raises(InvalidCheckpoint, match=r"state\.pt is damaged or comes from another version"):
        fit.fit(make_step(tmp_path, make_method(), options=RESUMED), ignore)


def test_a_method_that_has_changed_since_is_a_sentence(tmp_path: Path) -> None:
    class Changed(Method):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            self.scale = nn.Parameter(torch.ones(()))

    interrupted(tmp_path)

    with pytest.raises(InvalidCheckpoint, match=r"method\.scale"):
        fit.fit(make_step(tmp_path, make_method(Changed), options=RESUMED), ignore)
