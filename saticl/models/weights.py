"""Weights for encoders: files and timm's hub, for any number of bands."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from saticl.errors import InvalidCheckpoint
from saticl.models.blueprint import Blueprint
from saticl.sentences import some_of

State = dict[str, Tensor]

NESTS = ("state_dict", "model", "model_state")
"""Under which names programs keep the weights beside what else they save."""


class Forgotten:
    """Stands for a NumPy scalar in a file, such as the best score so far: nothing of NumPy is called to make one."""

    def __init__(self, *given: object) -> None:
        del given

    def __setstate__(self, state: object) -> None:
        """Remember nothing."""


FORGOTTEN: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (Forgotten, name) for name in ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype")
]


def load_file(maps: nn.Module, blueprint: Blueprint, path: Path) -> None:
    """Give an encoder the weights of a file: timm's or torchvision's, bare or in a checkpoint, classifier or not.

    Raises:
        InvalidCheckpoint: the file is missing, damaged, would need unpickling, or belongs to another encoder.
    """
    state = _converted(read_state(path), blueprint)
    _load(maps, state, blueprint, str(path))


def load_pretrained(maps: nn.Module, blueprint: Blueprint) -> None:
    """Give an encoder timm's pretrained weights, from the hub or its cache.

    Raises:
        InvalidCheckpoint: there are none, or the hub cannot be reached.
    """
    sized = {key: value for key, value in blueprint.arguments.items() if key != "output_stride"}
    try:
        model: nn.Module = timm.create_model(blueprint.name, pretrained=True, num_classes=0, **sized)
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidCheckpoint(
            f"The pretrained weights of {blueprint.name} cannot be loaded ({type(error).__name__}): they do not "
            "exist, or there is no connection to the model hub. Give a local file with --model.weights FILE, or "
            "download them on a machine with internet, copy the hub's cache folder, and set HF_HOME to it."
        ) from error
    _load(maps, model.state_dict(), blueprint, "timm's hub")


def read_state(path: Path, option: str = "--model.weights") -> State:
    """The named tensors of a .safetensors or torch file (.pth, .pt, .tar), nothing else; never unpickled.

    Looks inside `{"state_dict": ...}` and the other `NESTS`, and drops the `module.` of DataParallel. `option` is the
    one that names the file.

    Raises:
        InvalidCheckpoint: there is no such file, it is damaged, holds no weights, or would need unpickling.
    """
    if not path.is_file():
        raise InvalidCheckpoint(f"There is no file {path}: {option} takes a .safetensors or .pth file.")
    try:
        if path.suffix == ".safetensors":
            content: object = safetensors.torch.load_file(path)
        else:
            with torch.serialization.safe_globals(FORGOTTEN):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise InvalidCheckpoint(
            f"{path} holds more than weights, or it is damaged. It is refused, because reading it could run code "
            "that is in the file. Save only its state_dict, best as .safetensors."
        ) from error
    except Exception as error:
        raise InvalidCheckpoint(
            f"{path} is not a file of weights, or it is damaged ({type(error).__name__})."
        ) from error
    for nest in NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            content = content[nest]
    items = content.items() if isinstance(content, Mapping) else ()
    state = {str(name).removeprefix("module."): value for name, value in items if isinstance(value, Tensor)}
    if not state:
        raise InvalidCheckpoint(f"{path} holds no weights: expected a state_dict, names with tensors.")
    return state


def require_finite(state: State, source: str) -> None:
    """Refuse weights that no training starts from and no prediction comes from.

    Raises:
        InvalidCheckpoint: naming the tensors.
    """
    wrong = [name for name, value in state.items() if not bool(torch.isfinite(value).all())]
    if wrong:
        raise InvalidCheckpoint(
            f"{source} holds weights that are NaN or infinite ({some_of(wrong)}): it predicts nothing, export it "
            "again."
        )


def adapt_bands(weight: Tensor, in_channels: int, bands: int) -> Tensor:
    """Rewrite a first convolution that was trained for other bands.

    The bands both have keep their weights; each further band gets the mean over the trained ones; all are scaled by
    trained / new bands. Where there are fewer bands than trained, what the lost ones weighed is spread over the rest.
    So a grey image, equal in all bands, is answered as before, whatever the number of bands: activations keep their
    scale, and the statistics of the norm behind stay right. A single band gets the sum, as is usual.

    Stems that fold blocks of pixels into channels (TResNet: 4 x 4) have `bands` channels per pixel, pixel after pixel.

    Args:
        weight: [O, pixels * bands, kh, kw], trained.
        in_channels: bands of our images.
        bands: bands it was trained with.

    Returns:
        [O, pixels * in_channels, kh, kw]
    """
    folded = weight.unflatten(1, (-1, bands))
    if in_channels > bands:
        extra = folded.mean(dim=2, keepdim=True).expand(-1, -1, in_channels - bands, -1, -1)
        adapted = torch.cat([folded, extra], dim=2) * (bands / in_channels)
    else:
        kept, lost = folded[:, :, :in_channels], folded[:, :, in_channels:]
        adapted = kept + lost.sum(dim=2, keepdim=True) / in_channels
    return adapted.flatten(1, 2)


def flat(name: str) -> str:
    """A name under which the weights of timm's whole model and of its feature wrappers meet."""
    return name.removeprefix("model.").replace(".", "_")


