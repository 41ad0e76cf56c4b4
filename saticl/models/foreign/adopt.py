"""From a state dict of another program to a segmenter that gives the same class maps, or a sentence why not."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.models.bodies import EncoderDecoder
from saticl.models.foreign.architecture import Architecture
from saticl.models.foreign.head import Channels, biases, rows
from saticl.models.segmenter import Segmenter
from saticl.models.weights import State, read_state, require_finite
from saticl.options import OutputStride
from saticl.sentences import some_of


def adopt(
    path: Path,
    architecture: Architecture,
    encoder: str,
    channels: Channels,
    bands: int,
    image_size: int,
    output_stride: OutputStride | None = None,
) -> Segmenter:
    """The network of a file of weights, in evaluation mode, with one head: the background, then the learned classes.

    Files may be nested (`state_dict`, `model`, `model_state`) and their names may have any beginning (`module.`,
    `model.`, `net.`). What has another beginning, such as the weights of a loss, is no part of the network and stays
    out.

    Raises:
        InvalidCheckpoint: a file that cannot be used, or is no such network.
        InvalidOptions: another number of classes or bands; an encoder that cannot be taken over.
        UnknownName: no such encoder.
    """
    options = architecture.options(encoder, output_stride)
    state = unwrapped(read_state(path, "--checkpoint"), architecture.head, path)
    state = {name: value for name, value in state.items() if not name.startswith(architecture.unused)}
    weight, bias = architecture.outputs(state)
    if bias is None or weight.ndim != 4:
        raise InvalidCheckpoint(f"{path} has no bias or no convolution as its last layer {architecture.head}.")
    channels.require(len(weight))
    segmenter = Segmenter(options, bands, (1 + len(channels.learned),), image_size).eval()
    if isinstance(segmenter.body, EncoderDecoder):
        architecture.require_strides(segmenter.body.encoder.reductions, encoder)
    wanted = segmenter.state_dict()
    ours = {name: here for name, here in architecture.renamed(state, wanted).items() if here in wanted}
    _require_fit(state, wanted, ours, path)
    found = {here: state[name] for name, here in ours.items()}
    found["classifier.heads.0.weight"] = rows(weight.float(), channels)
    found["classifier.heads.0.bias"] = biases(bias.float(), channels)
    _require_shapes(found, wanted, bands, path)
    require_finite(found, str(path))
    segmenter.load_state_dict(found, strict=False)  # what may lack was checked above
    return segmenter


def unwrapped(state: State, head: str, path: Path) -> State:
    """The part of a state whose last layer is `head`, without the beginning that wrappers have put before its names.

    Raises:
        InvalidCheckpoint: there is no such layer, or several.
    """
    layer = f"{head}.weight"
    beginnings = [name.removesuffix(layer) for name in state if f".{name}".endswith(f".{layer}")]
    if not beginnings:
        raise InvalidCheckpoint(
            f"{path} is not a model of this architecture: it has no {layer}, but {len(state)} other tensors "
            f"({some_of(state)}). Choose the --architecture it was trained with."
        )
    if len(beginnings) > 1:
        raise InvalidCheckpoint(
            f"{path} holds several models, whose names begin with {some_of(map(repr, beginnings))}: save the "
            "state_dict of one of them."
        )
    beginning = beginnings[0]
    return {name.removeprefix(beginning): value for name, value in state.items() if name.startswith(beginning)}


def _require_fit(state: State, wanted: State, ours: Mapping[str, str], path: Path) -> None:
    """Refuse a file whose tensors are not those of the network, by name."""
    missing = [
        name
        for name in wanted.keys() - set(ours.values())
        if name.startswith("body.") and not name.endswith("num_batches_tracked")  # old files have no such counters
    ]
    unexpected = state.keys() - ours.keys()
    if missing or unexpected:
        raise InvalidCheckpoint(
            f"{path} does not fit this network: {_count(missing, 'missing')} and {_count(unexpected, 'unexpected')}. "
            "Choose the --architecture and the --encoder it was trained with."
        )


def _require_shapes(found: State, wanted: State, bands: int, path: Path) -> None:
    """Refuse tensors of other sizes; another number of bands is named as such."""
    others = [name for name, value in found.items() if value.shape != wanted[name].shape]
    if not others:
        return
    first = others[0]
    theirs, here = tuple(found[first].shape), tuple(wanted[first].shape)
    if len(others) == 1 and len(theirs) == 4 and theirs[1] != here[1] == bands and theirs[2:] == here[2:]:
        raise InvalidOptions(
            f"The model in {path} reads {theirs[1]} bands, and --bands names {bands}: name its bands in their order."
        )
    raise InvalidCheckpoint(
        f"{path} does not fit this network: {len(others)} of {len(wanted)} tensors have another shape, for example "
        f"{first} {list(theirs)} instead of {list(here)}. Choose the --encoder it was trained with; only the default "
        "sizes of an architecture can be imported."
    )


def _count(names: Iterable[str], what: str) -> str:
    names = sorted(names)
    return f"{len(names) or 'no'} tensors are {what}" + (f" ({some_of(names)})" if names else "")
