"""Labels that the previous model gives to the background, pixel by pixel."""

import torch

from saticl.labels import IGNORE
from saticl.losses import normalised_entropy, old_labels


def test_confident_background_takes_the_teachers_class_and_the_rest_of_it_is_ignored() -> None:
    said = torch.tensor([[[0, 1, 2, 2, 1, 2]]])
    old_logits = torch.nn.functional.one_hot(said, 3).permute(0, 3, 1, 2).float()
    target = torch.tensor([[[0, 0, 0, 0, 3, IGNORE]]])
    confident = torch.tensor([[[True, True, True, False, True, True]]])

    assert old_labels(target, old_logits, confident).tolist() == [[[0, 1, 2, IGNORE, 3, IGNORE]]]


def test_new_classes_begin_where_the_teachers_scores_end() -> None:
    old_logits, confident = torch.tensor([5.0, 0.0]).view(1, 2, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool)

    assert old_labels(torch.tensor([[[2]]]), old_logits, confident).item() == 2
    assert old_labels(torch.tensor([[[0]]]), old_logits, confident).item() == 0


def test_labels_of_old_classes_stay_where_they_are_given() -> None:
    old_logits, confident = torch.tensor([5.0, 0.0]).view(1, 2, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool)

    assert old_labels(torch.tensor([[[1]]]), old_logits, confident).item() == 1


def test_entropy_is_that_of_every_pixel_as_a_share_of_the_largest_possible() -> None:
    logits = torch.randn(2, 3, 4, 5)
    p = logits.softmax(1)

    torch.testing.assert_close(normalised_entropy(logits), -(p * p.log()).sum(1) / torch.tensor(3.0).log())
    torch.testing.assert_close(normalised_entropy(torch.zeros(1, 4, 2, 2)), torch.ones(1, 2, 2))
