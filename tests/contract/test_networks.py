"""What methods need of a network holds with every decoder: stages, pixels that turn, heads that grow."""

import copy
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from saticl.config import TrainConfig
from saticl.methods import find, load
from saticl.methods.base import Method
from saticl.methods.criterion import build_criterion
from saticl.methods.rotation import Rotated
from saticl.models.bodies import DECODERS
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import AugOptions, CEOptions, KDOptions, ModelOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch

TASK = Task(("a", "b", "c"), Protocol("toy", (("a", "b"), ("c",))), 1)
METHODS = ("mib", "plop", "lgkd", "ilt", "hciss", "micro", "mbs", "reminder", "sdr", "rcil")
"""Those that compare stages, pixels or coarse scores."""
SPECIAL = ("deeplabv3", "erfnet")
"""Decoders whose pixels are coarse, and whose scores are finer than pixels; the others are like `unet`."""
PAIRS = [(decoder, name) for decoder in DECODERS for name in (METHODS if decoder in SPECIAL else ("plop",))]


def network(decoder: str, encoder: str = "test_resnet") -> Segmenter:
    torch.manual_seed(0)
    options = ModelOptions.model_validate({"encoder": encoder, "decoder": decoder, "init_balanced": True})
    return Segmenter(options, 3, TASK.head_sizes[:1], 64)


def method(name: str) -> Method:
    spec = find(name)
    kd = {key.removeprefix("kd."): value for key, value in spec.defaults.items() if key.startswith("kd.")}
    own = getattr(TrainConfig(data_root=Path("tiles")), name, None)
    built = load(name)(TASK, build_criterion(CEOptions()), KDOptions.model_validate(kd), own)
    return Rotated(built, AugOptions(factor=0.1, factor_icl=0.1))


def batch() -> Batch:
    torch.manual_seed(1)
    return Batch(torch.randn(2, 3, 64, 64), torch.tensor([0, 3, 255])[torch.randint(3, (2, 64, 64))])


@pytest.mark.parametrize(("decoder", "name"), PAIRS)
def test_methods_learn_with_every_decoder(decoder: str, name: str) -> None:
    before = network(decoder)
    student, teacher = copy.deepcopy(before), Teacher(before)
    student.grow(1)
    with torch.no_grad():  # a student like its teacher has nothing to distil
        student.heads[-1].weight.add_(0.1)
    whole = method(name)
    whole.grow(student, teacher, [batch()])
    whole.begin(student, teacher, [batch()])

    terms = whole.terms(batch(), student, teacher, torch.Generator().manual_seed(3))
    torch.stack(list(terms.values())).sum().backward()

    assert {"rotation", "rotation_kd"} <= set(terms)
    assert all(term.isfinite() for term in terms.values())
    assert student.heads[-1].weight.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in student.body.parameters() if p.requires_grad)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_new_head_starts_from_the_background_and_changes_no_old_class(decoder: str) -> None:
    segmenter = network(decoder).eval()
    image = torch.randn(1, 3, 64, 64)
    before = segmenter(image)

    segmenter.grow(1)

    after = segmenter(image)
    share = before.logits.softmax(1)[:, :1] / 2
    assert_close(after.logits[:, 1:3], before.logits[:, 1:])
    assert_close(after.logits.softmax(1)[:, [0, 3]], share.expand(-1, 2, -1, -1), rtol=1e-3, atol=1e-5)
    assert_close(after.pixels, before.pixels)


@pytest.mark.parametrize("decoder", DECODERS)
def test_pixels_are_taken_before_the_classifiers_dropout(decoder: str) -> None:
    segmenter, image = network(decoder).eval(), torch.randn(1, 3, 64, 64)
    expected = segmenter(image)
    segmenter.classifier.dropout.p = 1.0
    segmenter.classifier.train()

    output = segmenter(image)

    assert_close(output.pixels, expected.pixels)
    assert not torch.equal(output.coarse, expected.coarse)
