"""Terms of the methods that only combine losses: which loss, on what, with which weight."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.labels import IGNORE
from saticl.losses import (
    attended_mse,
    class_balanced_cross_entropy,
    distillation,
    feature_mse,
    incremental_bce,
    new_class_cross_entropy,
    unbiased_cross_entropy,
    unbiased_distillation,
    unlabelled_distillation,
)
from saticl.methods.cbd import CBD
from saticl.methods.cil import CIL
from saticl.methods.criterion import build_criterion
from saticl.methods.hciss import HCISS
from saticl.methods.ilt import ILT
from saticl.methods.lwf import LwF
from saticl.methods.lwf_mc import LwFMC
from saticl.methods.micro import MiCro, averaged
from saticl.methods.options import CILOptions, HCISSOptions, MiCroOptions
from saticl.models.segmenter import Segmenter
from saticl.options import CEOptions, KDOptions, ModelOptions
from saticl.tasks import Protocol, Task
from saticl.types import Output
from tests import official

TASK = Task(("a", "b", "c"), Protocol("toy", (("a",), ("b", "c"))), 1)
CRITERION = build_criterion(CEOptions())
KD = KDOptions(decoder_factor=3.0, encoder_factor=0.5)


@pytest.fixture
def case() -> tuple[Output, Output, Tensor]:
    torch.manual_seed(0)
    new, old = torch.randn(2, 4, 8, 8), 3 * torch.randn(2, 2, 8, 8)
    target = torch.tensor([0, 2, 3, IGNORE])[torch.randint(4, (2, 8, 8))]
    return output(new), output(old), target


def output(logits: Tensor) -> Output:
    stages = tuple(torch.randn(len(logits), 5, side, side) for side in (4, 2))
    return Output(logits, stages, torch.randn(len(logits), 6, 4, 4), F.avg_pool2d(logits, 2))


def test_lwf_distils_the_scores_of_old_classes(case: tuple[Output, Output, Tensor]) -> None:
    new, old, target = case

    terms = LwF(TASK, CRITERION, KD).distillation(new, old, target)

    torch.testing.assert_close(terms, {"kd": 3 * distillation(new.logits, old.logits)})


def test_lwf_does_not_see_scores_of_new_classes_and_cil_does(case: tuple[Output, Output, Tensor]) -> None:
    new, old, target = case
    moved = new._replace(logits=new.logits + torch.tensor([0.0, 0, 5, 5]).view(4, 1, 1))

    lwf, cil = LwF(TASK, CRITERION, KD), CIL(TASK, CRITERION, KD, CILOptions())

    torch.testing.assert_close(lwf.distillation(moved, old, target), lwf.distillation(new, old, target))
    assert cil.distillation(moved, old, target)["kd"] > cil.distillation(new, old, target)["kd"]


def test_the_two_terms_of_lwf_mc_are_the_published_loss(case: tuple[Output, Output, Tensor]) -> None:
    new, old, target = case
    method = LwFMC(TASK, CRITERION, KD)

    terms = method.supervision(new, old.logits, target) | method.distillation(new, old, target)

    torch.testing.assert_close(sum(terms.values()), incremental_bce(new.logits, target, old.logits, 3.0))
    torch.testing.assert_close(method.initial(new, target)["ce"], incremental_bce(new.logits, target))


def test_ilt_keeps_scores_and_the_deepest_features(case: tuple[Output, Output, Tensor]) -> None:
    new, old, target = case

    terms = ILT(TASK, CRITERION, KD).distillation(new, old, target)

    torch.testing.assert_close(terms["kd"], 3 * distillation(new.logits, old.logits))
    torch.testing.assert_close(terms["features"], 0.5 * feature_mse(new.stages[-1], old.stages[-1]))


def test_cil_divides_the_pixels_between_labels_and_teacher(case: tuple[Output, Output, Tensor]) -> None:
    new, old, target = case
    method = CIL(TASK, CRITERION, KD, CILOptions(entropy_weight=2, temperature=3))

    terms = method.supervision(new, old.logits, target) | method.distillation(new, old, target)

    unlabelled = target.masked_fill(target == 0, IGNORE)
    torch.testing.assert_close(terms["ce"], new_class_cross_entropy(new.logits, target, 2))
    torch.testing.assert_close(terms["kd"], 3 * unlabelled_distillation(new.logits, old.logits, unlabelled, 2.0, 3.0))


def test_cbd_weighs_labelled_classes_alike_and_leaves_the_other_pixels_to_the_teacher(
    case: tuple[Output, Output, Tensor],
) -> None:
    new, old, target = case
    method = CBD(TASK, CRITERION, KD)

    terms = method.supervision(new, old.logits, target) | method.distillation(new, old, target)

    unlabelled = target.masked_fill(target == 0, IGNORE)
    torch.testing.assert_close(terms["ce"], class_balanced_cross_entropy(new.logits, unlabelled))
    torch.testing.assert_close(terms["kd"], 3 * unlabelled_distillation(new.logits, old.logits, unlabelled, 0.0))


def test_hciss_labels_old_pixels_of_which_the_teacher_is_sure_and_ignores_the_others() -> None:
    p = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.1, 0.9], [0.1, 0.9]]).T.reshape(1, 2, 1, 5)
    target = torch.tensor([[[0, 0, 0, 0, 2]]])
    logits = torch.randn(1, 4, 1, 5)
    method = HCISS(TASK, CRITERION, KD, HCISSOptions(confidence=0.7))

    loss = method.supervision(output(torch.zeros(1, 4, 2, 2))._replace(logits=logits), p.log(), target)["ce"]

    torch.testing.assert_close(
        loss, F.cross_entropy(logits, torch.tensor([[[0, 0, IGNORE, 1, 2]]]), ignore_index=IGNORE)
    )


def test_hciss_keeps_features_where_the_teacher_sees_old_classes(case: tuple[Output, Output, Tensor]) -> None:
    new, old, target = case

    terms = HCISS(TASK, CRITERION, KD, HCISSOptions(features_factor=2)).distillation(new, old, target)

    torch.testing.assert_close(terms["kd"], 3 * unbiased_distillation(new.logits, old.logits))
    attention = old.coarse.softmax(1)[:, 1]
    torch.testing.assert_close(terms["features"], 2 * attended_mse(new.pixels, old.pixels, attention))


def test_micro_is_mib_with_relations_that_vanish_for_the_teachers_own_features(
    case: tuple[Output, Output, Tensor],
) -> None:
    new, old, target = case
    method = MiCro(TASK, CRITERION, KD, MiCroOptions())

    terms = method.supervision(new, old.logits, target) | method.distillation(new, old, target)
    same = method.distillation(new._replace(pixels=old.pixels), old, target)

    torch.testing.assert_close(terms["ce"], unbiased_cross_entropy(new.logits, target, 2))
    torch.testing.assert_close(terms["kd"], 3 * unbiased_distillation(new.logits, old.logits))
    assert min(terms["relation"], terms["prototype"], terms["contrast"]) > 0
    assert same["relation"].item() == pytest.approx(0, abs=1e-6)
    assert same["prototype"].item() == pytest.approx(0, abs=1e-6)


def test_micro_labels_positions_with_new_classes_then_with_what_the_teacher_is_sure_of() -> None:
    p = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9], [0.1, 0.9]]).T.reshape(1, 2, 2, 2)
    old = output(torch.zeros(1, 2, 4, 4))._replace(coarse=p.log())
    target = torch.zeros(1, 4, 4, dtype=torch.long)
    target[0, 2:, 2:] = 3

    labels = MiCro(TASK, CRITERION, KD, MiCroOptions(confidence=0.7)).labels(old, target)

    assert labels.tolist() == [[[0, IGNORE], [1, 3]]]


@pytest.mark.parametrize(
    ("height", "width", "side", "shape"), [(32, 32, 16, (16, 16)), (33, 20, 16, (11, 7)), (4, 4, 16, (4, 4))]
)
def test_positions_are_means_over_squares(height: int, width: int, side: int, shape: tuple[int, int]) -> None:
    features = torch.ones(1, 2, height, width, dtype=torch.bfloat16)

    small = averaged(features, side)

    assert small.shape[-2:] == shape
    assert math.isclose(small.float().mean().item(), 1)


@official.cases("mib_init_")
def test_new_classes_start_from_the_background_as_in_the_published_code(file: Path) -> None:
    case = official.read(file)
    old = case["old_weight"]
    model = Segmenter(ModelOptions(encoder="resnet18", init_balanced=True), 3, (len(old),))
    model.heads[0] = torch.nn.Conv2d(old.shape[1], len(old), 1, dtype=old.dtype)
    with torch.no_grad():
        model.heads[0].weight.copy_(old)
        model.heads[0].bias.copy_(case["old_bias"])

    model.grow(int(case["new_classes"]))

    torch.testing.assert_close(model.heads[1].weight.detach(), case["new_weight"], rtol=1e-6, atol=0)
    torch.testing.assert_close(model.heads[1].bias.detach(), case["new_bias"], rtol=1e-6, atol=0)
    torch.testing.assert_close(model.heads[0].bias.detach()[:1], case["background_bias"], rtol=1e-6, atol=0)
