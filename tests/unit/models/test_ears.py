"""A classifier with an ear and a residual of the background per step."""

import pytest
import torch
from torch import Tensor, nn

from saticl.models.classifier import Classifier, Doubling
from saticl.models.ears import EarClassifier
from saticl.options import ModelOptions

WIDTH = 4


def plain(sizes: tuple[int, ...], kernel: int = 1, dropout: float = 0.0) -> Classifier:
    return Classifier(ModelOptions(dropout=dropout), WIDTH, sizes, kernel)


def build(sizes: tuple[int, ...] = (3, 1, 2), kernel: int = 1) -> EarClassifier:
    torch.manual_seed(0)
    return EarClassifier(plain(sizes, kernel), sizes).eval()


def heard(classifier: EarClassifier, pixels: Tensor) -> list[Tensor]:
    """The outputs of every head, written out."""
    found = []
    for ear, head in zip(classifier.ears, classifier.heads, strict=True):
        inner = nn.functional.conv2d(pixels, ear[0].weight, padding=1)
        inner = (inner - ear[1].running_mean.view(-1, 1, 1)) / (ear[1].running_var.view(-1, 1, 1) + 1e-5).sqrt()
        inner = (inner * ear[1].weight.view(-1, 1, 1) + ear[1].bias.view(-1, 1, 1)).clamp(min=0)
        found.append(nn.functional.conv2d(inner, head.weight, head.bias))
    return found


def test_later_residuals_only_lower_the_background_once_they_are_trained() -> None:
    classifier, pixels = build(), torch.randn(2, WIDTH, 5, 6)
    first, second, third = heard(classifier, pixels)

    scores = classifier(pixels)

    background = first[:, 0] + second[:, 0].clamp(max=0) + third[:, 0].clamp(max=0)
    assert (second[:, 0] > 0).any()
    assert (third[:, 0] > 0).any()
    assert scores.shape == (2, classifier.num_classes, 5, 6) == (2, 6, 5, 6)
    torch.testing.assert_close(scores, torch.cat([background[:, None], first[:, 1:], second[:, 1:], third[:, 1:]], 1))


@pytest.mark.parametrize("current", [0, 1, 2])
def test_in_training_the_current_residual_is_whole_and_alone_has_a_gradient(current: int) -> None:
    classifier, pixels = build(), torch.randn(2, WIDTH, 5, 6)
    residuals = [one[:, 0] for one in heard(classifier, pixels)]
    classifier.current, classifier.training = current, True

    background = classifier(pixels)[:, 0]
    background.sum().backward()

    clamped = [residuals[0], *(one.clamp(max=0) for one in residuals[1:])]
    clamped[current] = residuals[current]
    torch.testing.assert_close(background, sum(clamped))
    reached = [bool((head.weight.grad != 0).any()) for head in classifier.heads]
    assert reached == [index == current for index in range(3)]


def test_outside_training_the_current_step_is_as_the_others() -> None:
    classifier, pixels = build(), torch.randn(1, WIDTH, 3, 3)
    expected = classifier(pixels)

    classifier.current = 2

    torch.testing.assert_close(classifier(pixels), expected)


def test_without_a_current_step_training_changes_nothing_and_reaches_all() -> None:
    classifier, pixels = build(), torch.randn(1, WIDTH, 9, 9)
    with torch.no_grad():
        for head in classifier.heads:
            head.bias -= 0.5
    expected = classifier(pixels)
    classifier.training = True

    scores = classifier(pixels)
    scores[:, 0].square().sum().backward()

    torch.testing.assert_close(scores, expected)
    assert all(head.weight.grad[0].abs().sum() > 0 for head in classifier.heads)


def test_a_new_step_gets_a_copy_of_the_first_ear_and_a_head_with_a_residual() -> None:
    classifier = build((3, 1))
    before = [tensor.clone() for tensor in classifier.ears[0].state_dict().values()]

    classifier.grow(2)
    classifier.grow(0)
    with torch.no_grad():
        classifier.ears[0][0].weight.zero_()

    assert [head.out_channels for head in classifier.heads] == [3, 2, 3]
    assert classifier.num_classes == 6
    torch.testing.assert_close(list(classifier.ears[2].state_dict().values()), before, rtol=0, atol=0)


def test_what_grew_is_what_is_built() -> None:
    grown, built = build((3,)), build((3, 0, 2))
    grown.grow(0)
    grown.grow(2)

    built.load_state_dict(grown.state_dict())

    pixels = torch.randn(1, WIDTH, 4, 4)
    torch.testing.assert_close(built(pixels), grown(pixels))


def test_dropout_is_that_of_the_plain_one_and_comes_first() -> None:
    before = plain((3,), dropout=1.0)

    classifier = EarClassifier(before, (3,)).train()
    first, second = (classifier.heard(torch.randn(2, WIDTH, 3, 3))[0] for _ in range(2))

    assert classifier.dropout is before.dropout
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize(("kernel", "side"), [(1, 5), (3, 5), (2, 10)])
def test_heads_are_of_the_kind_of_the_plain_one(kernel: int, side: int) -> None:
    classifier = build((3, 1), kernel)
    classifier.grow(1)

    assert classifier(torch.randn(1, WIDTH, 5, 5)).shape == (1, 5, side, side)
    assert all(isinstance(head, Doubling) == (kernel == 2) for head in classifier.heads)


def test_precision_is_that_of_the_plain_one() -> None:
    classifier = EarClassifier(plain((3,)).double(), (3,))
    classifier.grow(1)

    assert {parameter.dtype for parameter in classifier.parameters()} == {torch.float64}


def test_a_head_that_is_no_convolution_is_refused() -> None:
    odd = plain((3,))
    odd.heads[0] = nn.Identity()

    with pytest.raises(TypeError, match="not Identity"):
        EarClassifier(odd, (3,))
