"""Learning rates of several groups, and what plateau remembers."""

import pytest
import torch
from torch import nn

from saticl.engine.optim import Schedule, build_optimizer
from saticl.options import OptimizerOptions, SchedulerOptions


def test_every_group_keeps_its_own_rate() -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.4)]
    optimizer = torch.optim.SGD(groups)
    schedule = Schedule(SchedulerOptions(target="cosine"), optimizer, 100, 10)

    rates = [(schedule.set(iteration), *(group["lr"] for group in optimizer.param_groups)) for iteration in (0, 50)]

    assert rates[0] == pytest.approx((1, 0.1, 0.4))
    assert rates[1] == pytest.approx((0.5, 0.05, 0.2))


def test_an_improvement_lets_plateau_wait_again() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = Schedule(SchedulerOptions(target="plateau", gamma=0.1, patience=2), optimizer, 100, 10)

    rates = []
    for improved in (False, True, False, False, False, False):
        schedule.observe(improved)
        rates.append(schedule.set(0))

    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])


def test_only_plateau_listens() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = Schedule(SchedulerOptions(target="constant", patience=1, gamma=0.1), optimizer, 100, 10)

    schedule.observe(False)
    schedule.observe(False)

    assert schedule.set(99) == 1.0


@pytest.mark.parametrize("target", ["adam", "adamw"])
def test_momentum_is_the_first_beta_of_adam(target: str) -> None:
    options = OptimizerOptions.model_validate({"target": target, "momentum": 0.8, "weight_decay": 0.3, "lr": 0.02})

    (group,) = build_optimizer(options, nn.Linear(1, 1).named_parameters()).param_groups

    assert group["betas"] == (0.8, 0.999)
    assert (group["weight_decay"], group["lr"]) == (0.3, 0.02)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_sgd_without_momentum_has_no_nesterov(momentum: float) -> None:
    options = OptimizerOptions.model_validate({"target": "sgd", "momentum": momentum, "weight_decay": 0.3, "lr": 0.02})

    (group,) = build_optimizer(options, nn.Linear(1, 1).named_parameters()).param_groups

    assert (group["momentum"], group["nesterov"]) == (momentum, momentum > 0)
    assert (group["weight_decay"], group["lr"]) == (0.3, 0.02)
