"""Inputs and outputs of the methods' official implementations: a few in tests/golden, more beside the repository."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

HERE = Path(__file__).resolve().parent / "golden"
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "golden"

Case = dict[str, Tensor]


def cases(prefix: str, *other: str) -> pytest.MarkDecorator:
    """Run a test with every `file` whose name begins so: those of the clone, then those beside the repository."""
    prefixes = (prefix, *other)
    parameters = [pytest.param(path, id=path.stem) for path in files(HERE, prefixes)]
    parameters += [pytest.param(path, id=f"beside-{path.stem}") for path in files(BESIDE, prefixes)]
    if not BESIDE.is_dir():
        reason = "no golden values beside the repository (../shared/golden); those of tests/golden are compared"
        parameters.append(pytest.param(None, id="beside", marks=pytest.mark.skip(reason)))
    return pytest.mark.parametrize("file", parameters)


def files(folder: Path, prefixes: tuple[str, ...]) -> list[Path]:
    """The files of a folder's index whose names begin so, in the order of the index."""
    index = folder / "index.json"
    names = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    return [folder / f"{name}.npz" for name in names if name.startswith(prefixes)]


def read(file: Path) -> Case:
    """The arrays of one case; numbers of float64 keep all their digits."""
    with np.load(file) as archive:
        return {name: torch.from_numpy(np.array(archive[name])) for name in archive.files}
