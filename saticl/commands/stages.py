"""Which steps a command line trains, and on which data: those of a protocol, or the next one of a trained step.

`--task.step` follows a protocol, whose steps share a prepared folder or have one each. `--extend` continues a trained
step with classes of another prepared folder, which is matched by the names of its classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saticl.commands.prepared import Prepared, open_prepared, require_same_bands
from saticl.commands.runs import run_folder
from saticl.config import TrainConfig
from saticl.errors import InvalidOptions, UnknownName
from saticl.options import OptimizerOptions
from saticl.protocol_files import read_protocols
from saticl.runs.folder import MODEL_FILE, Finished
from saticl.runs.step import read_info
from saticl.tasks import Protocol, Task, named
from saticl.tiles.manifest import MANIFEST, Manifest


@dataclass(frozen=True)
class Stage:
    """One step: its options, its data, what it learns, and the run it belongs to."""

    config: TrainConfig
    """`task.step` is the number of this step, `task.name` no alias, `data_root` the folder of its data, and
    `optimizer.lr` the learning rate that this step begins with."""
    data: Prepared
    task: Task
    dataset: str
    """What the run calls its dataset."""
    run: Path


def stages(config: TrainConfig) -> list[Stage]:
    """The steps that are trained, in order.

    Raises:
        SaticlError: anything the user can correct; no pixel was read yet.
    """
    return [_extension(config, config.extend)] if config.extend is not None else _of_protocol(config)


def _of_protocol(config: TrainConfig) -> list[Stage]:
    options = config.task
    if options.step == "all" and options.step_checkpoint is not None:
        raise InvalidOptions("--task.step all starts from step 0: leave out --task.step-checkpoint, or name one step.")
    if config.add:
        raise InvalidOptions("--add names new classes for --extend: add --extend and the folder of a trained step.")
    if options.protocols is not None:
        own = _with_background(options.protocols, options.name)
        if own is not None and own.folders:
            return [_with_folder(config, own, step, options.protocols.stem) for step in _steps(config, own)]
    data = open_prepared(_data_root(config), config.dataset)
    first = data.task(options.name, 0, options.protocols)
    return [_stage(config, data, first.at(step), data.manifest.dataset) for step in _steps(config, first.protocol)]


def _with_background(path: Path, name: str) -> Protocol | None:
    """The protocol of that name in a file; where it says no background, that of the first folder that is there."""
    own = named(read_protocols(path), name)
    for folder in () if own is None else own.folders:
        if (folder / MANIFEST).is_file():
            return named(read_protocols(path, Manifest.load(folder).background), name)
    return own


def _steps(config: TrainConfig, protocol: Protocol) -> list[int]:
    step = config.task.step
    return list(range(len(protocol.groups))) if step == "all" else [step]


def _with_folder(config: TrainConfig, protocol: Protocol, step: int, dataset: str) -> Stage:
    """A step of a protocol whose steps have a folder each, under the name of the protocol's file."""
    Task((), protocol, step)  # refuses a step that does not exist
    folder = protocol.folders[step]
    if config.data_root is not None and config.data_root.resolve() != folder.resolve():
        raise InvalidOptions(
            f"The task {protocol.name} names the folder {folder} for step {step}: leave out --data-root "
            f"{config.data_root}."
        )
    data = open_prepared(folder, config.dataset)
    for name in protocol.groups[step]:
        if name not in data.classes:
            raise UnknownName("class", name, data.classes, f" in {folder}")
    own = config.model_copy(update={"data_root": folder})
    return _stage(own, data, Task(data.classes, protocol, step), dataset)


def _stage(config: TrainConfig, data: Prepared, task: Task, dataset: str) -> Stage:
    options = config.task.model_copy(update={"name": task.protocol.name, "step": task.step})
    chosen = config.model_copy(update={"task": options, "optimizer": _optimizer(config, task.step)})
    return Stage(chosen, data, task, dataset, run_folder(chosen, dataset))


def _optimizer(config: TrainConfig, step: int) -> OptimizerOptions:
    """Those of a step: later ones may have a learning rate of their own."""
    rate = config.optimizer.later_lr if step > 0 else None
    return config.optimizer if rate is None else config.optimizer.model_copy(update={"lr": rate})


def _data_root(config: TrainConfig) -> Path:
    if config.data_root is None:
        raise InvalidOptions("--data-root is required: folder that `prepare` wrote.")
    return config.data_root


def _extension(config: TrainConfig, place: Path) -> Stage:
    """The step after a trained one."""
    before = _trained(place)
    info, options = before.info, config.task
    if options.step_checkpoint is not None or options.protocols is not None:
        raise InvalidOptions(
            "--extend names the previous step, and --add the new classes: leave out --task.step-checkpoint and "
            "--task.protocols."
        )
    if options.name not in ("offline", info.protocol_name) or options.step not in (0, info.step + 1):
        raise InvalidOptions(
            f"--extend {place} makes step {info.step + 1} of the task {info.protocol_name}, with the classes of "
            "--add: leave out --task.name and --task.step."
        )
    if config.in_channels not in (None, len(info.bands)):
        raise InvalidOptions(
            f"The model in {before.folder} reads {len(info.bands)} bands ({', '.join(info.bands)}): leave out "
            "--in-channels."
        )
    if config.name is None and config.output_folder != TrainConfig().output_folder:
        raise InvalidOptions(
            f"Without --name, the next step is written beside {before.folder}: leave out --output-folder "
            f"{config.output_folder}, or add --name."
        )
    data = open_prepared(_data_root(config), config.dataset)
    require_same_bands(data, before)
    _require_new(config.add, data, before)
    groups = (*info.groups[: info.step + 1], config.add)
    places = (*info.places[: info.step + 1], ()) if info.places else ()
    protocol = Protocol(info.protocol_name, groups, info.background, places=places)
    task = options.model_copy(update={"name": info.protocol_name, "step": info.step + 1})
    own = {"in_channels": len(info.bands), "optimizer": _optimizer(config, info.step + 1)}
    filled = config.model_copy(update={"extend": before.folder, "task": task, **own})
    run = before.folder.parent if config.name is None else run_folder(filled, info.dataset)
    return Stage(filled, data, Task(data.classes, protocol, info.step + 1), info.dataset, run)


def _trained(place: Path) -> Finished:
    """The finished step in a folder, or of which the model file was named."""
    folder = (place.parent if place.name == MODEL_FILE else place).absolute()
    if not (folder / MODEL_FILE).is_file():
        steps = sorted(path.parent.name for path in folder.glob(f"step-*/{MODEL_FILE}"))
        hint = f"it holds {', '.join(steps)}: name one of them" if steps else f"it has no {MODEL_FILE}"
        raise InvalidOptions(f"--extend {place} is not the folder of a trained step: {hint}.")
    return Finished(folder, read_info(folder / MODEL_FILE))


def _require_new(names: Sequence[str], data: Prepared, before: Finished) -> None:
    known = before.info.task.names
    fresh = ", ".join(name for name in data.classes if name not in known) or "no other class"
    if not names:
        raise InvalidOptions(
            f"--extend needs a new class: write --add CLASS, once for every class. {data.root} holds {fresh}."
        )
    for name in names:
        if name in known:
            raise InvalidOptions(
                f"The model in {before.folder} knows the class {name} already (it knows {', '.join(known)}): "
                f"--add a class that is new. {data.root} holds {fresh}."
            )
        if name not in data.classes:
            raise UnknownName("class", name, data.classes, f" in {data.root}")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InvalidOptions(f"--add names {', '.join(twice)} more than once: name every class once.")
