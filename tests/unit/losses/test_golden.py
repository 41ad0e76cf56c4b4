"""The package against values of the methods' official implementations."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from saticl import losses
from saticl.transforms import Dihedral
from tests import official
from tests.official import Case

TOLERANCE = 1e-9

Values = dict[str, Tensor]


def unbiased_ce(case: Case, logits: Tensor) -> Values:
    target, num_old = case["target"], int(case["old_classes"])
    return {
        "loss_map": losses.unbiased_cross_entropy(logits, target, num_old, reduction="none"),
        "mean_valid": losses.unbiased_cross_entropy(logits, target, num_old),
        "mean_all": losses.unbiased_cross_entropy(logits, target, num_old, reduction="all"),
    }


def unbiased_kd(case: Case, logits: Tensor) -> Values:
    return {"loss": losses.unbiased_distillation(logits, case["old_logits"], alpha=float(case["alpha"]))}


def kd(case: Case, logits: Tensor) -> Values:
    return {"loss": losses.distillation(logits, case["old_logits"], alpha=float(case["alpha"]))}


def lwf_mc(case: Case, logits: Tensor) -> Values:
    importance = float(case["importance"])
    return {"loss": losses.incremental_bce(logits, case["target"], case["old_logits"], importance=importance)}


def bce(case: Case, logits: Tensor) -> Values:
    return {"loss": losses.incremental_bce(logits, case["target"])}


def lgkd(case: Case, logits: Tensor) -> Values:
    previous, novel = float(case["prev_kd"]), float(case["novel_kd"])
    loss = losses.label_guided_distillation(logits, case["old_logits"], case["target"], previous, novel)
    return {"loss": loss}


def cil(case: Case, logits: Tensor) -> Values:
    old, target, weight = case["old_logits"], case["target"], float(case["lambda_gs"])
    ce = losses.new_class_cross_entropy(logits, target, old.shape[1])
    kd = losses.unlabelled_distillation(logits, old, target, weight, int(case["temperature"]))
    return {"ce": ce, "kd": kd, "both": ce + kd}


LOSSES: dict[str, Callable[[Case, Tensor], Values]] = {
    "unbiased_ce": unbiased_ce,
    "unbiased_kd": unbiased_kd,
    "kd": kd,
    "lwf_mc": lwf_mc,
    "bce": bce,
    "lgkd": lgkd,
    "cil": cil,
}
"""By the beginning of a case's name. The gradient is that of the last value."""


def same(got: Tensor, want: Tensor) -> None:
    torch.testing.assert_close(got, want, rtol=TOLERANCE, atol=TOLERANCE)


@official.cases(*[f"{kind}_" for kind in LOSSES])
def test_a_loss_gives_the_value_and_gradient_of_the_official_implementation(file: Path) -> None:
    case = official.read(file)
    (compute,) = [compute for kind, compute in LOSSES.items() if file.stem.startswith(f"{kind}_")]
    logits = case["logits"].requires_grad_()

    values = compute(case, logits)
    list(values.values())[-1].backward()

    for name in values.keys() & case.keys():
        same(values[name].detach(), case[name])
    same(logits.grad, case["grad"])


@official.cases("local_pod_")
def test_the_distance_of_two_maps_is_that_of_the_official_implementation(file: Path) -> None:
    case = official.read(file)
    new = case["new"].requires_grad_()

    distance = losses.local_pod_distance(case["old"], new)
    distance.backward()

    same(distance.detach(), case["distance"])
    same(new.grad, case["grad"])


@official.cases("rotation_")
def test_turned_features_are_compared_as_in_the_official_implementation(file: Path) -> None:
    case = official.read(file)
    turn = Dihedral(int(case["k"]), bool(case["flip"]))

    same(losses.feature_mse(turn(case["new"]), case["new_t"]), case["invariance"])
    same(losses.feature_mse(case["new_t"], turn(case["old"])), case["distillation"])


@pytest.mark.parametrize("kind", [*LOSSES, "local_pod", "rotation", "plop_pod", "mib_init", "regulariser"])
def test_a_clone_holds_values_of_every_function(kind: str) -> None:
    assert official.files(official.HERE, (f"{kind}_",))


@pytest.fixture
def checker() -> Iterator[ModuleType]:
    """The checker beside the repository, as a module; it makes float64 the default, which ends with the test."""
    if not official.BESIDE.is_dir():
        pytest.skip("no golden values and no checker beside the repository (../shared/golden)")
    default = torch.get_default_dtype()
    spec = importlib.util.spec_from_file_location("golden_checker", official.BESIDE / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    torch.set_default_dtype(default)


def test_the_checker_that_comes_with_the_values_agrees(
    checker: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["check.py"])
    monkeypatch.setattr(sys, "path", [*sys.path])

    wrong = checker.main()

    assert wrong == 0, capsys.readouterr().out
