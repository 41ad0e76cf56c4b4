"""Normalisation followed by its activation, with or without In-Place ABN.

S. Rota Bulò, L. Porzi, P. Kontschieder, "In-Place Activated BatchNorm for Memory-Optimized Training of DNNs",
CVPR 2018, arXiv:1712.02616. The layer stores its output only and recomputes its input from it when gradients flow,
so its activation must be invertible (leaky ReLU) and its scale never zero: gamma = |weight| + eps.

    std         BatchNorm2d, then leaky ReLU
    abn         the same function as iabn in plain torch: no compiler, any precision, more memory
    iabn        inplace_abn.InPlaceABN
    iabn_sync   inplace_abn.InPlaceABNSync (`saticl/models/iabn.py`): batch statistics over all processes

All four have the same keys in a state dict. Checkpoints move freely between abn, iabn and iabn_sync; between those
and std only where no scale is negative.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from timm.layers.conv_bn_act import ConvNormAct
from timm.layers.norm_act import BatchNormAct2d, SyncBatchNormAct, convert_sync_batchnorm
from torch import Tensor, nn

from saticl.errors import InvalidOptions

NormName = Literal["std", "abn", "iabn", "iabn_sync"]
ActName = Literal["ident", "relu", "leaky_relu", "elu"]
Inner = Literal["leaky_relu", "elu", "identity"]

SLOPE = 0.01
"""Of the norm's own leaky ReLU."""


def activated_norm(norm: NormName, channels: int, act: ActName) -> nn.Module:
    """A normalisation and the activation behind it.

    `ident` leaves the norm its own leaky ReLU (slope 0.01); the others replace that. In-Place ABN overwrites its
    input: hand it tensors that nothing else reads, such as the result of a convolution.

    Raises:
        InvalidOptions: In-Place ABN is asked for, but not installed.
    """
    if norm == "std":
        return nn.Sequential(nn.BatchNorm2d(channels), _activation(act))
    if act == "relu":  # not invertible, so it stays outside; and not in place, for the norm needs its own output
        return nn.Sequential(_abn(norm, channels, "identity", 0.0), nn.ReLU())
    if act == "elu":
        return nn.Sequential(_abn(norm, channels, "elu", 1.0), nn.Identity())
    return nn.Sequential(_abn(norm, channels, "leaky_relu", SLOPE), nn.Identity())


def named_norm(norm: NormName, channels: int, activation: Inner = "leaky_relu") -> nn.Module:
    """A normalisation and the activation that belongs to it, as one layer: for networks whose names are given.

    With `activated_norm` names have a number more.

    Raises:
        InvalidOptions: as `activated_norm`.
    """
    if norm != "std":
        return _abn(norm, channels, activation, SLOPE)
    leaky = activation == "leaky_relu"
    slope = {"negative_slope": SLOPE} if leaky else {}
    layer: nn.Module = BatchNormAct2d(channels, apply_act=leaky, act_layer=nn.LeakyReLU, act_kwargs=slope)
    return layer


def swap_norms(encoder: nn.Module, norm: NormName) -> None:
    """Replace an encoder's batch norms by `norm`, in place, if In-Place ABN is safe for all of them; else do nothing.

    Safe is what the modules say: every batch norm directly follows a convolution (timm's ConvNormAct), so that nothing
    else reads what would be overwritten, and has a leaky ReLU or nothing behind it, which can be inverted. In timm
    this holds for TResNet, which was made for In-Place ABN, and for Darknet and CSPNet with leaky ReLU. ReLU, SiLU and
    GELU cannot be inverted, and residual branches read inputs of norms: those encoders keep their batch norms.

    The encoder computes what it computed, but for the eps that is added to each scale: weights, statistics and slopes
    stay. A scale below zero, which In-Place ABN does not have, becomes the sign of the convolution in front; so load
    weights first.
    """
    blocks = [module for module in encoder.modules() if isinstance(module, ConvNormAct) and _is_invertible(module)]
    if norm == "std" or len(blocks) < sum(isinstance(module, nn.BatchNorm2d) for module in encoder.modules()):
        return
    for block in blocks:
        _swap(block, norm)


