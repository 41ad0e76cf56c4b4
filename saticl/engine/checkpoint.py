"""What a finished step leaves on disk, and how the next one starts from it.

`model.safetensors` describes itself: its metadata (`saticl.runs.step`) hold everything needed to rebuild the network
and read its outputs, so the next step and `test` need the step's folder and nothing else. It appears only when a step
is finished, and never holds weights that are NaN or infinite.
"""

import io
from collections.abc import Collection, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from saticl.errors import InvalidCheckpoint, InvalidOptions, NonFiniteWeights, UnknownName
from saticl.files import write_atomically
from saticl.methods import load
from saticl.methods.base import Method
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions
from saticl.runs.step import KEY, StepInfo, read_info
from saticl.tasks import Task


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file in one go: it is complete or absent."""
    owned = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(owned, metadata))


def save_model(path: Path, weights: Mapping[str, Tensor], info: StepInfo) -> None:
    """Write weights with their description.

    Raises:
        NonFiniteWeights: naming a tensor; nothing is written.
    """
    require_finite(weights, path)
    save_tensors(path, weights, {KEY: info.model_dump_json()})


def require_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that predict nothing; `path` is where they are, or would be.

    Raises:
        NonFiniteWeights: naming a tensor.
    """
    wrong = [name for name, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    if wrong:
        raise NonFiniteWeights(
            f"The weights for {path} are NaN or infinite ({wrong[0]} and {len(wrong) - 1} other tensors): lower "
            "--optimizer.lr or set --trainer.clip, delete the folder of that step, and train it again."
        )


def load_model(path: Path, *, plain: bool = False) -> tuple[Segmenter, StepInfo]:
    """The segmenter of a checkpoint, on the CPU, and its description.

    With `plain`, In-Place ABN is built as `abn`, which computes the same and needs no compiler (`models/norm.py`).

    Raises:
        InvalidCheckpoint: as `read_info` and `method_of`, or the weights do not fit the description.
        NonFiniteWeights: they are NaN or infinite.
    """
    info = read_info(path)
    norm = "abn" if plain and info.model.norm != "std" else info.model.norm
    options = info.model.model_copy(update={"pretrained": False, "weights": None, "norm": norm})
    segmenter = Segmenter(options, len(info.bands), info.task.head_sizes, info.image_size)
    method_of(info, path).rebuild(segmenter, info.task)
    weights = load_file(path)
    require_finite(weights, path)
    try:
        segmenter.load_state_dict(weights)
    except RuntimeError as error:
        odd = sorted(weights.keys() ^ segmenter.state_dict().keys())
        raise InvalidCheckpoint(
            f"The weights in {path} do not fit the network it describes ({', '.join(odd[:3]) or info.model.encoder}): "
            f"it was written by another version of the encoder library or of the method {info.method}, whose "
            "`rebuild` must add what its `grow` adds."
        ) from error
    return segmenter, info


def method_of(info: StepInfo, path: Path) -> type[Method]:
    """The method that trained a checkpoint.

    Raises:
        InvalidCheckpoint: it is not there.
    """
    try:
        return load(info.method)
    except (InvalidOptions, UnknownName) as error:
        raise InvalidCheckpoint(
            f"{path} was trained with the method {info.method}, which cannot be imported: make its package "
            "importable, for example with PYTHONPATH."
        ) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; empty when it does not exist."""
    return load_file(path) if path.is_file() else {}


def on_device(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """The same tensors where a method will use them."""
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def require_same_protocol(info: StepInfo, task: Task, bands: tuple[str, ...], path: Path) -> None:
    """Refuse to continue from a checkpoint whose past is not this task's past.

    Raises:
        InvalidCheckpoint: another step, other classes before it, another background, or other bands.
    """
    learned, expected = info.groups[: info.step + 1], task.protocol.groups[: task.step]
    if learned != expected:
        raise InvalidCheckpoint(
            f"{path} finished step {info.step} of {info.dataset}/{info.protocol_name} with the classes "
            f"{_groups(learned)}, but step {task.step} of {task.protocol.name} continues from {_groups(expected)}. "
            "Train the previous step of this task, or point --task.step-checkpoint to it."
        )
    if info.background != task.protocol.background:
        raise InvalidCheckpoint(
            f"{path} learned its classes on {_background(info.background)}, but step {task.step} of "
            f"{task.protocol.name} has {_background(task.protocol.background)}: give both the same `background` in "
            "their learning orders, or train the previous step of this task and point --task.step-checkpoint to it."
        )
    if info.bands != bands:
        raise InvalidCheckpoint(
            f"{path} was trained on the bands {', '.join(info.bands)}, but this run reads {', '.join(bands)}; "
            "use the same data and --in-channels for every step."
        )


def require_same_network(info: StepInfo, options: ModelOptions, path: Path) -> None:
    """Refuse to continue with another architecture.

    Raises:
        InvalidCheckpoint: naming the option.
    """
    for name in ("encoder", "decoder", "norm", "act", "output_stride"):
        ours, theirs = getattr(options, name), getattr(info.model, name)
        if ours != theirs:
            raise InvalidCheckpoint(
                f"{path} holds a network with --model.{name.replace('_', '-')} {theirs}, this run asks for {ours}; "
                "use the same network for every step."
            )


def require_continuable(info: StepInfo, added: Collection[str], method: str, path: Path) -> None:
    """Refuse a method that only follows its own steps, cannot rebuild what the previous one added, or misreads scores.

    What a step of the second seals, nobody could open; the third would take scores for others than they are, such as
    that of a background which has none.

    Raises:
        InvalidCheckpoint: naming the modules and the methods.
    """
    kind, before = load(method), load(info.method)
    if issubclass(kind, before):
        return
    if kind.needs_own_base:
        raise InvalidCheckpoint(
            f"The step in {path} was trained with {info.method}, and {method} can only follow steps of its own: train "
            f"the steps before this one with --method {method}."
        )
    if added:
        raise InvalidCheckpoint(
            f"The network in {path} holds modules ({', '.join(sorted(added)[:3])}) of the method {info.method}, which "
            f"{method} does not know: use the same --method for every step."
        )
    if _decoder(before) not in (_decoder(Method), _decoder(kind)):
        raise InvalidCheckpoint(
            f"The step in {path} was trained with {info.method}, whose scores {method} would misread: continue with "
            f"--method {info.method}, or train the steps before this one with --method {method}."
        )


def _decoder(method: type[Method]) -> object:
    """How a method reads scores: equal for those that read them alike."""
    return getattr(method.decode, "__func__", method.decode)


def _groups(groups: tuple[tuple[str, ...], ...]) -> str:
    return " > ".join("{" + ", ".join(group) + "}" for group in groups)


def _background(name: str | None) -> str:
    return "an artificial background" if name is None else f"the background {name}"


def load_resumable(path: Path) -> dict[str, Any]:
    """The dictionary of tensors and plain values that `save_resumable` wrote; nothing is unpickled.

    Raises:
        InvalidCheckpoint: the file is damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)  # type: ignore[no-any-return]
    except (RuntimeError, EOFError, UnpicklingError) as error:
        raise unusable_state(path) from error


def unusable_state(path: Path) -> InvalidCheckpoint:
    """What to say of a state that cannot be continued from."""
    return InvalidCheckpoint(
        f"{path} is damaged or comes from another version of saticl: delete the folder of that step, and train the "
        "step again."
    )


def save_resumable(path: Path, state: dict[str, Any]) -> None:
    """Write the state of an unfinished step: complete, or the previous one stays."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())
