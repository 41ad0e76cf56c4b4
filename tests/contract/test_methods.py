"""What every method promises, alone and inside rotation distillation."""

import ast
import inspect
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from saticl.config import TrainConfig
from saticl.engine.checkpoint import load_tensors, save_tensors
from saticl.engine.learner import Learner
from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.labels import IGNORE
from saticl.methods import METHODS, MethodSpec, find, load
from saticl.methods.base import Method
from saticl.methods.criterion import build_criterion, with_all_labels
from saticl.methods.rotation import Rotated
from saticl.models.teacher import Teacher
from saticl.options import AugOptions, CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch, Terms
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
    own = getattr(TrainConfig(data_root=Path("tiles")), spec.name.replace("-", "_"), None)
    return load(spec.name)(task, build_criterion(CEOptions()), KDOptions.model_validate(kd), own)


def prepared(spec: MethodSpec, task: Task = TASK) -> Method:
    """A method at a step, knowing what it left after one iteration of each step before."""
    method = build(spec, task)
    if task.step > 0:
        before = task.at(task.step - 1)
        earlier = prepared(spec, before)
        batch = batch_of(random_labels(before))
        student, teacher = grown(earlier, batch)
        earlier.begin(student, teacher, [batch])
        iterate(earlier, student, teacher, batch)
        earlier.end(student)
        earlier.consolidate(student, teacher, [batch])
        method.import_state(earlier.export_state())
    return method


def iterate(method: Method, student: ToySegmenter, teacher: Teacher | None, batch: Batch) -> list[float]:
    """One update by plain gradient descent; the values of all terms. What is random is seeded, as by the engine."""
    student.zero_grad()
    torch.manual_seed(3)
    terms = method.terms(batch, student, teacher, torch.Generator().manual_seed(3))
    torch.stack(list(terms.values())).sum().backward()
    terms |= method.after_backward(student)
    with torch.no_grad():
        for parameter in student.parameters():
            if parameter.grad is not None:
                parameter.sub_(0.05 * parameter.grad)
    return [term.item() for term in terms.values()]


def networks(kind: type[Method], task: Task = TASK) -> tuple[ToySegmenter, Teacher | None]:
    """A student as it is before `grow`, and its teacher, which differs from it everywhere."""
    torch.manual_seed(0)
    if task.step == 0:
        return suitable(kind, task.head_sizes), None
    before = task.at(task.step - 1)
    student = suitable(kind, before.head_sizes)
    kind.rebuild(student, before)
    teacher = Teacher(student)  # type: ignore[arg-type]
    student.grow(task.num_new)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return student, teacher


def suitable(kind: type[Method], head_sizes: tuple[int, ...]) -> ToySegmenter:
    """The plain toy, or one with a residual block where the method refuses that."""
    plain = ToySegmenter(head_sizes)
    try:
        kind.require(plain)
    except InvalidOptions:
        return ToySegmenter(head_sizes, residual=True)
    return plain


def grown(method: Method, batch: Batch) -> tuple[ToySegmenter, Teacher | None]:
    """Student and teacher as they enter the first epoch of the last phase of the method's step."""
    student, teacher = networks(type(method), method.task)
    method.grow(student, teacher, [batch])
    enter_last_phase(method, student)
    return student, teacher


def enter_last_phase(method: Method, student: ToySegmenter) -> None:
    """Freeze what the last phase of the step freezes: what a method promises, it keeps there."""
    for last in method.phases()[-1:]:
        for name, parameter in Learner(student, method).named_parameters():
            if last.rate(name) == 0:
                parameter.requires_grad_(False)


def batch_of(labels: Tensor) -> Batch:
    torch.manual_seed(1)
    return Batch(torch.randn(len(labels), 3, 16, 16), labels)


def random_labels(task: Task = TASK) -> Tensor:
    torch.manual_seed(2)
    new = torch.tensor([0, *range(task.num_old, task.num_seen), IGNORE])
    return new[torch.randint(len(new), (2, 16, 16))]


