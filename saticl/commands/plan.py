"""Everything about one step that is known before a network is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import saticl
from saticl.commands.prepared import Prepared, divided, require_pixels
from saticl.commands.stages import Stage
from saticl.config import TrainConfig
from saticl.display.console import console
from saticl.engine import checkpoint
from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.geo.palette import distinct_colours
from saticl.labels import MAX_CLASSES, Colour, OldLabels, TrainingLabels
from saticl.methods import find
from saticl.runs.folder import MODEL_FILE, step_folder
from saticl.runs.step import StepInfo, read_info
from saticl.tasks import Table, Task
from saticl.tiles.index import Tile
from saticl.tiles.loaders import by_shape
from saticl.tiles.manifest import Manifest
from saticl.tiles.selection import classes_without_pixels, select


@dataclass(frozen=True)
class Plan:
    """Everything about one step that is known before a network is built."""

    config: TrainConfig
    data: Prepared
    task: Task
    dataset: str
    """What the run calls its dataset."""
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
        named = self.config.extend or self.config.task.step_checkpoint
        return named or step_folder(self.run, self.task.step - 1)

    @property
    def old_labels(self) -> OldLabels:
        """What becomes of labels of old classes: hidden, as in published orders, unless a step brings only places."""
        if not self.task.new:
            return "use"
        shown = self.config.extend is not None or self.config.task.filter_mode == "sequential"
        return self.config.labels_of_old or ("use" if shown else "ignore")

    @property
    def labels(self) -> TrainingLabels:
        """What the labels of this step show."""
        return TrainingLabels(self.old_labels, self.config.unlabelled, self.config.hidden, self.config.void)

    @property
    def table(self) -> Table:
        """From the labels of the folder to what this step may know of them."""
        return self.task.train_table(*self.labels)

    @property
    def uses_old_labels(self) -> bool:
        """Whether the folder shows old classes, and the step may look."""
        return self.old_labels == "use" and any(name in self.data.classes for name in self.task.old)

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


def make_plans(stages: Sequence[Stage]) -> list[Plan]:
    """The plans of all steps, before the first one is trained.

    Raises:
        SaticlError: as `make_plan`. InvalidOptions: folders of steps hold other bands.
    """
    plans = [make_plan(stage) for stage in stages]
    for plan in plans[1:]:
        if plan.bands != plans[0].bands:
            raise InvalidOptions(
                f"{plan.data.root} holds the bands {', '.join(plan.bands)}, but {plans[0].data.root} "
                f"{', '.join(plans[0].bands)}: all steps read the same bands, in the same order."
            )
    return plans


def make_plan(stage: Stage) -> Plan:
    """Choose the tiles of a step, and those kept for validation.

    Raises:
        EmptySelection: no tile remains. InvalidOptions: a class of this step has no pixel in them, or images would be
            turned that the dataset does not want turned.
    """
    config, data, task = stage.config, stage.data, stage.task
    _check_turns(config, data)
    _check_labels(config)
    # Tiles of all places: which step a tile is dealt to depends on the others, and must not differ between steps.
    how = config.val_size, config.seed, config.task.splits
    training, validation = divided(data, task.protocol, *how)
    if task.places:
        _, validation = divided(data, task.protocol, *how, task.places)
    selected = select(training, task, config.task.filter_mode, config.seed)
    require_pixels(classes_without_pixels(selected, task), task, config.task.filter_mode)
    return Plan(config, data, task, stage.dataset, stage.run, selected, by_shape(validation, data.manifest))


def warn_of_validation(plan: Plan) -> None:
    """Print a warning if the tiles that are kept for validation show no pixel of a new class."""
    missing = classes_without_pixels(plan.validation, plan.task)
    if missing:
        which = "the last epoch is taken" if len(missing) == len(plan.task.new) else "it does not count in the choice"
        console.print(
            f"[yellow]Warning:[/] the tiles that are kept for validation show no {', '.join(missing)}, so epochs are "
            f"not compared by it: {which}. Another --seed or a larger --val-size keeps other scenes.",
            highlight=False,
        )


def _check_labels(config: TrainConfig) -> None:
    if config.task.filter_mode == "sequential" and config.labels_of_old == "ignore":
        raise InvalidOptions(
            "--task.filter-mode sequential shows labels of old classes: leave out --labels-of-old ignore, or choose "
            "--task.filter-mode disjoint."
        )


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
    statistics = manifest.statistics if before is None or plan.config.normalization == "data" else before
    colours = _colours(manifest, before)
    return StepInfo(
        version=saticl.__version__,
        dataset=plan.dataset,
        classes=tuple(colours),
        colours=tuple(colours.values()),
        protocol_name=protocol.name,
        groups=protocol.groups,
        places=protocol.places,
        background=protocol.background,
        step=plan.task.step,
        method=find(plan.config.method).reference,
        model=plan.config.model,
        bands=bands,
        mean=statistics.mean[: len(bands)],
        std=statistics.std[: len(bands)],
        image_size=plan.image_size if before is None else before.image_size,
        precision=precision,
        ground_size=manifest.ground_size if before is None else before.ground_size,
    )


def _colours(manifest: Manifest, before: StepInfo | None) -> dict[str, Colour]:
    """Classes by name: those that the previous step knows keep their colours, and no new one takes one of them."""
    known = {} if before is None else dict(zip(before.classes, before.colours, strict=True))
    for entry in manifest.classes:
        if entry.name not in known:
            free = (one for one in distinct_colours(MAX_CLASSES) if one not in known.values())
            known[entry.name] = next(free) if entry.colour in known.values() else entry.colour
    return known
