"""One head per step: what grows, what moves, and what the background pays."""

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from saticl.models.classifier import Classifier, score
from saticl.options import ModelOptions
from tests import official

BALANCED = ModelOptions(init_balanced=True)


def build(head_sizes: tuple[int, ...] = (3,), width: int = 7, **options: object) -> Classifier:
    torch.manual_seed(0)
    return Classifier(ModelOptions.model_validate(options), width, head_sizes)


def test_scores_of_all_heads_stand_in_learning_order() -> None:
    classifier = build((3, 1, 2)).eval()
    pixels = torch.randn(2, 7, 4, 5)

    scores = classifier(pixels)

    assert classifier.num_classes == 6
    assert scores.shape == (2, 6, 4, 5)
    assert_close(scores, torch.cat([head(pixels) for head in classifier.heads], dim=1))


def test_dropout_comes_before_the_heads_and_stops_in_evaluation() -> None:
    classifier, pixels = build((2,), dropout=1.0), torch.randn(1, 7, 4, 4)

    bias = classifier.heads[0].bias
    assert_close(classifier(pixels), bias[None, :, None, None].expand(1, 2, 4, 4))
    assert not torch.equal(classifier.eval()(pixels), classifier.train()(pixels))


@pytest.mark.parametrize("whole", [True, False])
def test_dropout2d_drops_whole_channels(whole: bool) -> None:
    pixels = torch.ones(2, 32, 4, 4)

    dropped = build(width=32, dropout=0.5, dropout2d=whole).dropout(pixels)

    per_channel = dropped.flatten(2)
    assert ((per_channel == 0).all(dim=2) | (per_channel != 0).all(dim=2)).all() == whole


def test_growing_moves_no_index() -> None:
    classifier, pixels = build().eval(), torch.randn(2, 7, 4, 4)
    before = classifier(pixels)

    classifier.grow(2)

    assert classifier.num_classes == 5
    assert_close(classifier(pixels)[:, :3], before)


def test_new_heads_are_where_the_others_are() -> None:
    classifier = build().to("meta")

    classifier.grow(2)

    assert {parameter.device.type for parameter in classifier.parameters()} == {"meta"}


def test_a_head_that_is_no_convolution_is_named() -> None:
    classifier = build()
    classifier.heads.append(torch.nn.Identity())

    with pytest.raises(TypeError, match="a head is a convolution, not Identity"):
        _ = classifier.num_classes


@settings(deadline=None, max_examples=20)
@given(steps=st.lists(st.integers(1, 6), min_size=1, max_size=3), num_first=st.integers(1, 5), seed=st.integers(0, 99))
def test_balanced_heads_share_the_background_and_leave_the_rest(steps: list[int], num_first: int, seed: int) -> None:
    classifier = Classifier(BALANCED, 7, (num_first,)).double().eval()
    pixels = torch.randn(2, 7, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    for num_new in steps:
        before = classifier(pixels).softmax(1)
        classifier.grow(num_new)
        after = classifier(pixels).softmax(1)

        num_old = before.shape[1]
        share = before[:, :1] / (num_new + 1)
        assert_close(after[:, 1:num_old], before[:, 1:])
        assert_close(after[:, :1], share)
        assert_close(after[:, num_old:], share.expand(-1, num_new, -1, -1))


@official.cases("mib_init_")
def test_balanced_head_is_the_official_one(file: Path) -> None:
    golden = official.read(file)
    classifier = Classifier(BALANCED, 7, (len(golden["old_bias"]),)).double()
    classifier.heads[0].load_state_dict({"weight": golden["old_weight"], "bias": golden["old_bias"]})

    classifier.grow(int(golden["new_classes"]))

    first, new = classifier.heads[0].state_dict(), classifier.heads[1].state_dict()
    assert_close(new["weight"], golden["new_weight"], rtol=1e-12, atol=0)
    assert_close(new["bias"], golden["new_bias"], rtol=1e-12, atol=0)
    assert_close(first["bias"][:1], golden["background_bias"], rtol=1e-12, atol=0)
    assert_close(first["bias"][1:], golden["old_bias"][1:], rtol=0, atol=0)


def test_random_heads_leave_the_background_alone() -> None:
    classifier = build(init_balanced=False)
    before = copy.deepcopy(classifier.heads[0].state_dict())

    classifier.grow(2)

    assert_close(classifier.heads[0].state_dict(), before)


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_rows_that_are_no_heads_score_as_heads_do(kernel: int) -> None:
    torch.manual_seed(0)
    classifier = Classifier(ModelOptions(dropout=0.0), 7, (3,), kernel)
    head, pixels = classifier.heads[0], torch.randn(2, 7, 4, 5)

    assert_close(score(pixels, head.weight, head.bias), classifier(pixels))
    assert score(pixels, head.weight, head.bias).shape[-1] == (10 if kernel == 2 else 5)