def terms_of(method: Method, aug: AugOptions, batch: Batch, task: Task = TASK) -> tuple[Terms, ToySegmenter]:
    student, teacher = networks(type(method), task)
    whole = Rotated(method, aug) if aug.factor > 0 else method
    whole.grow(student, teacher, [batch])
    enter_last_phase(whole, student)
    whole.begin(student, teacher, [batch])
    return whole.terms(batch, student, teacher, torch.Generator().manual_seed(3)), student


@every_method
@every_rotation
@pytest.mark.parametrize("step", [0, 1, 2])
def test_terms_are_finite_scalars_whose_sum_reaches_the_newest_head(
    spec: MethodSpec, aug: AugOptions, step: int
) -> None:
    task = TASK.at(step)

    terms, student = terms_of(prepared(spec, task), aug, batch_of(random_labels(task)), task)
    torch.stack(list(terms.values())).sum().backward()

    assert terms
    assert all(term.ndim == 0 and term.isfinite() for term in terms.values())
    assert student.heads[-1].weight.grad.abs().sum() > 0


@every_method
@every_rotation
def test_the_rotation_terms_appear_with_their_weight_only(spec: MethodSpec, aug: AugOptions) -> None:
    terms, _ = terms_of(prepared(spec), aug, batch_of(random_labels()))

    assert ({"rotation", "rotation_kd"} <= set(terms)) == (aug.factor > 0)


@every_method
@every_rotation
@pytest.mark.parametrize("label", [0, IGNORE, TASK.num_old])
def test_batches_of_one_label_survive(spec: MethodSpec, aug: AugOptions, label: int) -> None:
    terms, _ = terms_of(prepared(spec), aug, batch_of(torch.full((2, 16, 16), label)))

    loss = torch.stack(list(terms.values())).sum()
    loss.backward()
    assert loss.isfinite()


@every_method
@every_rotation
def test_the_same_seed_gives_the_same_terms_and_arguments_stay(spec: MethodSpec, aug: AugOptions) -> None:
    batch = batch_of(random_labels())
    before = deepcopy(batch)

    first, _ = terms_of(prepared(spec), aug, batch)
    second, _ = terms_of(prepared(spec), aug, batch)

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


@every_method
@pytest.mark.parametrize("step", [0, 1])
def test_an_interrupted_step_continues_as_if_it_had_not_been(spec: MethodSpec, step: int) -> None:
    task = TASK.at(step)
    batch, method = batch_of(random_labels(task)), prepared(spec, task)
    student, teacher = grown(method, batch)
    method.begin(student, teacher, [batch])
    for _ in range(3):
        iterate(method, student, teacher, batch)

    resumed, copy = prepared(spec, task), deepcopy(student)
    again, old = networks(type(method), task)
    resumed.grow(again, old, [batch])
    enter_last_phase(resumed, again)
    resumed.load_state_dict(method.state_dict())
    resumed.resume_state({name: tensor.clone() for name, tensor in method.running_state().items()})

    for _ in range(3):
        assert iterate(resumed, copy, teacher, batch) == iterate(method, student, teacher, batch)
    method.end(student)
    resumed.end(copy)
    torch.testing.assert_close(resumed.export_state(), method.export_state(), rtol=0, atol=0)


@every_method
def test_the_next_step_starts_from_disk_as_from_memory(spec: MethodSpec, tmp_path: Path) -> None:
    left = prepared(spec, TASK.at(0))
    batch = batch_of(random_labels(TASK.at(0)))
    student, _ = grown(left, batch)
    left.begin(student, None, [batch])
    iterate(left, student, None, batch)
    left.end(student)
    left.consolidate(student, None, [batch])
    state = left.export_state()
    if state:
        save_tensors(tmp_path / "method.safetensors", state)

    curves = []
    for given in (state, load_tensors(tmp_path / "method.safetensors")):
        method, batch = build(spec), batch_of(random_labels())
        method.import_state(given)
        student, teacher = grown(method, batch)
        method.begin(student, teacher, [batch])
        curves.append([iterate(method, student, teacher, batch) for _ in range(3)])

    assert curves[0] == curves[1]


@every_method
def test_the_state_of_another_method_is_refused(spec: MethodSpec) -> None:
    with pytest.raises(InvalidCheckpoint, match="another method"):
        build(spec).import_state({"other.fisher.encoder.weight": torch.zeros(1)})


