"""What validation may know, and how predictions are counted, with networks of one line."""

from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from saticl.engine.evaluate import Restricted, confusion, outputs, predictions, total, with_old_classes
from saticl.labels import IGNORE
from saticl.metrics.confusion import Confusion
from saticl.types import Batch, Output


class Says(nn.Module):
    """Sees in every pixel the class that its first band holds, with the second band as the score of class 1."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, image: Tensor) -> Output:
        logits = 10 * nn.functional.one_hot(image[:, 0].long(), self.num_classes).permute(0, 3, 1, 2).float()
        logits[:, 1] += image[:, 1]
        return Output(logits, (logits,), logits, logits)


@pytest.fixture(scope="module")
def accelerator() -> Accelerator:
    return Accelerator(cpu=True)


def batch(seen: list[int], target: list[int], second: float = 0.0) -> Batch:
    bands = torch.tensor([seen, [0] * len(seen)], dtype=torch.float32)[None, :, None]
    bands[:, 1] = second
    return Batch(bands, torch.tensor([[target]], dtype=torch.uint8))


def test_validation_labels_are_true_for_new_classes_and_the_teachers_where_they_say_background(
    accelerator: Accelerator,
) -> None:
    batches = [batch([0, 1, 2, 1, 2], [0, 0, 0, 3, IGNORE]), batch([1, 2], [4, 0])]

    targets = with_old_classes(Says(3), batches, nn.Identity(), accelerator)

    assert [target.tolist() for target in targets] == [[[[0, 1, 2, 3, IGNORE]]], [[[4, 2]]]]
    assert {target.dtype for target in targets} == {torch.uint8}


def test_old_classes_are_those_that_the_method_reads_from_the_scores(accelerator: Accelerator) -> None:
    def reversed_classes(logits: Tensor) -> Tensor:
        return 2 - logits.argmax(1)

    targets = with_old_classes(
        Says(3),
        [batch([0, 1, 2], [0, 0, 0])],
        nn.Identity(),
        accelerator,
        lambda output: reversed_classes(output.logits),
    )

    assert [target.tolist() for target in targets] == [[[[2, 1, 0]]]]


def test_rows_of_the_matrix_are_truth_and_ignored_pixels_are_not_counted(accelerator: Accelerator) -> None:
    batches = [batch([0, 1, 2, 2], [0, 2, 2, IGNORE]), batch([1, 1], [0, 1])]

    matrix = confusion(Says(3), batches, nn.Identity(), accelerator, 3)

    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 1]]


def test_given_targets_replace_those_of_the_batches(accelerator: Accelerator) -> None:
    batches = [batch([0, 1], [0, 0]), batch([2, 1], [0, 0])]
    targets = [torch.tensor([[[0, 1]]]), torch.tensor([[[2, IGNORE]]])]

    matrix = confusion(Says(3), batches, nn.Identity(), accelerator, 3, targets)

    assert matrix.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_a_restricted_matrix_knows_only_the_classes_of_its_group(accelerator: Accelerator) -> None:
    batches = [batch([0, 2, 3, 1], [1, 2, 2, 0], second=1.0), batch([3, 2], [3, IGNORE], second=1.0)]

    restricted = Restricted([range(1, 3), range(2, 4)], accelerator.device)
    for output, target in outputs(Says(4), batches, nn.Identity(), accelerator.device, "no"):
        restricted.update(output.logits, target)
    matrices = [counts.matrix for counts in restricted.counts]

    assert matrices[0].tolist() == [[1, 0], [1, 1]]  # pixel 3 says 3: among 1 and 2 its second band speaks for 1
    assert matrices[1].tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize("training", [True, False])
def test_a_network_answers_in_eval_mode_and_keeps_its_own(training: bool, accelerator: Accelerator) -> None:
    network = Says(3).train(training)
    modes = []
    network.register_forward_hook(lambda module, arguments, output: modes.append(module.training))

    answers = list(outputs(network, [batch([0], [0])], nn.Identity(), accelerator.device, "no"))

    assert modes == [False]
    assert network.training is training
    assert not answers[0][0].logits.requires_grad


def test_images_are_normalised_before_the_network_sees_them(accelerator: Accelerator) -> None:
    class PlusOne(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image + 1

    ((prediction, _),) = predictions(Says(4), [batch([0, 1, 2], [0, 0, 0])], PlusOne(), accelerator)

    assert prediction.tolist() == [[[1, 2, 3]]]


def test_groups_are_counted_where_the_network_computes() -> None:
    restricted = Restricted([range(1, 3), range(2, 5)], torch.device("meta"))

    assert [(count.matrix.device.type, count.matrix.shape) for count in restricted.counts] == [
        ("meta", (2, 2)),
        ("meta", (3, 3)),
    ]


def test_matrices_of_all_processes_are_added() -> None:
    counts = Confusion(2, torch.device("cpu"))
    counts.matrix += 1

    class Two:
        def reduce(self, tensor: Tensor, reduction: str) -> Tensor:
            return {"sum": 2 * tensor}[reduction]

    processes: Any = Two()

    assert total(counts, processes).tolist() == [[2, 2], [2, 2]]