@torch.no_grad()
def expand_norms(network: nn.Module) -> None:
    """Replace every `ABN` of a network, in place, by a batch norm and an activation: what other programs have.

    The network computes what it computed. Its scales are final afterwards, |weight| + eps as they were used.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ABN):
                setattr(parent, name, _expanded(child))


class ABN(nn.Module):
    """Activated batch norm in plain torch: what In-Place ABN computes, with its parameters and state keys.

    Not a subclass of BatchNorm2d, because converting those to SyncBatchNorm would lose the activation.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, activation: Inner = "leaky_relu", slope: float = SLOPE) -> None:
        super().__init__()
        self.activation = activation
        self.activation_param = slope
        self.momentum = 0.1
        self.eps = 1e-5
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, scale by |weight| + eps, shift, activate; any [B, channels, ...] to the same shape."""
        if self.training:
            self.num_batches_tracked.add_(1)
        # Not abs(): its gradient at zero is zero, and layers whose scale starts at zero would never learn.
        scale = torch.where(self.weight < 0, -self.weight, self.weight) + self.eps
        x = F.batch_norm(
            x, self.running_mean, self.running_var, scale, self.bias, self.training, self.momentum, self.eps
        )
        if self.activation == "leaky_relu":
            return F.leaky_relu(x, self.activation_param, inplace=True)
        if self.activation == "elu":
            return F.elu(x, self.activation_param, inplace=True)
        return x

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.weight.numel()}, activation={self.activation}[{self.activation_param}]"


def is_activated(module: nn.Module) -> bool:
    """Whether this is In-Place ABN, compiled or in plain torch, which scales by |weight| + eps."""
    return hasattr(module, "running_mean") and hasattr(module, "activation_param")


def has_statistics(module: nn.Module) -> bool:
    """Whether this is a norm that keeps running statistics: torch's, timm's or In-Place ABN."""
    return isinstance(getattr(module, "running_mean", None), Tensor) and hasattr(module, "momentum")


def scale_of(norm: Any) -> Tensor:
    """What a batch norm with weights multiplies by [channels]."""
    scale: Tensor = norm.weight.abs() + norm.eps if is_activated(norm) else norm.weight
    return scale


@torch.no_grad()
def set_scale(norm: Any, scale: Tensor) -> None:
    """Let a batch norm multiply by `scale`; In-Place ABN by at least eps."""
    norm.weight.copy_((scale - norm.eps).clamp(min=0) if is_activated(norm) else scale)


def take_activation(norm: Any) -> nn.Module:
    """Leave a norm without the activation that is a part of it, and return that; Identity where there is none."""
    if isinstance(norm, BatchNormAct2d):
        taken, norm.act = norm.act, nn.Identity()
        return taken
    if not is_activated(norm):
        return nn.Identity()
    taken = _activation_of(norm)
    norm.activation = "identity"
    return taken


def give_activation(norm: Any, activation: nn.Module) -> None:
    """Give back what `take_activation` took."""
    if isinstance(norm, BatchNormAct2d | SyncBatchNormAct):
        norm.act = activation
    elif isinstance(activation, nn.LeakyReLU):
        norm.activation = "leaky_relu"
    elif isinstance(activation, nn.ELU):
        norm.activation = "elu"


def synchronise(network: nn.Module) -> None:
    """Let the batch norms inside a network take the statistics of all processes; names and values stay.

    In-Place ABN has `iabn_sync` for it, and `abn` stays as it is.
    """
    for name, child in list(network.named_children()):
        setattr(network, name, convert_sync_batchnorm(child))  # type: ignore[no-untyped-call]


def _expanded(abn: ABN) -> nn.Sequential:
    norm = nn.BatchNorm2d(abn.weight.numel(), abn.eps, abn.momentum)
    norm.load_state_dict(abn.state_dict())
    norm.weight.copy_(abn.weight.abs() + abn.eps)
    return nn.Sequential(norm, _activation_of(abn)).train(abn.training).requires_grad_(abn.weight.requires_grad)


def _activation_of(abn: Any) -> nn.Module:
    """The activation of In-Place ABN as a module."""
    if abn.activation == "leaky_relu":
        return nn.LeakyReLU(abn.activation_param)
    return nn.ELU(abn.activation_param) if abn.activation == "elu" else nn.Identity()


def _activation(act: ActName) -> nn.Module:
    if act == "relu":
        return nn.ReLU(inplace=True)
    return nn.ELU(inplace=True) if act == "elu" else nn.LeakyReLU(SLOPE, inplace=True)


def _abn(norm: NormName, channels: int, activation: Inner, slope: float) -> nn.Module:
    if norm == "abn":
        return ABN(channels, activation, slope)
    try:
        from saticl.models import iabn
    except ImportError as error:  # not there, or compiled against another torch
        raise InvalidOptions(
            f"--model.norm {norm} needs In-Place ABN, which is not installed or not for this torch: run "
            "scripts/install_iabn.sh, or choose --model.norm abn, which computes the same in plain torch and loads "
            "the same checkpoints."
        ) from error
    layer = iabn.WorldABN if norm == "iabn_sync" else iabn.InPlaceABN
    return layer(channels, activation=activation, activation_param=slope)


def _is_invertible(block: ConvNormAct) -> bool:
    """Whether an activated batch norm can stand in for the block's norm."""
    plain = isinstance(block.conv, nn.Conv2d) and isinstance(block.bn, BatchNormAct2d)
    return plain and isinstance(block.bn.drop, nn.Identity) and isinstance(block.bn.act, nn.LeakyReLU | nn.Identity)


@torch.no_grad()
def _swap(block: ConvNormAct, name: NormName) -> None:
    """Give the block the activated batch norm that computes what timm's computes."""
    conv, old = block.conv, block.bn
    signs = torch.where(old.weight < 0, -1.0, 1.0)
    for turned in (conv.weight, conv.bias, old.running_mean, old.weight):
        if turned is not None:
            turned.mul_(signs.view(-1, *[1] * (turned.ndim - 1)))
    if isinstance(old.act, nn.LeakyReLU):
        new = _abn(name, old.num_features, "leaky_relu", old.act.negative_slope)
    else:
        new = _abn(name, old.num_features, "identity", 0.0)
    new.eps, new.momentum = old.eps, old.momentum
    new.load_state_dict(old.state_dict())
    block.bn = new
