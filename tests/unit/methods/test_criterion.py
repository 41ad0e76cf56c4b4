"""The supervised loss that options ask for, and class weights from pixel counts."""

import math
from dataclasses import replace

import pytest
import torch

from saticl.geo.windows import Window
from saticl.labels import IGNORE
from saticl.losses import cross_entropy, focal, tanimoto, tversky
from saticl.methods.criterion import balanced_weights, build_criterion, with_old_labels
from saticl.options import CEOptions
from saticl.tasks import Protocol, Task
from saticl.tiles.index import Tile

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a",), ("b", "c"), ("d",))), 1)
WINDOW = Window(0, 0, 8, 8)
TILE = Tile("s/0", "s", "s", "train", WINDOW, WINDOW, "i.tif", "m.tif", None, (0, 0, 0, 0), 0)


def tile(*counts: int) -> Tile:
    return replace(TILE, counts=counts)


def test_balanced_weights_fall_with_the_square_root_of_a_labels_pixels() -> None:
    # output indices: 0 background (a and d hide in it), 1 a, 2 b, 3 c
    weights = balanced_weights([tile(300, 100, 40, 200), tile(100, 300, 60, 300)], TASK, TASK.train_table())

    pixels = torch.tensor([900.0, 400.0, 100.0])
    falls = weights[[0, 2, 3]] / weights[3]
    torch.testing.assert_close(falls, (100 / pixels).sqrt())


def test_balanced_weights_average_1_over_the_labelled_pixels_so_that_the_rate_keeps_its_meaning() -> None:
    weights = balanced_weights([tile(300, 100, 40, 200), tile(100, 300, 60, 300)], TASK, TASK.train_table())

    pixels = torch.tensor([900.0, 0.0, 400.0, 100.0])
    assert ((weights * pixels).sum() / pixels.sum()).item() == pytest.approx(1)


def test_a_class_without_pixels_has_weight_1() -> None:
    weights = balanced_weights([tile(300, 100, 0, 200)], TASK, TASK.train_table())

    assert weights[3] == 1
    assert weights[1] == 1


@pytest.mark.parametrize(
    ("options", "loss"),
    [
        ({"name": "ce"}, lambda z, y, n, w: cross_entropy(z, y, n, weight=w)),
        ({"name": "focal", "gamma": 3.0}, lambda z, y, n, w: focal(z, y, n, gamma=3.0, weight=w)),
        (
            {"name": "tversky", "alpha": 0.3, "beta": 0.9, "gamma": 1.5},
            lambda z, y, n, w: tversky(z, y, n, alpha=0.3, beta=0.9, gamma=1.5, weight=w),
        ),
        ({"name": "tanimoto"}, lambda z, y, n, w: tanimoto(z, y, n, weight=w)),
    ],
)
def test_the_loss_is_the_one_asked_for_with_its_options(options: dict[str, object], loss: object) -> None:
    logits, target = torch.randn(2, 4, 6, 6), torch.randint(0, 4, (2, 6, 6))
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0])

    got = build_criterion(CEOptions.model_validate(options), weight)(logits, target, 2)

    torch.testing.assert_close(got, loss(logits, target, 2, weight))  # type: ignore[operator]
    assert got != build_criterion(CEOptions.model_validate(options))(logits, target, 2)


def test_labels_of_old_classes_count_with_their_own_probability() -> None:
    """MiB sees background and old classes as one; where the label names an old class, it is this class."""
    torch.manual_seed(3)
    logits = torch.randn(2, 4, 5, 6, dtype=torch.float64)
    target = torch.randint(0, 4, (2, 5, 6))
    target[0, 0] = IGNORE
    criterion = with_old_labels(cross_entropy)

    loss = criterion(logits, target, num_old=3)

    log_q = logits.log_softmax(1)
    total, labelled = 0.0, 0
    for image, row, col in torch.cartesian_prod(torch.arange(2), torch.arange(5), torch.arange(6)).tolist():
        label = int(target[image, row, col])
        if label == IGNORE:
            continue
        scores = log_q[image, :, row, col]
        total -= float(scores[:3].logsumexp(0) if label == 0 else scores[label])
        labelled += 1
    assert float(loss) == pytest.approx(total / labelled, rel=1e-12)
    assert criterion(logits, target) == cross_entropy(logits, target)


@pytest.mark.parametrize(("options", "gamma"), [({"name": "ce"}, 0.0), ({"name": "focal", "gamma": 2.0}, 2.0)])
def test_weights_of_classes_reach_labels_of_old_classes(options: dict[str, object], gamma: float) -> None:
    torch.manual_seed(4)
    logits = torch.randn(1, 4, 10, 10, dtype=torch.float64)
    target = torch.zeros(1, 10, 10, dtype=torch.long)
    target[0, 0, :4] = torch.tensor([1, 2, 3, IGNORE])
    weight = torch.tensor([0.9, 10.0, 5.0, 2.0], dtype=torch.float64)

    loss = with_old_labels(build_criterion(CEOptions.model_validate(options), weight), weight)(logits, target, 3)

    q = logits.softmax(1)[0]
    total = weights = 0.0
    for row, col in torch.cartesian_prod(torch.arange(10), torch.arange(10)).tolist():
        label = int(target[0, row, col])
        if label != IGNORE:
            chance = float(q[:3, row, col].sum() if label == 0 else q[label, row, col])
            total += float(weight[label]) * (1 - chance) ** gamma * -math.log(chance)
            weights += float(weight[label])
    assert float(loss) == pytest.approx(total / weights, rel=1e-9)


def test_nothing_changes_without_labels_of_old_classes() -> None:
    logits, target = torch.randn(1, 4, 3, 3), torch.tensor([0, 3, IGNORE]).repeat(3, 1)[None]

    torch.testing.assert_close(with_old_labels(cross_entropy)(logits, target, 3), cross_entropy(logits, target, 3))


def test_pixels_without_a_drawn_class_count_as_what_they_are_taken_for() -> None:
    tiles = [replace(tile(300, 100, 40, 0), unlabelled=200)]

    background, ignored = (TASK.train_table(unlabelled=taken) for taken in ("background", "ignore"))
    together = balanced_weights([tile(500, 100, 40, 0)], TASK, background)
    torch.testing.assert_close(balanced_weights(tiles, TASK, background), together)
    assert balanced_weights(tiles, TASK, ignored)[0] > together[0]


def test_void_counts_for_the_background_where_it_is_shown_as_such() -> None:
    tiles = [replace(tile(300, 100, 40, 200), ignored=500)]

    ignored, shown = (balanced_weights(tiles, TASK, TASK.train_table(void=void)) for void in ("ignore", "background"))

    assert float(ignored[0] / ignored[2]) == pytest.approx((100 / 500) ** 0.5)
    assert float(shown[0] / shown[2]) == pytest.approx((100 / 1000) ** 0.5)
