"""What every method promises, alone and inside rotation distillation."""

import ast
import inspect
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from saticl.methods import METHODS, MethodSpec, find, load
from saticl.methods.base import Method, plain_terms
from saticl.methods.criterion import build_criterion
from saticl.methods.rotation import rotation_terms
from saticl.options import AugOptions, CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import IGNORE, Batch, Terms
from tests.toy import ToySegmenter

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c",), ("d",))), 1)
ROTATIONS = {
    "alone": AugOptions(),
    "rotated": AugOptions(factor=0.1, factor_icl=0.1),
    "any-angle": AugOptions(factor=0.1, factor_icl=0.1, fixed_angles=False, color=True),
}

every_method = pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.name)
every_rotation = pytest.mark.parametrize("aug", ROTATIONS.values(), ids=ROTATIONS.keys())


def build(spec: MethodSpec, task: Task = TASK) -> Method:
    kd = {name.removeprefix("kd."): value for name, value in spec.defaults.items() if name.startswith("kd.")}
    return load(spec.name)(task, build_criterion(CEOptions()), KDOptions.model_validate(kd), None)


def networks(task: Task = TASK) -> tuple[ToySegmenter, ToySegmenter | None]:
    torch.manual_seed(0)
    student = ToySegmenter(task.head_sizes)
    if task.step == 0:
        return student, None
    teacher = ToySegmenter(task.head_sizes[:-1])
    return student, teacher.requires_grad_(False).eval()


def batch_of(labels: Tensor) -> Batch:
    torch.manual_seed(1)
    return Batch(torch.randn(len(labels), 3, 16, 16), labels)


def random_labels(task: Task = TASK) -> Tensor:
    torch.manual_seed(2)
    new = torch.tensor([0, *range(task.num_old, task.num_seen), IGNORE])
    return new[torch.randint(len(new), (2, 16, 16))]


def terms_of(method: Method, aug: AugOptions, batch: Batch, task: Task = TASK) -> tuple[Terms, ToySegmenter]:
    student, teacher = networks(task)
    method.begin(student, teacher, [batch])
    if aug.factor > 0:
        generator = torch.Generator().manual_seed(3)
        return rotation_terms(method, aug, batch, student, teacher, generator), student
    return plain_terms(method, batch, student, teacher), student


@every_method
@every_rotation
@pytest.mark.parametrize("step", [0, 1, 2])
def test_terms_are_finite_scalars_whose_sum_reaches_the_newest_head(
    spec: MethodSpec, aug: AugOptions, step: int
) -> None:
    task = TASK.at(step)

    terms, student = terms_of(build(spec, task), aug, batch_of(random_labels(task)), task)
    torch.stack(list(terms.values())).sum().backward()

    assert terms
    assert all(term.ndim == 0 and term.isfinite() for term in terms.values())
    assert student.heads[-1].weight.grad.abs().sum() > 0


@every_method
@every_rotation
def test_the_rotation_terms_appear_with_their_weight_only(spec: MethodSpec, aug: AugOptions) -> None:
    terms, _ = terms_of(build(spec), aug, batch_of(random_labels()))

    assert ({"rotation", "rotation_kd"} <= set(terms)) == (aug.factor > 0)


@every_method
@every_rotation
@pytest.mark.parametrize("label", [0, IGNORE, TASK.num_old])
def test_batches_of_one_label_survive(spec: MethodSpec, aug: AugOptions, label: int) -> None:
    terms, _ = terms_of(build(spec), aug, batch_of(torch.full((2, 16, 16), label)))

    loss = torch.stack(list(terms.values())).sum()
    loss.backward()
    assert loss.isfinite()


@every_method
@every_rotation
def test_the_same_seed_gives_the_same_terms_and_arguments_stay(spec: MethodSpec, aug: AugOptions) -> None:
    batch = batch_of(random_labels())
    before = deepcopy(batch)

    first, _ = terms_of(build(spec), aug, batch)
    second, _ = terms_of(build(spec), aug, batch)

    assert {name: term.item() for name, term in first.items()} == {name: term.item() for name, term in second.items()}
    torch.testing.assert_close(batch, before, rtol=0, atol=0)


@every_method
def test_a_method_never_optimises_moves_logs_or_opens(spec: MethodSpec) -> None:
    module = inspect.getmodule(load(spec.name))
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]

    called = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")}

    assert not called & {"backward", "step", "zero_grad", "cuda", "open", "info", "warning", "print"}


@every_method
def test_a_method_is_found_under_any_spelling_and_cites_its_paper(spec: MethodSpec) -> None:
    assert find(spec.name.upper().replace("-", "_")) is spec
    if spec.paper != "-":
        module = inspect.getmodule(load(spec.name))
        assert (
            "arXiv" in (module.__doc__ or "")
            or "doi" in (module.__doc__ or "").lower()
            or "eq." in (module.__doc__ or "")
        )
