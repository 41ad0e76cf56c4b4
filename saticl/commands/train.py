"""`train`: learn one step of a protocol, or all of them in turn. Read `train_step` to see the whole program."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from accelerate import Accelerator
from rich.table import Table

import saticl
from saticl.commands.prepared import Prepared, open_prepared, require_pixels
from saticl.config import TrainConfig
from saticl.engine import checkpoint, fit, scoring
from saticl.engine.checkpoint import METHOD_FILE, MODEL_FILE, StepInfo
from saticl.engine.device import make_accelerator
from saticl.engine.evaluate import with_old_classes
from saticl.engine.optim import Schedule, build_optimizer
from saticl.engine.seed import seed_everything
from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.files import write_atomically, write_json
from saticl.methods import find, load
from saticl.methods.base import Method
from saticl.methods.criterion import balanced_weights, build_criterion
from saticl.metrics.scores import Scores, score, score_groups
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import FrozenOptions
from saticl.tasks import Task
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile
from saticl.tiles.loaders import evaluation_loader, training_loader
from saticl.tiles.selection import classes_without_pixels, select, split_validation
from saticl.tracking.console import console, epoch_line
from saticl.tracking.figures import curves_figure
from saticl.tracking.journal import Journal
from saticl.tracking.mlflow_tracker import open_tracker
from saticl.tracking.tables import score_table
from saticl.transforms.augment import Augment
from saticl.transforms.normalize import Normalize

CHANGEABLE = {
    "comment", "data_root", "output_folder", "trainer.resume", "trainer.num_workers", "trainer.max_epochs",
    "trainer.max_iterations", "trainer.patience", "trainer.compile", "tracking.uri", "tracking.experiment",
}
"""Options that may differ between the two halves of an interrupted step."""


@dataclass(frozen=True)
class Split:
    """The tiles of one step."""

    training: list[Tile]
    validation: list[Tile]


def train(config: TrainConfig) -> None:
    """Train `config.task.step`, or every step in order, each from the folder of the one before.

    Raises:
        SaticlError: anything the user can correct; nothing is written before the options are known to be right.
    """
    data = open_prepared(config.data_root, config.dataset)
    accelerator = make_accelerator(config.trainer, config.model)
    first = data.task(config.task.name, 0, config.task.protocols)
    if config.task.step != "all":
        train_step(config, data, first.at(config.task.step), accelerator)
        return
    if config.task.step_checkpoint is not None:
        raise InvalidOptions("--task.step all starts from step 0: leave out --task.step-checkpoint, or name one step.")
    for step in range(first.num_steps):
        train_step(config, data, first.at(step), accelerator)
        accelerator.free_memory()


def run_folder(config: TrainConfig, dataset: str) -> Path:
    """<output>/<dataset>/<task>/<name>, shared by all steps of a run."""
    name = config.name or find(config.method).name + ("-cd" if config.rotates else "")
    return config.output_folder / dataset / config.task.name / name


def train_step(config: TrainConfig, data: Prepared, task: Task, accelerator: Accelerator) -> None:
    """Train one step from the previous one's folder and leave a finished folder behind."""
    config = config.model_copy(update={"task": config.task.model_copy(update={"step": task.step})})
    run = run_folder(config, data.manifest.dataset)
    folder = run / f"step-{task.step}"
    if already_finished(folder, config):
        say(accelerator, f"step {task.step} is finished already: {folder}")
        return
    split = split_tiles(config, data, task)
    info = describe(config, data, task, accelerator)
    seed_everything(config.seed, task.step)
    student, teacher = build_networks(config, info, task, run)
    method = build_method(config, split.training, task, run, accelerator)
    if accelerator.is_main_process:
        write_atomically(folder / "config.yaml", to_yaml(config))
        console.print(step_summary(config, task, split, folder))
    accelerator.wait_for_everyone()
    tracker = open_tracker(config.tracking, config.output_folder, run, task.step, accelerator.is_main_process)
    tracker.params(json.loads(config.model_dump_json()))
    step = assemble(config, data, task, split, info, folder, accelerator, student, teacher, method, tracker.metrics)
    try:
        fit.fit(step)
        scores = finish(config, data, split, info, step)
    except BaseException:
        tracker.close("FAILED")
        raise
    if accelerator.is_main_process:
        console.print(score_table(scores, task, f"step {task.step}, best epoch, validation tiles, full truth"))
        console.print(f"[dim]{folder}[/]")
    tracker.metrics(len(scores.names), {f"full_truth.{name}": value for name, value in scores.values().items()})
    tracker.artifact(folder / "figures")
    tracker.artifact(folder / "config.yaml")
    tracker.close("FINISHED")


