import copy
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from timm.layers.conv_bn_act import ConvNormAct
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.testing import assert_close

from saticl.errors import InvalidOptions
from saticl.models import norm as norms
from saticl.models.encoder import Encoder
from saticl.models.norm import ABN, ActName, activated_norm, give_activation, swap_norms, synchronise, take_activation
from saticl.options import ModelOptions

IN_PLACE = ("iabn", "iabn_sync")


@pytest.fixture
def in_place() -> None:
    pytest.importorskip("inplace_abn", reason="In-Place ABN is not installed: scripts/install_iabn.sh")


@pytest.fixture
def image() -> Tensor:
    return torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def one_process_group() -> Iterator[None]:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def with_weights(layer: nn.Module, weight: list[float], bias: list[float]) -> nn.Module:
    """The layer with these parameters, whatever wraps it."""
    state = layer.state_dict()
    for name in state:
        if name.endswith("weight"):
            state[name] = torch.tensor(weight)
        if name.endswith("bias"):
            state[name] = torch.tensor(bias)
    layer.load_state_dict(state)
    return layer


def run(layer: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """Output, gradients and statistics of one training pass."""
    leaf = image.clone().requires_grad_()
    output = layer(leaf * 1)
    (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    result = {"output": output.detach(), "image": leaf.grad, "mean": None, "var": None}
    for name, parameter in layer.named_parameters():
        result[name.rpartition(".")[2]] = parameter.grad
    for name, buffer in layer.named_buffers():
        result[name.rpartition(".")[2]] = buffer
    return {name: value.clone() for name, value in result.items() if value is not None}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """float32, two orders of summation, and eps added to the scale: a few 1e-5."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert_close(value, other[name], rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_plain_norm_is_batch_norm_and_leaky_relu(image: Tensor) -> None:
    layer = activated_norm("std", 4, "ident")

    output = layer(image)

    expected = F.leaky_relu(F.batch_norm(image, None, None, training=True), 0.01)
    assert_close(output, expected)


def test_abn_equals_batch_norm_and_leaky_relu_where_weights_are_positive(image: Tensor) -> None:
    weight, bias = [1.0, 0.5, 2.0, 0.1], [0.0, 0.3, -0.3, 1.0]
    abn = with_weights(activated_norm("abn", 4, "ident"), weight, bias)
    plain = with_weights(activated_norm("std", 4, "ident"), weight, bias)

    assert_same(run(abn, image), run(plain, image))


def test_the_sign_of_an_abn_weight_does_not_matter_to_its_output(image: Tensor) -> None:
    bias = [0.0, 0.3, -0.3, 1.0]
    one = run(with_weights(ABN(4), [1.0, -0.5, 2.0, -0.1], bias), image)
    other = run(with_weights(ABN(4), [1.0, 0.5, 2.0, 0.1], bias), image)

    assert_close(one["output"], other["output"])
    assert_close(one["weight"], other["weight"] * torch.tensor([1.0, -1.0, 1.0, -1.0]))


def test_an_abn_weight_of_zero_still_learns(image: Tensor) -> None:
    gradients = run(with_weights(ABN(4), [0.0] * 4, [0.1] * 4), image)

    assert (gradients["weight"] != 0).all()


def test_abn_in_evaluation_uses_its_statistics_and_leaves_them(image: Tensor) -> None:
    layer = ABN(4)
    layer.running_mean.fill_(0.5)
    layer.running_var.fill_(4.0)

    output = layer.eval()(image)

    assert_close(output, F.leaky_relu((image - 0.5) / 2, 0.01), rtol=1e-4, atol=1e-4)
    assert_close(layer.running_mean, torch.full((4,), 0.5))
    assert layer.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("act", "function"),
    [
        ("ident", lambda x: F.leaky_relu(x, 0.01)),
        ("leaky_relu", lambda x: F.leaky_relu(x, 0.01)),
        ("relu", F.relu),
        ("elu", F.elu),
    ],
)
@pytest.mark.parametrize("norm", ["std", "abn", "iabn"])
def test_activation_replaces_the_norms_own(
    norm: norms.NormName, act: ActName, function: object, image: Tensor
) -> None:
    if norm == "iabn":
        pytest.importorskip("inplace_abn", reason="In-Place ABN is not installed: scripts/install_iabn.sh")
    layer = activated_norm(norm, 4, act)

    output = layer(image.clone())

    assert callable(function)
    assert_close(output, function(F.batch_norm(image, None, None, training=True)), rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("in_place")
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("act", ["ident", "relu", "elu"])
@pytest.mark.parametrize("norm", IN_PLACE)
def test_abn_computes_what_in_place_abn_computes(
    norm: norms.NormName, act: ActName, memory: torch.memory_format, image: Tensor
) -> None:
    weight, bias = [1.0, -0.5, 0.1, -2.0], [0.0, 0.3, -0.3, 1.0]
    theirs = with_weights(activated_norm(norm, 4, act), weight, bias)
    ours = activated_norm("abn", 4, act)
    ours.load_state_dict(theirs.state_dict())

    assert_same(run(theirs, image.contiguous(memory_format=memory)), run(ours, image))


@pytest.mark.usefixtures("in_place")
def test_checkpoints_move_between_all_norms() -> None:
    keys = [list(activated_norm(norm, 4, "ident").state_dict()) for norm in ("std", "abn", "iabn", "iabn_sync")]

    assert all(other == keys[0] for other in keys)


@pytest.mark.usefixtures("in_place", "one_process_group")
def test_synchronised_norm_works_alone_in_a_process_group(image: Tensor) -> None:
    layer = activated_norm("iabn_sync", 4, "ident")

    assert_same(run(layer, image), run(activated_norm("abn", 4, "ident"), image))


@pytest.mark.usefixtures("in_place", "one_process_group")
def test_synchronised_norm_finds_a_group_made_after_it_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = activated_norm("iabn_sync", 4, "ident").get_submodule("0")
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group=None: 2)

    assert layer.group is torch.distributed.group.WORLD
    copy.deepcopy(layer)  # a stored process group could not be copied


@pytest.mark.usefixtures("in_place", "one_process_group")
def test_synchronised_norm_refuses_several_processes_without_gpus(
    image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = activated_norm("iabn_sync", 4, "ident")
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda group=None: 2)

    with pytest.raises(InvalidOptions, match="on GPUs only"):
        layer(image)
    layer.eval()(image)


@pytest.mark.parametrize("norm", IN_PLACE)
def test_a_missing_in_place_abn_is_explained(norm: norms.NormName, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "saticl.models.iabn", None)
    monkeypatch.delattr("saticl.models.iabn", raising=False)

    with pytest.raises(InvalidOptions, match=r"scripts/install_iabn\.sh.*--model\.norm abn"):
        activated_norm(norm, 4, "ident")


def leaky_blocks() -> nn.Sequential:
    return nn.Sequential(
        ConvNormAct(3, 8, 3, act_layer=nn.LeakyReLU, act_kwargs={"negative_slope": 0.1}),
        ConvNormAct(8, 4, 1, bias=True, apply_act=False, norm_kwargs={"eps": 1e-4, "momentum": 0.3}),
    )


def with_mixed_signs(net: nn.Module) -> nn.Module:
    """Scales of both signs, as batch norms learn them, and statistics that are not those of a new network."""
    generator = torch.Generator().manual_seed(4)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm2d):
            size = norm.weight.shape
            signs = torch.where(torch.arange(len(norm.weight)) % 2 == 0, 1.0, -1.0)
            norm.weight.data = (torch.rand(size, generator=generator) + 0.5) * signs
            norm.bias.data = torch.randn(size, generator=generator)
            norm.running_mean = torch.randn(size, generator=generator) * 0.1
    return net


def test_swapped_norms_compute_and_learn_the_same() -> None:
    net = with_mixed_signs(leaky_blocks())
    swapped = copy.deepcopy(net)
    swap_norms(swapped, "abn")
    image = torch.randn(2, 3, 8, 8)

    constants = [(module.eps, module.momentum) for module in swapped.modules() if isinstance(module, ABN)]
    assert constants == [(1e-5, 0.1), (1e-4, 0.3)]
    assert_close(swapped.eval()(image), net.eval()(image), rtol=1e-3, atol=1e-3)
    assert_close(swapped.train()(image), net.train()(image), rtol=1e-3, atol=1e-3)
    assert_close(swapped.eval()(image), net.eval()(image), rtol=1e-3, atol=1e-3)  # with statistics that moved alike


def test_the_plain_norm_swaps_nothing() -> None:
    net = leaky_blocks()
    before = list(net.modules())

    swap_norms(net, "std")

    assert list(net.modules()) == before


@pytest.mark.parametrize(
    "stranger",
    [
        ConvNormAct(4, 4, 3, act_layer=nn.SiLU),
        ConvNormAct(4, 4, 3, act_layer=nn.LeakyReLU, drop_layer=nn.Dropout),
        ConvNormAct(4, 4, [3, 5], act_layer=nn.LeakyReLU),  # convolutions of two sizes side by side
        nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.LeakyReLU()),
    ],
)
def test_one_norm_that_does_not_fit_leaves_all_as_they_are(stranger: nn.Module) -> None:
    net = nn.Sequential(leaky_blocks(), stranger)

    swap_norms(net, "abn")

    assert not any(isinstance(module, ABN) for module in net.modules())


def test_norms_that_are_no_batch_norms_stay() -> None:
    grouped = ConvNormAct(3, 8, 3, norm_layer=nn.GroupNorm, act_layer=nn.LeakyReLU, norm_kwargs={"num_groups": 2})
    before = list(grouped.modules())

    swap_norms(grouped, "abn")

    assert list(grouped.modules()) == before


def encoder(name: str, norm: norms.NormName) -> nn.Module:
    torch.manual_seed(0)
    return Encoder(ModelOptions(encoder=name, norm=norm), 3, 64)


@pytest.mark.parametrize("name", ["tresnet_m", "tresnet_v2_l", "darknet17", "cspresnet50"])
def test_encoders_made_of_leaky_blocks_take_in_place_abn(name: str) -> None:
    net = encoder(name, "abn")

    assert any(isinstance(module, ABN) for module in net.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "cs3darknet_focus_s", "fastvit_t8", "dla34"])
def test_all_other_encoders_keep_their_batch_norms(name: str) -> None:
    kept = [type(module) for module in encoder(name, "std").modules()]

    assert [type(module) for module in encoder(name, "abn").modules()] == kept
    assert any(issubclass(kind, nn.BatchNorm2d) for kind in kept)


class Overwriting(ABN):
    """Stands for In-Place ABN: whoever else reads its input reads its output instead."""

    def forward(self, x: Tensor) -> Tensor:
        output = super().forward(x)
        x.data.copy_(output.data)  # past autograd, as a layer that recomputes its input does
        return output


@pytest.mark.parametrize("name", ["tresnet_m", "darknetaa53", "sedarknet21", "cspresnet50d"])
def test_nothing_else_reads_or_changes_what_in_place_abn_overwrites(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = encoder(name, "abn")(image)[-1]
    monkeypatch.setattr(norms, "ABN", Overwriting)
    overwriting, outputs = encoder(name, "abn"), []
    for module in overwriting.modules():
        if isinstance(module, Overwriting):
            module.register_forward_hook(lambda _, __, output: outputs.append((output, output._version)))

    answer = overwriting(image)[-1]

    assert outputs
    assert_close(answer, expected)
    assert [output.shape for output, version in outputs if output._version != version] == []


@pytest.mark.parametrize("act", ["ident", "relu", "leaky_relu", "elu"])
def test_expanded_norms_compute_the_same_without_layers_of_our_own(act: ActName, image: Tensor) -> None:
    layer = nn.Sequential(nn.Conv2d(4, 6, 1), activated_norm("abn", 6, act)).eval()
    abn = next(module for module in layer.modules() if isinstance(module, ABN))
    nn.init.normal_(abn.weight)
    nn.init.normal_(abn.bias)
    nn.init.normal_(abn.running_mean)
    nn.init.uniform_(abn.running_var, 0.5, 1.5)
    abn.eps = 0.01  # so that it is seen where it is added
    abn.requires_grad_(False)
    with torch.no_grad():
        expected = layer(image)

        norms.expand_norms(layer)

        assert_close(layer(image), expected)
    assert expected.min() < 0 or act == "relu"
    assert (abn.weight < 0).any()
    kinds = {type(module) for module in layer.modules()}
    assert ABN not in kinds
    assert nn.BatchNorm2d in kinds
    assert not layer.training
    batch_norm = next(module for module in layer.modules() if isinstance(module, nn.BatchNorm2d))
    assert (batch_norm.training, batch_norm.weight.requires_grad) == (False, False)
    assert (batch_norm.eps, batch_norm.momentum) == (abn.eps, abn.momentum)


def test_norms_of_all_processes_have_the_names_and_the_values_of_the_others(image: Tensor) -> None:
    network = nn.Sequential(nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6), nn.Sequential(BatchNormAct2d(6, act_layer=nn.ELU)))
    with_weights(network[1], [1, 2, 3, 4, 5, 6], [0, 1, 0, 1, 0, 1])
    before, expected = copy.deepcopy(network.state_dict()), network.eval()(image)

    synchronise(network)

    assert_close(network.state_dict(), before)
    assert isinstance(network[1], nn.SyncBatchNorm)
    assert isinstance(network[2][0], nn.SyncBatchNorm)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert_close(network(image), expected)


def test_an_activation_that_was_taken_is_given_back_to_a_norm_of_all_processes() -> None:
    network = nn.Sequential(BatchNormAct2d(6, act_layer=nn.ELU))
    taken = take_activation(network[0])
    synchronise(network)

    give_activation(network[0], taken)

    assert isinstance(network[0].act, nn.ELU)