def _load(maps: nn.Module, state: State, blueprint: Blueprint, source: str) -> None:
    """Copy into `maps` all it has a place for; the classifier and what lies behind the last map stay out."""
    names = {flat(name): name for name in maps.state_dict()}
    found = {names[key]: value for name, value in state.items() if (key := flat(name)) in names}
    wanted = maps.state_dict()
    for stem in _stems(maps):
        if (name := names.get(flat(f"{stem}.weight"))) in found:
            found[name] = _fit_bands(found[name], wanted[name], blueprint.in_channels)
    fitting = {name: value for name, value in found.items() if value.shape == wanted[name].shape}
    lacking = [n for n in wanted if n not in fitting and not n.endswith("num_batches_tracked")]
    if lacking:
        name = lacking[0]
        problem = (
            f"has the shape {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
            if name in found
            else "is not there"
        )
        raise InvalidCheckpoint(
            f"The weights of {source} do not fit {blueprint.name}: {len(fitting)} of {len(wanted)} match, but for "
            f"example {name} {problem}; choose the --model.encoder they were trained with."
        )
    require_finite(fitting, source)
    maps.load_state_dict(fitting, strict=False)


def _stems(maps: nn.Module) -> tuple[str, ...]:
    """Names of the convolutions that read the image, as timm records them."""
    config = maps.pretrained_cfg
    stems = config.get("first_conv") if isinstance(config, Mapping) else None
    return (stems,) if isinstance(stems, str) else tuple(stems or ())


def _fit_bands(trained: Tensor, ours: Tensor, in_channels: int) -> Tensor:
    """The stem's weight for our bands, or unchanged where the difference is not one of bands."""
    if trained.ndim != 4 or trained.shape[1] == ours.shape[1]:
        return trained
    pixels = ours.shape[1] // in_channels
    if ours.shape[1] % in_channels or trained.shape[1] % pixels:
        return trained
    return adapt_bands(trained, in_channels, trained.shape[1] // pixels)


def _converted(state: State, blueprint: Blueprint) -> State:
    """Foreign names and sizes turned into timm's, by the conversion that timm itself has for this family.

    By timm's convention it is called `checkpoint_filter_fn` and stands in the family's module. Among other things it
    interpolates position embeddings to the size of our images.
    """
    with torch.device("meta"):
        model: nn.Module = timm.create_model(
            blueprint.name, num_classes=0, in_chans=blueprint.in_channels, **blueprint.arguments
        )
    convert: Callable[[State, nn.Module], State] | None = vars(sys.modules[type(model).__module__]).get(
        "checkpoint_filter_fn"
    )
    return state if convert is None else convert(state, model)