def already_finished(folder: Path, config: TrainConfig) -> bool:
    """Whether the step needs no training; refuses what would overwrite or mix results.

    Raises:
        InvalidOptions: the folder holds a step, finished or not, that these options would replace.
    """
    written = folder / "config.yaml"
    if not written.is_file():
        return False
    if not config.trainer.resume:
        raise InvalidOptions(
            f"{folder} already holds this step: add --trainer.resume to continue or keep it, give another --name, "
            "or delete the folder to train it anew."
        )
    before = flatten(yaml.safe_load(written.read_text(encoding="utf-8")))
    now = flatten(json.loads(config.model_dump_json()))
    changed = sorted(name for name in now if name not in CHANGEABLE and before.get(name) != now[name])
    if changed:
        name = changed[0]
        raise InvalidOptions(
            f"{folder} was started with {name} = {before.get(name)!r}, not {now[name]!r}: "
            "resume with the same options, or give another --name."
        )
    return (folder / MODEL_FILE).is_file()


def flatten(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    flat: dict[str, object] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def split_tiles(config: TrainConfig, data: Prepared, task: Task) -> Split:
    """Tiles of this step, and those kept for validation.

    Raises:
        EmptySelection: no tile remains. InvalidOptions: a class of this step has no pixel in them.
    """
    training = [tile for tile in data.tiles if tile.split != "test"]
    training, validation = split_validation(training, config.val_size, config.seed)
    selected = select(training, task, config.task.filter_mode, config.seed)
    require_pixels(classes_without_pixels(selected, task), task, config.task.filter_mode)
    return Split(selected, validation)


def describe(config: TrainConfig, data: Prepared, task: Task, accelerator: Accelerator) -> StepInfo:
    """What the checkpoint of this step will say about itself."""
    bands, manifest = data.bands(config.in_channels), data.manifest
    return StepInfo(
        version=saticl.__version__,
        dataset=manifest.dataset,
        classes=data.classes,
        colours=tuple(entry.colour for entry in manifest.classes),
        protocol_name=task.protocol.name,
        groups=task.protocol.groups,
        background=task.protocol.background,
        step=task.step,
        method=find(config.method).name,
        model=config.model,
        bands=bands,
        mean=tuple(manifest.mean[: len(bands)]),
        std=tuple(manifest.std[: len(bands)]),
        tile_size=manifest.tile_size,
        precision=accelerator.mixed_precision,
    )


def previous_folder(config: TrainConfig, run: Path, task: Task) -> Path:
    """The folder of the step before this one."""
    return config.task.step_checkpoint or run / f"step-{task.step - 1}"


def build_networks(
    config: TrainConfig, info: StepInfo, task: Task, run: Path
) -> tuple[Segmenter, Teacher | None]:
    """The student of this step and its frozen teacher; at step 0 a new network and None.

    Raises:
        InvalidCheckpoint: the previous step is missing, of another protocol, or another network.
    """
    size = config.image_size or info.tile_size
    if task.step == 0:
        return Segmenter(config.model, len(info.bands), task.head_sizes, size), None
    path = previous_folder(config, run, task) / MODEL_FILE
    if not path.is_file():
        raise InvalidCheckpoint(
            f"Step {task.step} continues from step {task.step - 1}, but {path} does not exist: "
            f"train it with --task.step {task.step - 1}, or point --task.step-checkpoint to its folder."
        )
    previous, before = checkpoint.load_model(path)
    checkpoint.require_same_protocol(before, task, info.bands, path)
    for name in ("encoder", "decoder", "norm", "act", "output_stride"):
        ours, theirs = getattr(config.model, name), getattr(before.model, name)
        if ours != theirs:
            raise InvalidCheckpoint(
                f"{path} holds a network with --model.{name} {theirs}, this run asks for {ours}; "
                "use the same network for every step."
            )
    student = Segmenter(
        config.model.model_copy(update={"pretrained": False, "weights": None}),
        len(info.bands), task.at(task.step - 1).head_sizes, size,
    )
    student.load_state_dict(previous.state_dict())
    student.grow(task.num_new)
    if config.model.freeze:
        student.freeze_encoder()
    return student, Teacher(previous)


def build_method(
    config: TrainConfig, tiles: list[Tile], task: Task, run: Path, accelerator: Accelerator
) -> Method:
    """The method, knowing what the previous step left for it, on this process's device."""
    spec = find(config.method)
    weight = balanced_weights(tiles, task).to(accelerator.device) if config.class_weights == "balanced" else None
    own: FrozenOptions | None = getattr(config, spec.name.replace("-", "_"), None)
    method = load(spec.name)(task, build_criterion(config.ce, weight), config.kd, own)
    if task.step > 0:
        method.import_state(checkpoint.load_tensors(previous_folder(config, run, task) / METHOD_FILE))
    return method.to(accelerator.device)


def assemble(
    config: TrainConfig, data: Prepared, task: Task, split: Split, info: StepInfo, folder: Path,
    accelerator: Accelerator, student: Segmenter, teacher: Teacher | None, method: Method, report: fit.Report,
) -> fit.Step:
    """Put the live objects of a step together."""
    channels, workers = len(info.bands), config.trainer.num_workers
    augment = Augment(
        config.image_size or info.tile_size, seed=config.seed, fill=info.mean,
        channel_drop=config.channel_drop, modality_drop=config.modality_drop,
    )
    table, rank, world = task.train_table(), accelerator.process_index, accelerator.num_processes
    training = TileDataset(data.root, split.training, table, data.manifest, channels, augment=augment, owned=False)
    validation = TileDataset(data.root, split.validation, table, data.manifest, channels, augment=None, owned=True)
    training_batches = training_loader(training, config.trainer.batch_size, workers, config.seed, rank, world)
    validation_batches = evaluation_loader(validation, config.trainer.batch_size, workers, rank, world)
    normalize = Normalize(info.mean, info.std).to(accelerator.device)
    layout = torch.channels_last if config.trainer.channels_last else torch.contiguous_format
    student.to(accelerator.device, memory_format=layout)  # type: ignore[call-overload]
    targets = None
    if teacher is not None:
        teacher.to(accelerator.device, memory_format=layout)  # type: ignore[call-overload]
        targets = with_old_classes(teacher, validation_batches, normalize, accelerator)
    if config.trainer.compile:
        student.compile()
    total = config.trainer.max_epochs * len(training_batches)
    if config.trainer.max_iterations is not None:
        total = min(total, config.trainer.max_iterations)
    optimizer = build_optimizer(config.optimizer, [*student.parameters(), *method.parameters()])
    schedule = Schedule(config.scheduler, optimizer, total, len(training_batches))
    prepared, prepared_optimizer = accelerator.prepare(student, optimizer)
    return fit.Step(
        task=task, options=config.trainer, aug=config.aug, seed=config.seed, folder=folder, accelerator=accelerator,
        student=prepared, teacher=teacher, method=method, optimizer=prepared_optimizer, schedule=schedule,
        normalize=normalize, training=training_batches, validation=validation_batches, targets=targets,
        journal=Journal(folder / "journal.jsonl", enabled=accelerator.is_main_process),
        report=reporter(config, accelerator, -(-total // len(training_batches)), report),
    )


def reporter(config: TrainConfig, accelerator: Accelerator, epochs: int, track: fit.Report) -> fit.Report:
    """What is done with the numbers of an epoch besides the journal: a line for people, metrics for the tracker."""

    def report(epoch: int, values: dict[str, float]) -> None:
        say(accelerator, epoch_line(epoch, epochs, values))
        track(epoch, values)

    return report


def finish(config: TrainConfig, data: Prepared, split: Split, info: StepInfo, step: fit.Step) -> Scores:
    """Score the best weights against the full truth and seal the folder; the checkpoint is written last of all."""
    accelerator, folder = step.accelerator, step.folder
    weights = checkpoint.load_tensors(fit.best_weights(step))
    student = accelerator.unwrap_model(step.student)
    student.load_state_dict(weights)
    loader = scoring.scoring_loader(
        accelerator, info, data.root, data.manifest, split.validation, "background",
        config.trainer.batch_size, config.trainer.num_workers,
    )
    matrix = scoring.score_tiles(accelerator, student, info, loader)
    scores = score(matrix, info.task.names, score_groups(info.task.head_sizes))
    if accelerator.is_main_process:
        write_json(folder / "scores.json", {"val": {**scores.to_dict(), "confusion": matrix.tolist()}})
        curves_figure(step.journal.read(), folder / "figures" / "curves.png")
        state = step.method.export_state()
        if state:
            checkpoint.save_tensors(folder / METHOD_FILE, state)
        checkpoint.save_model(folder / MODEL_FILE, weights, info)
        shutil.rmtree(folder / "last", ignore_errors=True)
    accelerator.wait_for_everyone()
    return scores


def say(accelerator: Accelerator, line: str) -> None:
    """Print one line from the main process."""
    if accelerator.is_main_process:
        console.print(line, highlight=False)


def to_yaml(config: TrainConfig) -> str:
    """The resolved tree, itself a valid --config."""
    return yaml.safe_dump(json.loads(config.model_dump_json()), sort_keys=False, allow_unicode=True)


def step_summary(config: TrainConfig, task: Task, split: Split, folder: Path) -> Table:
    """What is about to happen, in a small table."""
    table = Table.grid(padding=(0, 2))
    rows = {
        "task": f"{task.protocol.name}, step {task.step} of {task.num_steps - 1}",
        "new classes": ", ".join(task.new),
        "old classes": ", ".join(task.old) or "-",
        "method": find(config.method).name + (" + rotation distillation" if config.rotates else ""),
        "tiles": f"{len(split.training)} for training ({config.task.filter_mode}), {len(split.validation)} for validation",
        "folder": str(folder),
    }
    for name, value in rows.items():
        table.add_row(f"[dim]{name}[/]", value)
    return table
