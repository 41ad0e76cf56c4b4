"""Over what each loss sums and over what it averages, element by element."""

import torch
import torch.nn.functional as F

from saticl.losses import (
    attended_mse,
    cross_entropy,
    distillation,
    focal,
    pixel_contrast,
    sigmoid_distillation,
    tanimoto,
    unbiased_distillation,
)
from tests.reference import losses as reference


def test_attended_features_are_averaged_over_channels_and_weighted_over_places() -> None:
    a, b = torch.randn(2, 5, 3, 4), torch.randn(2, 5, 3, 4)
    attention = torch.rand(2, 3, 4)

    loss = attended_mse(a, b, attention)

    places = [(image, row, column) for image in range(2) for row in range(3) for column in range(4)]
    weighted = sum(attention[place] * ((a - b)[place[0], :, place[1], place[2]] ** 2).mean() for place in places)
    torch.testing.assert_close(loss, weighted / attention.sum())


def test_attended_features_do_not_depend_on_the_number_of_channels() -> None:
    a, b, attention = torch.randn(2, 5, 3, 4), torch.randn(2, 5, 3, 4), torch.rand(2, 3, 4)

    torch.testing.assert_close(
        attended_mse(a.repeat(1, 3, 1, 1), b.repeat(1, 3, 1, 1), attention), attended_mse(a, b, attention)
    )


def test_an_anchor_without_a_negative_is_not_counted() -> None:
    """At a temperature so low that the score of what must not be chosen would otherwise be chosen."""
    features = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    one_class = torch.tensor([3, 3, 255])

    assert pixel_contrast(features, one_class, temperature=1e-5) == 0
    assert pixel_contrast(features, torch.tensor([3, 3, 2]), temperature=1e-5) > 0


def test_an_anchor_without_a_positive_is_not_counted() -> None:
    features, labels = torch.randn(5, 4), torch.tensor([1, 1, 2, 0, 0])

    z = F.normalize(features, dim=1)
    scores = z @ z.T / 0.5
    expected = []
    for anchor, positive in ((0, 1), (1, 0)):
        negatives = scores[anchor, 2:].exp().sum()
        expected.append(-(scores[anchor, positive].exp() / (scores[anchor, positive].exp() + negatives)).log())
    torch.testing.assert_close(pixel_contrast(features, labels, 0.5), torch.stack(expected).mean())


def test_sigmoids_are_summed_over_old_classes() -> None:
    new, old = torch.randn(2, 5, 3, 3), torch.randn(2, 4, 3, 3)
    p, q = old.sigmoid(), new[:, :4].sigmoid()

    of_pixels = -(p * q.log() + (1 - p) * (1 - q).log()).sum(1)

    torch.testing.assert_close(sigmoid_distillation(new, old), of_pixels.mean())


def test_soft_labels_are_averaged_over_old_classes_and_see_no_new_ones() -> None:
    new, old = torch.randn(2, 5, 3, 3), torch.randn(2, 3, 3, 3)
    q = new[:, :3].exp() / new[:, :3].exp().sum(1, keepdim=True)

    torch.testing.assert_close(distillation(new, old), -(old.softmax(1) * q.log()).sum(1).mean() / 3)


def test_unbiased_soft_labels_see_new_classes_in_the_background() -> None:
    new, old = torch.randn(2, 5, 3, 3), torch.randn(2, 3, 3, 3)
    q = new.softmax(1)
    merged = torch.cat([q[:, :1] + q[:, 3:].sum(1, keepdim=True), q[:, 1:3]], dim=1)

    torch.testing.assert_close(unbiased_distillation(new, old), -(old.softmax(1) * merged.log()).sum(1).mean() / 3)


def test_only_the_ratio_of_class_weights_counts() -> None:
    """Also where all of them are so small that their sum over the pixels is below 1."""
    logits, target = torch.randn(1, 3, 2, 2), torch.randint(0, 3, (1, 2, 2))
    weight = torch.tensor([0.5, 1.0, 2.0])

    for loss in (cross_entropy, focal):
        torch.testing.assert_close(loss(logits, target, weight=1e-3 * weight), loss(logits, target, weight=weight))


def test_volumes_are_as_exact_as_the_scores() -> None:
    logits, target = torch.randn(1, 3, 5, 7, dtype=torch.float64), torch.randint(0, 3, (1, 5, 7))

    loss = tanimoto(logits, target)

    assert loss.dtype == torch.float64
    expected = torch.tensor(reference.tanimoto(logits, target, [1.0] * 3), dtype=torch.float64)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
