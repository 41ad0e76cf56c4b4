"""From options to live objects: networks, method, loaders and optimiser of one step."""

from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

import saticl
from saticl.commands.prepared import Prepared, require_pixels
from saticl.config import TrainConfig
from saticl.engine import checkpoint
from saticl.engine.evaluate import with_old_classes
from saticl.engine.predictor import normalization
from saticl.engine.step import Step
from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.methods import find, load
from saticl.methods.base import Method
from saticl.methods.criterion import balanced_weights, build_criterion
from saticl.methods.rotation import Rotated
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import FrozenOptions
from saticl.runs.folder import JOURNAL_FILE, METHOD_FILE, MODEL_FILE, step_folder
from saticl.runs.journal import Journal
from saticl.runs.memory import read_memory, replayed
from saticl.runs.step import StepInfo, read_info
from saticl.tasks import Task
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile
from saticl.tiles.loaders import EvaluationLoader, TrainingLoader, by_shape, evaluation_loader, training_loader
from saticl.tiles.selection import classes_without_pixels, select, split_validation
from saticl.transforms.augment import Augment


@dataclass(frozen=True)
class Plan:
    """Everything about one step that is known before a network is built."""

    config: TrainConfig
    data: Prepared
    task: Task
    run: Path
    training: list[Tile]
    validation: list[Tile]

    @property
    def folder(self) -> Path:
        """Where this step is written."""
        return step_folder(self.run, self.task.step)

    @property
    def previous(self) -> Path:
        """Where the step before this one was written."""
        return self.config.task.step_checkpoint or step_folder(self.run, self.task.step - 1)

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands that the network reads."""
        return self.data.bands(self.config.in_channels)

    @property
    def image_size(self) -> int:
        """Side of the training crop.

        Raises:
            InvalidOptions: it was not said, and the tiles have no size of their own.
        """
        size = self.config.image_size or self.data.manifest.tile_size
        if size is None:
            raise InvalidOptions(
                f"The images of {self.data.root} have different sizes: say with --image-size how large the training "
                "crops are."
            )
        return size


def make_plan(config: TrainConfig, data: Prepared, task: Task, run: Path) -> Plan:
    """Choose the tiles of a step, and those kept for validation.

    Raises:
        EmptySelection: no tile remains. InvalidOptions: a class of this step has no pixel in them, or images would be
            turned that the dataset does not want turned.
    """
    _check_turns(config, data)
    candidates = [tile for tile in data.tiles if tile.split != "test"]
    training, validation = split_validation(candidates, config.val_size, config.seed)
    selected = select(training, task, config.task.filter_mode, config.seed)
    require_pixels(classes_without_pixels(selected, task), task, config.task.filter_mode)
    return Plan(config, data, task, run, selected, by_shape(validation, data.manifest))


def _check_turns(config: TrainConfig, data: Prepared) -> None:
    symmetries = data.manifest.views.symmetries
    if config.rotates and symmetries != "square":
        raise InvalidOptions(
            f"--aug.factor and --aug.factor-icl turn images, but those of {data.root} may not be turned (its `views` "
            f"say symmetries: {symmetries}): leave both at 0, or prepare the data with symmetries: square."
        )


def previous_info(plan: Plan) -> StepInfo | None:
    """What the step before this one says of itself; None at step 0. No weights are read.

    Raises:
        InvalidCheckpoint: it is missing, of another protocol, or another network.
    """
    task = plan.task
    if task.step == 0:
        return None
    path = plan.previous / MODEL_FILE
    if not path.is_file():
        raise InvalidCheckpoint(
            f"Step {task.step} continues from step {task.step - 1}, but {path} does not exist: "
            f"train it with --task.step {task.step - 1}, or point --task.step-checkpoint to its folder."
        )
    info = read_info(path)
    checkpoint.require_same_protocol(info, task, plan.bands, path)
    checkpoint.require_same_network(info, plan.config.model, path)
    return info


def describe(plan: Plan, precision: str, before: StepInfo | None) -> StepInfo:
    """What the checkpoint of this step will say about itself; mean and deviation are those of `before`, if any.

    The previous model teaches, and this one starts from its weights: both know the pixels on its scale only.
    """
    manifest, bands, protocol = plan.data.manifest, plan.bands, plan.task.protocol
    statistics = manifest.statistics if before is None else before
    return StepInfo(
        version=saticl.__version__,
        dataset=manifest.dataset,
        classes=manifest.class_names,
        colours=tuple(entry.colour for entry in manifest.classes),
        protocol_name=protocol.name,
        groups=protocol.groups,
        background=protocol.background,
        step=plan.task.step,
        method=find(plan.config.method).reference,
        model=plan.config.model,
        bands=bands,
        mean=statistics.mean[: len(bands)],
        std=statistics.std[: len(bands)],
        image_size=plan.image_size,
        precision=precision,
    )


def build_networks(plan: Plan) -> tuple[Segmenter, Teacher | None]:
    """The student of this step and its frozen teacher; at step 0 a new network and None.

    Raises:
        InvalidCheckpoint: the previous step cannot be used; see `previous_info`. Or it has modules of another method.
    """
    options, task = plan.config.model, plan.task
    if task.step == 0:
        return Segmenter(options, len(plan.bands), task.head_sizes, plan.image_size), None
    previous, before = checkpoint.load_model(plan.previous / MODEL_FILE)
    start = options.model_copy(update={"pretrained": False, "weights": None})
    student = Segmenter(start, len(plan.bands), task.at(task.step - 1).head_sizes, plan.image_size)
    added = previous.state_dict().keys() - student.state_dict().keys()
    checkpoint.require_own_modules(before, added, plan.config.method, plan.previous)
    load(before.method).rebuild(student, task.at(task.step - 1))
    student.load_state_dict(previous.state_dict())
    student.grow(task.num_new)
    if options.freeze:
        student.freeze_encoder()
    return student, Teacher(previous)


def build_method(plan: Plan, device: torch.device) -> Method:
    """The method, knowing what the previous step left for it."""
    config, task = plan.config, plan.task
    weight = balanced_weights(plan.training, task).to(device) if config.class_weights == "balanced" else None
    own = own_options(config)
    kind = load(config.method, faithful=getattr(own, "faithful", False))
    method = kind(task, build_criterion(config.ce, weight), config.kd, own)
    if task.step > 0:
        state = checkpoint.load_tensors(plan.previous / METHOD_FILE)
        method.import_state(checkpoint.on_device(state, device))
    return (Rotated(method, config.aug) if config.rotates else method).to(device)


def own_options(config: TrainConfig) -> FrozenOptions | None:
    """The section of options that is the method's own, if it has one."""
    section = find(config.method).section
    return None if section is None else getattr(config, section)