@every_method
def test_a_teacher_gets_no_gradient_and_keeps_its_weights(spec: MethodSpec) -> None:
    method = prepared(spec)
    student, teacher = grown(method, batch_of(random_labels()))
    before = deepcopy(teacher.state_dict())
    method.begin(student, teacher, [batch_of(random_labels())])

    iterate(method, student, teacher, batch_of(random_labels()))

    torch.testing.assert_close(teacher.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    "spec", [one for one in METHODS if not load(one.name).needs_own_base], ids=lambda spec: spec.name
)
def test_a_method_that_follows_any_other_needs_no_state(spec: MethodSpec) -> None:
    build(spec).import_state({})


SAME_AT_FIRST = (
    *("ft", "lwf", "ilt", "ewc", "pi", "rw", "mib", "plop", "lgkd", "uft", "cil", "cbd", "jcd", "hciss", "micro"),
    *("mbs", "reminder", "dft", "segacil", "ewf", "nest"),
)


@pytest.mark.parametrize("name", SAME_AT_FIRST)
def test_the_first_step_is_plain_training_for_every_method_with_a_softmax(name: str) -> None:
    curves = []
    for spec in (find("ft"), find(name)):
        method, batch = build(spec, TASK.at(0)), batch_of(random_labels(TASK.at(0)))
        student, _ = grown(method, batch)
        method.begin(student, None, [batch])
        curves.append([iterate(method, student, None, batch) for _ in range(5)])

    assert curves[0] == curves[1]


MOVING = Task(("a", "b"), Protocol("moving", (("a", "b"), (), ()), places=(("x",), ("y",), ("z",))), 1)
"""All classes are known at step 0; later steps bring places."""


def moved(spec: MethodSpec, step: int = 1) -> Method:
    """A method at a step without new classes, with the criterion that such a step gets."""
    method = prepared(spec, MOVING.at(step))
    method.criterion = with_all_labels(method.criterion)
    return method


def all_labels() -> Tensor:
    torch.manual_seed(2)
    labels = torch.tensor([0, 1, 2, IGNORE])
    return labels[torch.randint(len(labels), (2, 16, 16))]


@every_method
@every_rotation
@pytest.mark.parametrize("step", [1, 2])
def test_a_step_without_new_classes_is_learned_by_the_head_that_is_there(
    spec: MethodSpec, aug: AugOptions, step: int
) -> None:
    method, batch = moved(spec, step), batch_of(all_labels())
    terms, student = terms_of(method, aug, batch, MOVING.at(step))
    torch.stack(list(terms.values())).sum().backward()

    assert all(term.ndim == 0 and term.isfinite() for term in terms.values())
    assert len(student.heads) == 1
    learned = student.heads[0].weight.grad.abs().sum((1, 2, 3)) > 0
    assert (learned | ~rows_that_count(method, student, batch)).all()


def rows_that_count(method: Method, student: ToySegmenter, batch: Batch) -> Tensor:
    """Which rows of the first head the map of classes depends on: not the background's where it has no score.

    None where the heads are solved for, and not trained.
    """
    if not method.phases():
        return torch.zeros(student.heads[0].out_channels, dtype=torch.bool)
    probabilities = method.decode(student(batch.image))
    (gradient,) = torch.autograd.grad(probabilities.square().sum(), student.heads[0].weight)
    counts: Tensor = gradient.abs().sum((1, 2, 3)) > 0
    assert counts[1:].all()
    return counts


@every_method
def test_where_no_class_is_new_every_label_counts_as_it_is(spec: MethodSpec) -> None:
    """No background pixel is given to an old class, and no old class is merged into the background."""
    first, method = prepared(spec, MOVING.at(0)), moved(spec)
    batch = batch_of(all_labels())
    student, teacher = grown(method, batch)
    method.begin(student, teacher, [batch])
    grown(first, batch)

    later = method.terms(batch, student, teacher, torch.Generator().manual_seed(3))
    alone = first.terms(batch, student, None, torch.Generator().manual_seed(3))

    assert later["ce"].item() == pytest.approx(alone["ce"].item(), rel=1e-6)
