"""Weights of encoders whose tensors have names that were published: all of them are used, and none is missing."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from saticl.errors import InvalidCheckpoint
from saticl.models.weights import State, adapt_bands, read_state, require_finite
from saticl.sentences import some_of

TRAINED_BANDS = 3
EPS = 1e-5
"""What In-Place ABN adds to the size of its scales."""


@dataclass(frozen=True)
class Published:
    """What has to be known of the files of an encoder."""

    stem: str
    """Name of the convolution that reads the image, without `.weight`. What stands before it in a file stands before
    all names of the encoder; what begins otherwise is no part of it."""
    unused: tuple[str, ...]
    """Beginnings of names that the encoder does not have, behind what stands before all: classifiers."""
    activated: bool = False
    """Whether norms are In-Place ABN, which scales by |weight| + eps."""


def load_published(encoder: nn.Module, published: Published, path: Path, name: str, in_channels: int) -> None:
    """Give an encoder the weights of a file, for any number of bands.

    Counters of batches may be missing: In-Place ABN had none for years.

    Raises:
        InvalidCheckpoint: the file is missing, damaged, would need unpickling, or its tensors are not the encoder's
            or not finite.
    """
    state, wanted = _part(read_state(path), published, path, name), encoder.state_dict()
    missing = [key for key in wanted.keys() - state.keys() if not key.endswith("num_batches_tracked")]
    unexpected = state.keys() - wanted.keys()
    if missing or unexpected:
        raise InvalidCheckpoint(
            f"The weights of {path} do not fit {name}: {len(missing)} tensors are missing"
            f"{_named(missing)} and {len(unexpected)} do not belong to it{_named(unexpected)}; choose the "
            "--model.encoder they were trained with."
        )
    stem = f"{published.stem}.weight"
    if state[stem].ndim == 4 and state[stem].shape[1] == TRAINED_BANDS != in_channels:
        state[stem] = adapt_bands(state[stem], in_channels, TRAINED_BANDS)
    others = [key for key, value in state.items() if value.shape != wanted[key].shape]
    if others:
        raise InvalidCheckpoint(
            f"The weights of {path} do not fit {name}: {len(others)} tensors have another shape, for example "
            f"{others[0]} {list(state[others[0]].shape)} instead of {list(wanted[others[0]].shape)}; choose the "
            "--model.encoder they were trained with."
        )
    require_finite(state, str(path))
    if published.activated:
        _scale_batch_norms(encoder, state)
    encoder.load_state_dict(state, strict=False)  # what may be missing was checked above


def _part(state: State, published: Published, path: Path, name: str) -> State:
    """The encoder's tensors, under its names."""
    stem = f"{published.stem}.weight"
    beginnings = [key.removesuffix(stem) for key in state if f".{key}".endswith(f".{stem}")]
    if len(beginnings) != 1:
        found = "several times" if beginnings else f"not at all, but {some_of(state)}"
        raise InvalidCheckpoint(
            f"The weights of {path} do not fit {name}, whose first layer {stem} they hold {found}: choose the "
            "--model.encoder they were trained with, or save one model's state_dict alone."
        )
    start = beginnings[0]
    names = {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}
    return {key: value for key, value in names.items() if not key.startswith(published.unused)}


def _scale_batch_norms(encoder: nn.Module, state: State) -> None:
    """Write the scales that In-Place ABN uses where the encoder has batch norms, which use theirs as they are."""
    for name, module in encoder.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            state[f"{name}.weight"] = state[f"{name}.weight"].abs() + EPS


def _named(names: object) -> str:
    found = sorted(names)  # type: ignore[call-overload]
    return f" ({some_of(found)})" if found else ""
