"""Formulas of methods written out pixel by pixel, where a shorter test would accept a simpler method too."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from saticl.errors import UnknownName
from saticl.labels import IGNORE
from saticl.losses import distillation, local_pod_distance, unbiased_distillation
from saticl.methods import find
from saticl.methods.base import Method, Network
from saticl.methods.criterion import build_criterion
from saticl.methods.finetuning import UnbiasedFineTuning
from saticl.methods.hciss import HCISS
from saticl.methods.ilt import ILT
from saticl.methods.lgkd import LGKD
from saticl.methods.lwf import LwF
from saticl.methods.mib import MiB
from saticl.methods.micro import MiCro
from saticl.methods.options import HCISSOptions, LGKDOptions, MiCroOptions, PLOPOptions, RWOptions
from saticl.methods.plop import PLOP
from saticl.methods.rotation import Rotated, draw_turn
from saticl.methods.rw import RW
from saticl.options import AugOptions, CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.transforms import Rotation
from saticl.types import Batch, Output, Terms
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c", "d"))), 1)
CRITERION = build_criterion(CEOptions())
KD = KDOptions(decoder_factor=1.0)
HARDER = KDOptions(decoder_factor=3.0, alpha=2.0)
ROTATION = AugOptions(factor=0.3, factor_icl=0.7)


def output(logits: Tensor) -> Output:
    return Output(logits, (logits,), logits, logits)


def labels(*shape: int) -> Tensor:
    """New classes, background and ignored pixels."""
    return torch.tensor([0, 3, 4, IGNORE])[torch.randint(4, shape)]


def teacher_output(student: Network, image: Tensor, logits: Tensor) -> Output:
    """Scores of a teacher, with maps of the shapes that the student's have."""
    features = student(image)
    return features._replace(logits=logits, coarse=F.avg_pool2d(logits, 2))


def rotated_terms(method: Method, batch: Batch, student: Network, teacher: Network, seed: int) -> Terms:
    """The terms of one iteration of a method inside rotation distillation."""
    return Rotated(method, ROTATION).terms(batch, student, teacher, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [MiB, UnbiasedFineTuning])
def test_background_may_be_any_old_class(kind: type[Method]) -> None:
    method, logits, target = kind(TASK, CRITERION, KD), torch.randn(2, 5, 4, 4), labels(2, 4, 4)
    probabilities = logits.softmax(1)
    of_pixels = []
    for place in (target != IGNORE).nonzero().tolist():
        image, row, column = place
        label = int(target[image, row, column])
        q = probabilities[image, :, row, column]
        of_pixels.append(-(q[:3].sum() if label == 0 else q[label]).log())

    loss = method.supervision(output(logits), torch.zeros(2, 3, 4, 4), target)["ce"]

    torch.testing.assert_close(loss, torch.stack(of_pixels).mean())


def test_plops_features_weigh_more_the_more_classes_are_known_for_each_new_one() -> None:
    options = PLOPOptions(features_factor=0.5, logits_factor=0.0)
    method = PLOP(TASK, CRITERION, KD, options)
    new, old = torch.randn(2, 5, 8, 8), torch.randn(2, 3, 8, 8)
    maps = [torch.randn(2, 6, 8, 8) for _ in range(4)]

    pod = method.pod(
        Output(new, (maps[0],), maps[1], new),
        Output(old, (maps[2],), maps[3], old),
    )

    distances = [local_pod_distance(maps[2], maps[0]), local_pod_distance(maps[3], maps[1]), torch.tensor(0.0)]
    torch.testing.assert_close(pod, math.sqrt(5 / 2) * 0.5 * sum(distances) / 3)


def plop(kind: type[PLOP]) -> PLOP:
    options = LGKDOptions() if kind is LGKD else PLOPOptions()
    method = kind(TASK, CRITERION, KD, options)
    method.thresholds = torch.tensor([0.99, 0.98, 0.97])
    return method


