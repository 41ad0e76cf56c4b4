"""SDR: which labels its features have, what its prototypes have seen, and the weights of its terms."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.testing import assert_close

from saticl.engine.fit import fit
from saticl.errors import InvalidCheckpoint
from saticl.labels import IGNORE
from saticl.losses import (
    class_means,
    class_repulsion,
    feature_sparsity,
    prototype_attraction,
    prototype_matching,
    unbiased_cross_entropy,
    unbiased_distillation,
)
from saticl.methods.criterion import build_criterion
from saticl.methods.options import SDROptions
from saticl.methods.sdr import SDR
from saticl.models.segmenter import Segmenter
from saticl.options import CEOptions, KDOptions, ModelOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch, Output
from tests.steps import ignore, make_step

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c",), ("d",))), 1)
MOVING = Task(("a", "b"), Protocol("moving", (("a", "b"), ()), places=(("x",), ("y",))), 1)
FACTORS = {"matching_factor": 2.0, "clustering_factor": 3.0, "sparsity_factor": 5.0}


def build(task: Task = TASK) -> SDR:
    own = SDROptions.model_validate(FACTORS)
    method = SDR(task, build_criterion(CEOptions()), KDOptions(decoder_factor=7.0), own)
    method.stage_means.make_room(6)
    method.stride = 2
    return method


def output(seed: int, classes: int) -> Output:
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, 8, 8, generator=random)
    return Output(logits, (torch.randn(2, 9, 8, 8), torch.randn(2, 6, 4, 4, generator=random)), logits, logits)


def labels(seed: int, *values: int) -> Tensor:
    return torch.tensor(values)[torch.randint(len(values), (2, 8, 8), generator=torch.Generator().manual_seed(seed))]


def test_every_term_is_the_formula_with_its_weight() -> None:
    new, old, target = output(0, 4), output(1, 3), labels(2, 0, 0, 3, IGNORE)
    method = build()

    terms = method.supervision(new, old.logits, target) | method.distillation(new, old, target)

    said = old.logits.argmax(1)
    full = torch.where(target == 0, said, target)[:, ::2, ::2]
    hidden = torch.where(target == 0, said, IGNORE)[:, ::2, ::2]
    stage, prototypes = new.stages[-1], class_means(new.stages[-1], full, 4)
    assert_close(method.stage_means.means, prototypes)
    assert set(full.unique().tolist()) == {0, 1, 2, 3, IGNORE}
    want = {
        "ce": unbiased_cross_entropy(new.logits, target, 3),
        "kd": 7 * unbiased_distillation(new.logits, old.logits),
        "matching": 2 * prototype_matching(stage, hidden, prototypes),
        "attraction": 3 * prototype_attraction(stage, full, prototypes),
        "repulsion": 3 * class_repulsion(stage, full, 4),
        "sparsity": 5 * feature_sparsity(stage, full, 4),
    }
    assert_close(terms, want)
    assert all(term > 0 for name, term in terms.items() if name != "matching")


def test_old_classes_are_matched_with_the_prototypes_of_earlier_steps() -> None:
    new, old, target = output(0, 4), output(1, 3), labels(2, 0, 0, 3, IGNORE)
    method, prototypes = build(), torch.randn(3, 6)
    method.import_state({"stage_means.means": prototypes, "stage_means.counts": torch.full((3,), 10**9)})

    terms = method.supervision(new, old.logits, target)

    hidden = torch.where(target == 0, old.logits.argmax(1), IGNORE)[:, ::2, ::2]
    assert_close(terms["matching"], 2 * prototype_matching(new.stages[-1], hidden, prototypes))
    assert terms["matching"] > 0


def test_labelled_old_classes_are_not_matched() -> None:
    new, old, method = output(0, 4), output(1, 3), build()
    method.stage_means.means.fill_(5)
    method.stage_means.counts.fill_(10**9)

    assert method.supervision(new, old.logits, labels(2, 1, 2, 3))["matching"] == 0
    assert method.supervision(new, old.logits, labels(2, 0, 3))["matching"] > 0


def test_the_first_step_clusters_beside_plain_cross_entropy() -> None:
    new, target = output(0, 3), labels(1, 0, 1, 2, IGNORE)
    method = build(TASK.at(0))

    terms = method.initial(new, target)

    small, stage = target[:, ::2, ::2], new.stages[-1]
    prototypes = class_means(stage, small, 3)
    want = {
        "ce": method.criterion(new.logits, target),
        "attraction": 3 * prototype_attraction(stage, small, prototypes),
        "repulsion": 3 * class_repulsion(stage, small, 3),
        "sparsity": 5 * feature_sparsity(stage, small, 3),
    }
    assert_close(terms, want)


def test_where_no_class_is_new_labels_stay_and_nothing_is_matched() -> None:
    new, old, target = output(0, 3), output(1, 3), labels(2, 0, 1, 2)
    method = build(MOVING)

    terms = method.supervision(new, old.logits, target)

    assert set(terms) == {"ce", "attraction", "repulsion", "sparsity"}
    assert_close(method.stage_means.means, class_means(new.stages[-1], target[:, ::2, ::2], 3))


def test_prototypes_are_the_means_of_all_batches_and_of_earlier_steps() -> None:
    first, second = build(TASK.at(0)), build()
    outputs, targets = [output(seed, 3) for seed in (0, 1)], [labels(seed, 0, 1, IGNORE) for seed in (0, 1)]
    for new, target in zip(outputs, targets, strict=True):
        first.initial(new, target)

    second.import_state(first.export_state())
    new, target = output(2, 4), labels(2, 1, 3)
    second.supervision(new, output(3, 3).logits, target)

    stages = torch.cat([new.stages[-1] for new in [*outputs, new]])
    assert_close(second.stage_means.means, class_means(stages, torch.cat([*targets, target])[:, ::2, ::2], 4))
    assert second.stage_means.counts[2] == 0


def test_prototypes_carry_no_gradient_and_features_do() -> None:
    method = build(TASK.at(0))
    new = output(0, 3)
    stage = new.stages[-1].requires_grad_()

    terms = method.initial(new, labels(1, 0, 1, 2))
    sum(terms.values()).backward()

    assert not method.stage_means.means.requires_grad
    assert stage.grad.abs().sum() > 0


@pytest.mark.parametrize("training", [True, False])
def test_growing_finds_the_size_of_the_deepest_map_and_disturbs_nothing(training: bool) -> None:
    student = Segmenter(ModelOptions(encoder="test_resnet"), 3, TASK.head_sizes).train(training)
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    method, image = SDR(TASK, build_criterion(CEOptions()), KDOptions(), SDROptions()), torch.randn(2, 3, 48, 40)

    method.grow(student, None, [Batch(image, torch.zeros(2, 48, 40, dtype=torch.long))])

    assert student.training is training
    assert_close(dict(student.state_dict()), before, rtol=0, atol=0)
    stage = student(image).stages[-1]
    assert method.stage_means.means.shape == (4, stage.shape[1])
    assert method.stride * stage.shape[-1] == student.body.pad(image).shape[-1] > 40


def test_positions_beyond_the_image_have_no_label() -> None:
    method = build()
    method.stride = 4
    target = torch.arange(1, 49).view(1, 6, 8)

    small = method.at_positions(target, torch.zeros(1, 6, 3, 4))

    assert small.tolist() == [[[1, 5, IGNORE, IGNORE], [33, 37, IGNORE, IGNORE], [IGNORE] * 4]]


def test_the_first_step_of_another_method_is_refused() -> None:
    with pytest.raises(InvalidCheckpoint, match="--method sdr"):
        build().import_state({})


def test_prototypes_are_saved_with_the_weights(tmp_path: Path) -> None:
    method = SDR(TASK.at(0), build_criterion(CEOptions()), KDOptions(), SDROptions())
    step = make_step(tmp_path, method)

    fit(step, ignore)

    saved = load_file(step.best(0))
    assert_close(saved["method.stage_means.means"], method.stage_means.means)
    assert_close(saved["method.stage_means.counts"], method.stage_means.counts)
    assert method.stage_means.known.all()
    assert set(method.export_state()) == {"stage_means.means", "stage_means.counts"}
