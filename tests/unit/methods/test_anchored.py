"""EWC, PI and RW against slow versions of their formulas, and against traces of the published code."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saticl.errors import InvalidCheckpoint
from saticl.methods.anchored import Anchored, scaled_globally
from saticl.methods.criterion import build_criterion
from saticl.methods.ewc import EWC, PublishedEWC
from saticl.methods.options import AnchorOptions, EWCOptions, PIOptions, RWOptions
from saticl.methods.pi import PI, PublishedPI
from saticl.methods.rw import RW, PublishedRW
from saticl.options import CEOptions, KDOptions
from saticl.tasks import Protocol, Task
from tests import official

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c", "d"))), 0)
CASES: dict[str, tuple[type[Anchored], type[AnchorOptions], dict[str, object]]] = {
    "ewc": (EWC, EWCOptions, {}),
    "pi": (PI, PIOptions, {}),
    "rw": (RW, RWOptions, {"interval": 2}),
}
PUBLISHED: dict[str, type[Anchored]] = {"ewc": PublishedEWC, "pi": PublishedPI, "rw": PublishedRW}
LEARNING_RATE = 0.1

every_anchor = pytest.mark.parametrize("name", CASES)


class Tiny(nn.Module):
    """Linear, tanh, one linear head per step."""

    def __init__(self, head_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3, dtype=torch.float64)
        self.cls = nn.ModuleList(nn.Linear(3, size, dtype=torch.float64) for size in head_sizes)

    def forward(self, points: Tensor) -> Tensor:
        features = self.body(points).tanh()
        return torch.cat([head(features) for head in self.cls], dim=1)


def build(name: str, step: int, **options: object) -> Anchored:
    method, own, fixed = CASES[name]
    task = TASK.at(step)
    kind = PUBLISHED[name] if options.get("faithful") else method
    return kind(task, build_criterion(CEOptions()), KDOptions(), own.model_validate({**fixed, **options}))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def iterate(method: Anchored, model: Tiny, points: Tensor, labels: Tensor) -> tuple[float, dict[str, Tensor]]:
    """One update; the penalty and the clean gradients."""
    model.zero_grad()
    F.cross_entropy(model(points), labels).backward()
    clean = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    terms = method.after_backward(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(LEARNING_RATE * parameter.grad)
    return terms["penalty"].item() if terms else 0.0, clean


def random_batch(seed: int, classes: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    points = torch.randn(5, 4, generator=random, dtype=torch.float64)
    return points, torch.randint(classes, (5,), generator=random)


def first_step(name: str, iterations: int = 5, **options: object) -> tuple[Anchored, Tiny, list[dict[str, Tensor]]]:
    """A finished first step, its weights before each update and after the last, and its clean gradients."""
    torch.manual_seed(0)
    method, model = build(name, 0, **options), Tiny((3,))
    method.begin(model, None, [])
    path = []
    for index in range(iterations):
        before = weights(model)
        _, clean = iterate(method, model, *random_batch(index, 3))
        path.append({f"theta.{key}": value for key, value in before.items()} | clean)
    path.append({f"theta.{key}": value for key, value in weights(model).items()})
    method.end(model)
    return method, model, path


def second_step(name: str, first: Anchored, model: Tiny, **options: object) -> tuple[Anchored, Tiny]:
    method, grown = build(name, 1, **options), Tiny((3, 2))
    grown.load_state_dict(model.state_dict(), strict=False)
    method.import_state(first.export_state())
    method.begin(grown, None, [])
    return method, grown


@official.cases("regulariser_")
def test_the_published_runs_are_followed_number_by_number(file: Path) -> None:
    name, case = file.stem.removeprefix("regulariser_"), official.read(file)
    before: Anchored | None = None
    for step, (prefix, sizes) in enumerate([("step0_", (3,)), ("step1__", (3, 2))]):
        method, model = build(name, step, faithful=True, factor=10.0), Tiny(sizes)
        model.load_state_dict({key: case[f"step{step}_init_{key}"] for key in model.state_dict()})
        if before is not None:
            method.import_state(before.export_state())
        method.begin(model, None, [])
        index = 0
        while f"{prefix}x{index}" in case:
            penalty, _ = iterate(method, model, case[f"{prefix}x{index}"], case[f"{prefix}y{index}"])
            assert penalty == pytest.approx(10 * case[f"{prefix}penalty{index}"].item(), rel=1e-6, abs=1e-12)
            index += 1
        method.end(model)
        if step == 0:
            for key, value in method.export_state().items():
                _, quantity, parameter = key.split(".", 2)
                torch.testing.assert_close(value, case[f"step0_{quantity}_{parameter}"], rtol=1e-6, atol=1e-12)
        before = method
    for key, value in weights(model).items():
        torch.testing.assert_close(value, case[f"step1_final_{key}"], rtol=1e-6, atol=1e-9)


def test_fisher_information_is_the_running_mean_of_squared_gradients() -> None:
    method, _, path = first_step("ewc", alpha=0.8)

    for name in ("body.weight", "cls.0.bias"):
        fisher = 0.0
        for gradients in path[:-1]:
            fisher = 0.8 * fisher + 0.2 * gradients[name] ** 2
        torch.testing.assert_close(method.export_state()[f"ewc.fisher.{name}"], fisher)


def test_path_integral_is_gradient_times_move_over_the_squared_distance() -> None:
    method, _, path = first_step("pi", xi=0.01)

    for name in ("body.weight", "cls.0.bias"):
        omega = sum(
            now[name] * (earlier[f"theta.{name}"] - now[f"theta.{name}"]) for earlier, now in pairwise(path[:-1])
        )
        distance = path[-1][f"theta.{name}"] - path[0][f"theta.{name}"]
        torch.testing.assert_close(
            method.export_state()[f"pi.score.{name}"], (omega / (distance**2 + 0.01)).clamp(min=0)
        )


def test_riemannian_walk_divides_the_loss_of_an_interval_by_the_distance_of_distributions() -> None:
    method, _, path = first_step("rw", iterations=6, alpha=0.8)

    for name in ("body.weight", "cls.0.bias"):
        gain, fisher, path_of_interval, start = 0.0, 0.0, 0.0, path[0][f"theta.{name}"]
        for index in range(6):
            theta, gradient = path[index][f"theta.{name}"], path[index][name]
            if index > 0:
                path_of_interval = path_of_interval + gradient * (path[index - 1][f"theta.{name}"] - theta)
            if index % 2 == 0:
                gain = gain + path_of_interval / (0.5 * fisher * (theta - start) ** 2 + 1e-8)
                path_of_interval, start = 0.0, theta
            fisher = 0.8 * fisher + 0.2 * gradient**2
        torch.testing.assert_close(method.export_state()[f"rw.score.{name}"], gain.clamp(min=0))
        torch.testing.assert_close(method.export_state()[f"rw.fisher.{name}"], fisher)


@every_anchor
@pytest.mark.parametrize("faithful", [False, True])
def test_the_penalty_is_zero_at_the_start_and_its_gradient_is_that_of_autograd(name: str, faithful: bool) -> None:
    first, model, _ = first_step(name, faithful=faithful)
    method, grown = second_step(name, first, model, faithful=faithful, factor=3.0)
    anchor, importance = weights(grown), method.memory["importance"]

    assert iterate(method, grown, *random_batch(10, 5))[0] == 0
    penalty, clean = iterate(method, grown, *random_batch(11, 5))
    moved = {key: parameter.detach() + LEARNING_RATE * parameter.grad for key, parameter in grown.named_parameters()}

    leaves = {key: moved[key].requires_grad_() for key in importance}
    slow = 3.0 * sum((importance[key] * (leaves[key] - anchor[key]) ** 2).sum() for key in importance)
    slow.backward()
    assert penalty == pytest.approx(slow.item())
    for key, parameter in grown.named_parameters():
        extra = leaves[key].grad if key in leaves else 0.0
        torch.testing.assert_close(parameter.grad, clean[key] + extra)


@every_anchor
def test_heads_of_new_classes_are_free(name: str) -> None:
    first, model, _ = first_step(name)
    method, _ = second_step(name, first, model)

    assert (
        set(method.memory["importance"])
        == set(method.memory["anchor"])
        == {key for key, _ in model.named_parameters()}
    )


@every_anchor
def test_importance_lies_between_0_and_1_and_the_two_of_riemannian_walk_add_up(name: str) -> None:
    first, model, _ = first_step(name)
    method, _ = second_step(name, first, model)

    highest = max(tensor.max().item() for tensor in method.memory["importance"].values())
    assert min(tensor.min().item() for tensor in method.memory["importance"].values()) >= 0
    assert highest <= (2 if name == "rw" else 1)


def test_weights_of_equal_importance_are_free() -> None:
    scaled = scaled_globally({"a": torch.full((2,), 0.5), "b": torch.full((3,), 0.5)})

    assert all(torch.equal(tensor, torch.zeros_like(tensor)) for tensor in scaled.values())


@every_anchor
def test_importance_grows_over_steps_for_new_heads_too(name: str) -> None:
    first, model, _ = first_step(name)
    method, grown = second_step(name, first, model)
    for index in range(3):
        iterate(method, grown, *random_batch(20 + index, 5))
    method.end(grown)

    parameters = {key.split(".", 2)[2] for key in method.export_state()}
    assert parameters == {key for key, _ in grown.named_parameters()}


@every_anchor
def test_a_step_after_the_first_is_refused_without_state(name: str) -> None:
    with pytest.raises(InvalidCheckpoint, match=f"--method {name}"):
        build(name, 1).import_state({})


@every_anchor
def test_frozen_weights_are_left_out(name: str) -> None:
    first, model, _ = first_step(name)
    method, grown = second_step(name, first, model)
    grown.requires_grad_(False)
    grown.cls[1].requires_grad_(True)
    points, labels = random_batch(0, 5)

    F.cross_entropy(grown(points), labels).backward()
    terms = method.after_backward(grown)
    method.end(grown)

    assert terms["penalty"].item() == 0
    assert grown.body.weight.grad is None


@every_anchor
def test_an_update_that_overflowed_leaves_importance_finite(name: str) -> None:
    torch.manual_seed(0)
    method, model = build(name, 0), Tiny((3,))
    method.begin(model, None, [])
    F.cross_entropy(model(torch.ones(5, 4, dtype=torch.float64)), torch.zeros(5, dtype=torch.long)).backward()
    model.body.weight.grad[0, 0] = torch.inf
    model.body.bias.grad[0] = torch.nan

    method.after_backward(model)
    method.end(model)

    assert all(tensor.isfinite().all() for tensor in method.export_state().values())


@every_anchor
def test_what_was_imported_is_not_changed(name: str) -> None:
    first, model, _ = first_step(name)
    state = {key: tensor.clone() for key, tensor in first.export_state().items()}
    method, grown = second_step(name, first, model)

    iterate(method, grown, *random_batch(3, 5))

    torch.testing.assert_close(first.export_state(), state, rtol=0, atol=0)


@pytest.mark.parametrize(("options", "xi"), [({}, 1e-3), ({"faithful": True}, 1e-20), ({"xi": 0.1}, 0.1)])
def test_xi_is_what_is_asked_for_else_what_fits(options: dict[str, object], xi: float) -> None:
    method = build("pi", 0, **options)

    assert isinstance(method, PI)
    assert method.xi == xi
