"""The package against values of the methods' official implementations, by the checker that comes with them."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

GOLDEN = Path(__file__).resolve().parents[3].parent / "shared" / "golden"
OF_METHODS = ("regulariser_", "plop_pod_", "mib_init_")
"""Cases whose calling convention belongs to the method classes."""


def case_names() -> list[str]:
    index = GOLDEN / "index.json"
    if not index.exists():
        return []
    return [name for name in json.loads(index.read_text()) if not name.startswith(OF_METHODS)]


@pytest.fixture(scope="module")
def checker() -> Iterator[ModuleType]:
    """The checker as a module; it makes float64 the default, which ends with these tests."""
    default = torch.get_default_dtype()
    spec = importlib.util.spec_from_file_location("golden_checker", GOLDEN / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    torch.set_default_dtype(default)


@pytest.mark.skipif(not case_names(), reason="no golden values beside the repository (../shared/golden)")
@pytest.mark.parametrize("name", case_names())
def test_a_loss_gives_the_value_and_gradient_of_the_official_implementation(checker: ModuleType, name: str) -> None:
    case = checker.load(GOLDEN / f"{name}.npz")

    wrong = [what for what, got, want in checker.evaluate(name, case) if not checker.close(got, want)]

    assert wrong == []
