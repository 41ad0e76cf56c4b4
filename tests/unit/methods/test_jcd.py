"""JCD: what it counts before the step, and what its one term is then."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from saticl.errors import InvalidCheckpoint
from saticl.losses import joint_cross_entropy
from saticl.methods.criterion import build_criterion
from saticl.methods.jcd import JCD, RAREST, weights_of
from saticl.methods.options import JCDOptions
from saticl.options import CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch, Output

GROUPS = (("a", "b"), ("c",))


def build(favour_rare: float = 0.5, step: int = 1) -> JCD:
    task = Task(("a", "b", "c"), Protocol("test", GROUPS), step)
    return JCD(task, build_criterion(CEOptions()), KDOptions(), JCDOptions(favour_rare=favour_rare))


def batch(target: list[int]) -> Batch:
    labels = torch.tensor(target).view(1, 2, -1)
    return Batch(torch.zeros(1, 3, *labels.shape[1:]), labels)


def output(logits: Tensor) -> Output:
    return Output(logits, (), logits, logits)


def sure_teacher(image: Tensor) -> Output:
    """Calls the upper row background, and the lower one the first class."""
    logits = torch.zeros(1, 3, *image.shape[2:])
    logits[:, 0, 0], logits[:, 1, 1] = 50.0, 50.0
    return output(logits)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5))
def test_weights_are_the_equation(pixels: list[int]) -> None:
    weights = weights_of(torch.tensor(pixels)).tolist()

    shares = [number / max(1, sum(pixels)) for number in pixels]
    plain = [1 / (share + 1 / 2048) for share in shares]
    mean = sum(share * weight for share, weight in zip(shares, plain, strict=True))
    assert weights == pytest.approx([weight / mean if sum(pixels) else 1 for weight in plain], rel=1e-4)


def test_pixels_of_all_tiles_are_counted_once() -> None:
    method = build()

    method.begin(torch.nn.Identity(), sure_teacher, [batch([0, 3, 255, 0, 2, 3]), batch([0, 0])])

    shares = torch.tensor([2, 2, 1, 2]) / 7  # the lower row holds one background pixel in either batch
    expected = 1 / (shares + RAREST)
    torch.testing.assert_close(method.weights, expected / (shares * expected).sum())


def test_its_term_has_these_weights() -> None:
    method = build(0.25)
    method.weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    random = torch.Generator().manual_seed(0)
    new, old = (output(torch.randn(1, channels, 2, 2, generator=random)) for channels in (4, 3))
    target = torch.tensor([[[0, 1], [3, 255]]])

    terms = method.supervision(new, old.logits, target) | method.distillation(new, old, target)

    assert set(terms) == {"ce"}
    torch.testing.assert_close(terms["ce"], joint_cross_entropy(new.logits, old.logits, target, method.weights, 0.25))


def test_an_interrupted_step_goes_on_with_its_weights() -> None:
    method, resumed = build(), build()
    method.begin(torch.nn.Identity(), sure_teacher, [batch([0, 3, 0, 0])])

    resumed.resume_state(method.running_state())

    assert resumed.weights.tolist() == method.weights.tolist() != [1, 1, 1, 1]
    assert build(step=0).running_state() == {}
    with pytest.raises(InvalidCheckpoint, match=r"not trained with JCD: its state holds PLOP\.thresholds"):
        resumed.resume_state({"PLOP.thresholds": torch.zeros(1)})
    with pytest.raises(InvalidCheckpoint, match="its state holds nothing"):
        resumed.resume_state({})