@pytest.mark.parametrize(
    "method",
    [plop(PLOP), plop(LGKD), HCISS(TASK, CRITERION, KD, HCISSOptions(confidence=0.4))],
    ids=["plop", "lgkd", "hciss"],
)
@pytest.mark.parametrize("seed", range(4))
def test_the_teachers_scores_turn_with_the_image_that_they_label(method: Method, seed: int) -> None:
    torch.manual_seed(seed)
    student, old = ToySegmenter((3, 2)), 5 * torch.randn(2, 3, 8, 8)
    batch = Batch(torch.randn(2, 3, 8, 8), labels(2, 8, 8))
    turn = draw_turn(ROTATION, torch.Generator().manual_seed(seed))

    terms = rotated_terms(method, batch, student, lambda image: teacher_output(student, image, old), seed)

    both = student(torch.cat([batch.image, turn(batch.image)]))
    targets = torch.cat([batch.target, turn.mask(batch.target)])
    turned = method.supervision(both, torch.cat([old, turn(old)]), targets)["ce"]
    not_turned = method.supervision(both, torch.cat([old, old]), targets)["ce"]
    torch.testing.assert_close(terms["ce"], turned)
    assert not torch.isclose(turned, not_turned)


def test_hciss_keeps_background_whatever_the_teachers_confidence() -> None:
    p = torch.tensor([[0.45, 0.3, 0.25], [0.3, 0.45, 0.25], [0.05, 0.9, 0.05]]).T.reshape(1, 3, 1, 3)
    logits = torch.randn(1, 5, 1, 3)
    method = HCISS(TASK, CRITERION, KD, HCISSOptions(confidence=0.7))

    loss = method.supervision(output(logits), p.log(), torch.zeros(1, 1, 3, dtype=torch.long))["ce"]

    torch.testing.assert_close(loss, F.cross_entropy(logits, torch.tensor([[[0, IGNORE, 1]]]), ignore_index=IGNORE))


@pytest.mark.parametrize(
    ("method", "distance"),
    [
        (LwF(TASK, CRITERION, HARDER), distillation),
        (ILT(TASK, CRITERION, HARDER), distillation),
        (MiB(TASK, CRITERION, HARDER), unbiased_distillation),
        (HCISS(TASK, CRITERION, HARDER, HCISSOptions()), unbiased_distillation),
        (MiCro(TASK, CRITERION, HARDER, MiCroOptions()), unbiased_distillation),
    ],
    ids=["lwf", "ilt", "mib", "hciss", "micro"],
)
def test_alpha_hardens_the_teachers_labels(method: Method, distance: Callable[..., Tensor]) -> None:
    new, old = output(torch.randn(2, 5, 16, 16)), output(torch.randn(2, 3, 16, 16))
    old = old._replace(pixels=new.pixels, stages=new.stages)

    kd = method.distillation(new, old, labels(2, 16, 16))["kd"]

    torch.testing.assert_close(kd, 3 * distance(new.logits, old.logits, 2.0))
    assert not torch.isclose(kd, 3 * distance(new.logits, old.logits))


def test_what_a_network_gives_is_decoded_to_probabilities_over_classes() -> None:
    logits = torch.randn(2, 5, 4, 6)

    probabilities = Method.decode(output(logits))

    torch.testing.assert_close(probabilities, logits.exp() / logits.exp().sum(1, keepdim=True))


@pytest.mark.parametrize("flip", [True, False])
def test_free_angles_are_whole_degrees_of_the_circle_half_of_them_mirrored(flip: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    drawn = [draw_turn(AugOptions(fixed_angles=False, flip=flip), generator) for _ in range(600)]

    degrees = [turn.degrees for turn in drawn if isinstance(turn, Rotation)]
    mirrored = sum(turn.mirror for turn in drawn if isinstance(turn, Rotation))
    assert len(degrees) == 600
    assert all(isinstance(angle, int) and 1 <= angle <= 359 for angle in degrees)
    assert len(set(degrees)) > 200
    assert 250 < mirrored < 350 if flip else mirrored == 0


def test_scores_of_riemannian_walk_are_averaged_with_those_of_earlier_steps() -> None:
    method = RW(TASK, CRITERION, KD, RWOptions())
    method.memory = {
        "gain": {"a": torch.tensor([3.0, -1.0]), "new": torch.tensor([5.0])},
        "score": {"a": torch.tensor([1.0, 2.0])},
    }

    method.end(torch.nn.Identity())

    assert {name: score.tolist() for name, score in method.memory["score"].items()} == {"a": [2.0, 1.0], "new": [5.0]}


def test_an_unknown_method_is_called_a_method() -> None:
    with pytest.raises(UnknownName, match="no method 'mibb'"):
        find("mibb")
