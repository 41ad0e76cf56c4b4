import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from saticl.engine.optim import Schedule, build_optimizer, factor
from saticl.options import OptimizerOptions, SchedulerOptions

TARGETS = ("constant", "cosine", "poly", "exp", "plateau")


@given(st.sampled_from(TARGETS), st.integers(1, 500), st.integers(1, 50))
def test_every_schedule_starts_at_the_full_rate_and_never_exceeds_it(target: str, total: int, per_epoch: int) -> None:
    options = SchedulerOptions(target=target)

    factors = [factor(options, iteration, total, per_epoch) for iteration in range(total)]

    assert factors[0] == 1.0
    assert all(0 <= value <= 1 for value in factors)
    assert factors == sorted(factors, reverse=True)


def test_cosine_spans_the_whole_step_without_a_restart() -> None:
    options = SchedulerOptions(target="cosine")

    assert factor(options, 50, 100, 10) == pytest.approx(0.5)
    assert factor(options, 100, 100, 10) == pytest.approx(0.0)


def test_poly_is_the_published_formula() -> None:
    options = SchedulerOptions(target="poly", power=0.9)

    assert factor(options, 30, 120, 10) == pytest.approx((1 - 30 / 120) ** 0.9)


def test_exp_multiplies_by_gamma_once_per_epoch() -> None:
    options = SchedulerOptions(target="exp", gamma=0.5)

    assert factor(options, 20, 100, 10) == pytest.approx(0.25)


def test_warmup_rises_to_the_full_rate() -> None:
    options = SchedulerOptions(target="constant", warmup=0.1)

    factors = [factor(options, iteration, 100, 10) for iteration in range(100)]

    assert factors[:10] == sorted(factors[:10])
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10:] == [1.0] * 90


@pytest.mark.parametrize("target", ["cosine", "poly", "exp"])
def test_the_schedule_begins_at_its_start_when_the_warmup_ends(target: str) -> None:
    warm, cold = SchedulerOptions(target=target, warmup=0.2), SchedulerOptions(target=target)

    after = [factor(warm, iteration, 100, 10) for iteration in range(20, 100)]

    assert after == pytest.approx([factor(cold, iteration, 80, 10) for iteration in range(80)])
    assert factor(warm, 19, 100, 10) < after[0] == 1.0


def test_plateau_lowers_the_rate_after_enough_stalls() -> None:
    layer = nn.Linear(1, 1)
    optimizer = build_optimizer(OptimizerOptions(lr=0.1), layer.named_parameters())
    schedule = Schedule(SchedulerOptions(target="plateau", gamma=0.5, patience=2), optimizer, 100, 10)

    rates = []
    for improved in (True, False, False, False, True):
        schedule.observe(improved)
        rates.append(schedule.set(1))

    assert rates == pytest.approx([1, 1, 0.5, 0.5, 0.5])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("target", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)]
)
def test_frozen_parameters_are_not_optimised(target: str, kind: type) -> None:
    layer = nn.Linear(2, 2)
    layer.bias.requires_grad_(False)

    optimizer = build_optimizer(OptimizerOptions(target=target), layer.named_parameters())

    assert type(optimizer) is kind
    assert [parameter for group in optimizer.param_groups for parameter in group["params"]] == [layer.weight]


@pytest.mark.parametrize(
    ("target", "plain"),
    [
        ("adamw", lambda parameters: torch.optim.AdamW(parameters, 0.1, (0.9, 0.999), weight_decay=0.01)),
        ("adam", lambda parameters: torch.optim.Adam(parameters, 0.1, (0.9, 0.999), weight_decay=0.01)),
        ("sgd", lambda parameters: torch.optim.SGD(parameters, 0.1, 0.9, weight_decay=0.01, nesterov=True)),
    ],
)
def test_the_fast_kernels_do_what_the_plain_ones_do(target: str, plain: Callable[..., torch.optim.Optimizer]) -> None:
    torch.manual_seed(0)
    one, other = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    other.load_state_dict(one.state_dict())
    one.to(memory_format=torch.channels_last)
    options = OptimizerOptions(target=target, lr=0.1, momentum=0.9, weight_decay=0.01)
    pairs = [(one, build_optimizer(options, one.named_parameters())), (other, plain(other.parameters()))]

    for _ in range(3):
        image = torch.randn(2, 3, 8, 8)
        for layer, optimizer in pairs:
            optimizer.zero_grad()
            layer(image).square().sum().backward()
            optimizer.step()

    torch.testing.assert_close(one.state_dict(), other.state_dict())


def test_sgd_uses_nesterov_momentum() -> None:
    optimizer = build_optimizer(OptimizerOptions(target="sgd", momentum=0.9), nn.Linear(1, 1).named_parameters())

    assert optimizer.param_groups[0]["nesterov"] is True
    assert math.isclose(optimizer.param_groups[0]["momentum"], 0.9)
