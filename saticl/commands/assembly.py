"""From options to live objects: networks, method, loaders and optimiser of one step."""

import torch
from accelerate import Accelerator

from saticl.commands.plan import Plan
from saticl.commands.runs import is_same_folder
from saticl.config import TrainConfig
from saticl.engine import checkpoint
from saticl.engine.evaluate import with_old_classes
from saticl.engine.step import Step
from saticl.errors import InvalidOptions
from saticl.inference.predictor import normalization
from saticl.methods import find, load
from saticl.methods.base import Method
from saticl.methods.criterion import balanced_weights, build_criterion, with_all_labels, with_old_labels
from saticl.methods.rotation import Rotated
from saticl.models.segmenter import Segmenter
from saticl.models.teacher import Teacher
from saticl.options import FrozenOptions
from saticl.runs.folder import JOURNAL_FILE, METHOD_FILE, MODEL_FILE
from saticl.runs.journal import Journal
from saticl.runs.memory import Kept, read_memory, replayed
from saticl.runs.step import StepInfo, read_info
from saticl.runs.trained import read_options
from saticl.tiles.dataset import TileDataset
from saticl.tiles.loaders import EvaluationLoader, TrainingLoader, evaluation_loader, training_loader
from saticl.tiles.manifest import MANIFEST
from saticl.tiles.sampling import balanced_shares
from saticl.transforms.augment import Augment


def build_networks(plan: Plan) -> tuple[Segmenter, Teacher | None]:
    """The student of this step and its frozen teacher; at step 0 a new network and None.

    Raises:
        InvalidCheckpoint: the previous step cannot be used; see `previous_info`. Or it has modules of another method.
        InvalidOptions: the method can do nothing with the network.
    """
    options, task = plan.config.model, plan.task
    if task.step == 0:
        first = Segmenter(options, len(plan.bands), task.head_sizes, plan.image_size)
        load(plan.config.method).require(first)
        return first, None
    previous, before = checkpoint.load_model(plan.previous / MODEL_FILE)
    start = options.model_copy(update={"pretrained": False, "weights": None})
    student = Segmenter(start, len(plan.bands), task.at(task.step - 1).head_sizes, before.image_size)
    load(plan.config.method).require(student)
    added = previous.state_dict().keys() - student.state_dict().keys()
    checkpoint.require_continuable(before, added, plan.config.method, plan.previous)
    load(before.method).rebuild(student, task.at(task.step - 1))
    student.load_state_dict(previous.state_dict())
    student.grow(task.num_new)
    if options.freeze:
        student.freeze_encoder()
    return student, Teacher(previous)


def build_method(plan: Plan, device: torch.device) -> Method:
    """The method, knowing what the previous step left for it."""
    config, task = plan.config, plan.task
    balanced = config.class_weights == "balanced"
    weight = balanced_weights(plan.training, task, plan.table).to(device) if balanced else None
    criterion = build_criterion(config.ce, weight)
    own = own_options(config)
    kind = load(config.method, faithful=getattr(own, "faithful", False))
    if not task.new:
        criterion = with_all_labels(criterion)
    elif plan.uses_old_labels:
        criterion = with_old_labels(criterion, weight)
    method = kind(task, criterion, config.kd, own)
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
    table, root, manifest = plan.table, data.root, data.manifest
    kept = replayable(plan)
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
    shares = balanced_shares(plan.training, plan.task, len(old_tiles)) if config.sampling == "balanced" else None
    return (
        training_loader(training, size, workers, config.seed, rank, world, shares),
        evaluation_loader(validation, size, workers, rank, world),
    )


def replayable(plan: Plan) -> tuple[Kept, ...]:
    """The tiles that earlier steps have kept.

    Raises:
        InvalidOptions: they lie in another folder than this step's.
    """
    kept = read_memory(plan.previous) if plan.task.step > 0 else ()
    before = read_options(plan.previous).get("data_root") if kept else None
    if before is not None and not is_same_folder(before, plan.data.root, MANIFEST):
        raise InvalidOptions(
            f"The previous step has kept tiles of {before}, but this step reads {plan.data.root}: tiles of another "
            "folder cannot be replayed. Train with a method that keeps no tiles."
        )
    return kept


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
    if teacher is not None and plan.task.new:  # where no class is new, the labels say all
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
