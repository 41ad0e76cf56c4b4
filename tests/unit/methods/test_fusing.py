import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.methods.fusing import fuse, measure, recount, share_of_new
from saticl.models.norm import ABN
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions
from saticl.tasks import Protocol, Task
from saticl.types import Batch

TASK = Task(("a", "b", "c", "d"), Protocol("toy", (("a", "b"), ("c", "d"))), 1)


class Network(nn.Module):
    """A convolution, a norm, dropout, and a head that may be missing."""

    def __init__(self, norm: nn.Module, has_head: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm = norm
        self.dropout = nn.Dropout(0.9)
        self.second = nn.BatchNorm2d(4)
        if has_head:
            self.head = nn.Conv2d(4, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        second: Tensor = self.second(self.dropout(self.norm(self.conv(image))))
        return second


def batches(number: int = 3) -> list[Batch]:
    torch.manual_seed(7)
    return [Batch(2 + index + torch.randn(2, 3, 5, 5), torch.zeros(2, 5, 5)) for index in range(number)]


def pair() -> tuple[Network, Network]:
    torch.manual_seed(0)
    new, old = Network(nn.BatchNorm2d(4)), Network(nn.BatchNorm2d(4), has_head=False)
    for network in (new, old):
        for tensor in network.state_dict().values():
            tensor.add_(torch.rand(tensor.shape) if tensor.is_floating_point() else 3)
    return new, old


def test_the_share_of_the_new_counts_background_among_the_old() -> None:
    assert share_of_new(TASK) == pytest.approx((2 / 5) ** 0.5)


@given(st.floats(0, 1))
def test_all_the_old_network_has_is_mixed_and_the_new_head_stays(share: float) -> None:
    new, old = pair()
    before, taught = copy.deepcopy(new.state_dict()), copy.deepcopy(old.state_dict())

    fuse(new, old, share)

    for name, tensor in new.state_dict().items():
        if name in taught and tensor.is_floating_point():
            assert_close(tensor, share * before[name] + (1 - share) * taught[name])
        else:
            assert torch.equal(tensor, before[name])
    assert_close(old.state_dict(), taught, rtol=0, atol=0)


def test_scales_of_abn_are_fused_as_they_are_used() -> None:
    new, old = Network(ABN(4)), Network(ABN(4))
    with torch.no_grad():
        new.norm.weight.fill_(-1)
        old.norm.weight.fill_(2)

    fuse(new, old, 0.5)

    assert_close(new.norm.weight, torch.full((4,), 1.5))
    assert torch.equal(old.norm.weight, torch.full((4,), 2.0))


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), ABN(4, "identity")], ids=["std", "abn"])
@pytest.mark.parametrize("training", [True, False])
def test_statistics_become_the_mean_over_the_batches_without_dropout(norm: nn.Module, training: bool) -> None:
    network, seen = Network(norm).train(training), batches()
    weights = copy.deepcopy(dict(network.named_parameters()))
    with torch.no_grad():
        inputs = [network.conv(batch.image) for batch in seen]
        normed = [copy.deepcopy(norm).train()(x) for x in inputs]

    recount(network, seen)

    for layer, values in ((network.norm, inputs), (network.second, normed)):
        mean = torch.stack([x.mean((0, 2, 3)) for x in values]).mean(0)
        var = torch.stack([x.var((0, 2, 3)) for x in values]).mean(0)
        assert_close((layer.running_mean, layer.running_var), (mean, var), rtol=1e-5, atol=1e-6)
    assert (network.norm.momentum, network.second.momentum) == (0.1, 0.1)
    assert {network.training, network.dropout.training, network.norm.training} == {training}
    assert_close(dict(network.named_parameters()), weights, rtol=0, atol=0)


def test_without_a_batch_statistics_stay() -> None:
    new, _ = pair()
    before = copy.deepcopy(new.state_dict())

    recount(new, [])

    assert_close(new.state_dict(), before, rtol=0, atol=0)


def test_norms_without_statistics_and_frozen_encoders_are_left_alone() -> None:
    untracked = Network(nn.BatchNorm2d(4, track_running_stats=False))
    grouped = Network(nn.GroupNorm(2, 4))
    for network in (untracked, grouped):
        recount(network, batches())
        assert network.norm.training
        assert int(network.second.num_batches_tracked) == 3

    torch.manual_seed(0)
    frozen = Segmenter(ModelOptions(encoder="test_resnet"), 3, (2,), 32)
    frozen.freeze_encoder()
    before = copy.deepcopy(frozen.state_dict())
    recount(frozen, [Batch(torch.randn(2, 3, 32, 32), torch.zeros(2, 32, 32))])

    moved = {name for name, tensor in frozen.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved
    assert all(name.startswith("body.decoder.") for name in moved)
    assert all("running_" in name or "tracked" in name for name in moved)


@pytest.mark.parametrize("training", [True, False])
def test_a_measured_norm_has_the_statistics_of_its_input_and_computes_the_same(training: bool) -> None:
    (network, _), seen = pair(), batches()
    network.train(training)
    evaluated = copy.deepcopy(network).eval()
    with torch.no_grad():
        before = evaluated(seen[0].image)
        inputs = torch.cat([evaluated.norm(evaluated.conv(batch.image)) for batch in seen])
    others = {name: tensor.clone() for name, tensor in network.state_dict().items() if "second" not in name}

    measure(network, [network.second], seen)

    assert network.training == training
    assert_close(network.second.running_mean, inputs.mean((0, 2, 3)))
    assert_close(network.second.running_var, inputs.var((0, 2, 3), correction=0), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        assert_close(network.eval()(seen[0].image), before, rtol=1e-4, atol=1e-5)
    assert_close({name: network.state_dict()[name] for name in others}, others, rtol=0, atol=0)


def test_what_saw_nothing_is_not_measured_and_no_hook_stays() -> None:
    network, _ = pair()
    before = copy.deepcopy(network.state_dict())

    measure(network, [network.norm], [])

    assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert not network.norm._forward_pre_hooks