def build_loaders(
    plan: Plan, method: Method, accelerator: Accelerator, info: StepInfo
) -> tuple[TrainingLoader, EvaluationLoader]:
    """Augmented training tiles, and validation tiles whose every pixel counts once; both with this step's labels.

    Tiles that earlier steps have kept come to the training tiles, with the labels of those steps.
    """
    config, data, channels = plan.config, plan.data, len(plan.bands)
    augment = Augment(
        plan.image_size,
        seed=config.seed,
        fill=info.mean,
        channel_drop=config.channel_drop,
        modality_drop=config.modality_drop,
        views=data.manifest.views,
        maps=method.maps,
    )
    table, root, manifest = plan.task.train_table(), data.root, data.manifest
    kept = read_memory(plan.previous) if plan.task.step > 0 else ()
    old_tiles, old_tables = replayed(kept, data.tiles, plan.task)
    training = TileDataset(
        root,
        [*plan.training, *old_tiles],
        table,
        manifest,
        channels,
        augment=augment,
        owned=False,
        fill=info.mean,
        tables=[*[table] * len(plan.training), *old_tables],
        maps=method.maps,
    )
    validation = TileDataset(root, plan.validation, table, manifest, channels, owned=True, fill=info.mean)
    size, workers = config.trainer.batch_size, config.trainer.num_workers
    rank, world = accelerator.process_index, accelerator.num_processes
    return (
        training_loader(training, size, workers, config.seed, rank, world),
        evaluation_loader(validation, size, workers, rank, world),
    )


def build_step(plan: Plan, accelerator: Accelerator, info: StepInfo) -> Step:
    """All live objects of a step, on the device of this process.

    Raises:
        InvalidCheckpoint: as `build_networks`.
    """
    config = plan.config
    student, teacher = build_networks(plan)
    method = build_method(plan, accelerator.device)
    training, validation = build_loaders(plan, method, accelerator, info)
    normalize = normalization(info, accelerator.device)
    layout = torch.channels_last if config.trainer.channels_last else torch.contiguous_format
    student.to(accelerator.device, memory_format=layout)  # type: ignore[call-overload]
    targets = None
    if teacher is not None:
        teacher.to(accelerator.device, memory_format=layout)  # type: ignore[call-overload]
        classify = load(read_info(plan.previous / MODEL_FILE).method).classes
        targets = with_old_classes(teacher, validation, normalize, accelerator, classify)
    if config.trainer.compile:
        student.compile()
    return Step(
        task=plan.task,
        options=config.trainer,
        optimizer=config.optimizer,
        scheduler=config.scheduler,
        seed=config.seed,
        folder=plan.folder,
        accelerator=accelerator,
        student=student,
        teacher=teacher,
        method=method,
        normalize=normalize,
        training=training,
        validation=validation,
        targets=targets,
        journal=Journal(plan.folder / JOURNAL_FILE, enabled=accelerator.is_main_process),
    )
