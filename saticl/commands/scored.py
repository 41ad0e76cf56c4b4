"""On what a run is scored: all its steps on the same tiles of the same folders."""

from collections.abc import Sequence
from pathlib import Path

from saticl.commands.prepared import open_prepared, require_same_bands, scored_tiles
from saticl.commands.runs import trained_config
from saticl.config import TestConfig, TrainConfig
from saticl.display.console import console
from saticl.errors import InvalidOptions
from saticl.inference.scoring import ScoredTiles
from saticl.labels import ScoredLabels, one_of
from saticl.runs.folder import Finished, earlier
from saticl.runs.trained import CONFIG_FILE
from saticl.tiles.manifest import MANIFEST


def scored_folders(config: TestConfig, last: Finished, warn: bool) -> list[ScoredTiles]:
    """The tiles of the split in the folders of --data-root, or in all that the steps up to `last` were trained on.

    Each folder is divided, and read where no class was drawn, as the step was that was trained on it; so all steps are
    scored on the same pixels. Prints which folders are gone or have no such tiles, if `warn`.

    Raises:
        SaticlError: a folder is not prepared, or none is left, or none has tiles of the split.
    """
    trained = _trained_on(last)
    roots = [*config.data_root] or _left(trained, last, warn)
    scored = [
        _scored(config, root, trained.get(root.resolve()) or _options(last) or TrainConfig(), last) for root in roots
    ]
    found = [on for on in scored if on.tiles]
    if not found:
        names = ", ".join(map(str, roots))
        raise InvalidOptions(f"There are no {config.split} tiles in {names}: choose another --split.")
    for on in scored if warn else ():
        if not on.tiles:
            say(f"there are no {config.split} tiles in {on.root}: not scored on it.")
    return found


def require_scorable(finished: Finished, folders: Sequence[ScoredTiles], is_one_of_many: bool) -> None:
    """Refuse folders that a step cannot be scored on; where it is one step of many, only say what stays unknown.

    Raises:
        InvalidOptions: the network cannot read a folder, or none has labels of a class that the step has learned.
    """
    for on in folders:
        require_same_bands(on, finished)
    seen, labelled = finished.info.task.seen, {name for on in folders for name in on.manifest.class_names}
    unknown = [name for name in seen if name not in labelled]
    names = ", ".join(str(on.root) for on in folders)
    if len(unknown) == len(seen) and not is_one_of_many:
        raise InvalidOptions(
            f"The labels in {names} are of {', '.join(sorted(labelled))}, but {finished.folder} has learned "
            f"{', '.join(seen)}: choose a --data-root that has labels of one of these classes."
        )


def require_same_validation(joint: Finished, last: Finished) -> None:
    """Refuse a joint run that was trained on tiles that the run kept for validation.

    Raises:
        InvalidOptions: they were not divided alike.
    """
    ours, theirs = _options(last) or TrainConfig(), _options(joint) or TrainConfig()
    alike = (ours.val_size, ours.seed, ours.task.splits) == (theirs.val_size, theirs.seed, theirs.task.splits)
    if not alike or any(joint.info.places) != any(last.info.places):
        raise InvalidOptions(
            f"{joint.folder} kept other tiles for validation than {last.folder}: compare them with --split test, or "
            "train both with the same --val-size and --seed, on tasks that both name places or none."
        )


def warn_of_unlabelled(last: Finished, folders: Sequence[ScoredTiles]) -> None:
    """Print which classes no folder has labels of: their scores stay unknown."""
    labelled = {name for on in folders for name in on.manifest.class_names}
    unknown = [name for name in last.info.task.seen if name not in labelled]
    if unknown:
        names = ", ".join(str(on.root) for on in folders)
        say(
            f"{names} {'has' if len(folders) == 1 else 'have'} no labels of {', '.join(unknown)}: not scored. Name a "
            "folder that has them with --data-root."
        )


def say(warning: str) -> None:
    """Print a warning."""
    console.print(f"[yellow]Warning:[/] {warning}", highlight=False)


def scored_labels(config: TestConfig, folders: Sequence[ScoredTiles]) -> ScoredLabels:
    """What the labels of all folders show together."""
    return ScoredLabels(config.task.unseen, one_of([on.unlabelled for on in folders]), config.task.images)


def _scored(config: TestConfig, root: Path, trained: TrainConfig, last: Finished) -> ScoredTiles:
    data = open_prepared(root)
    order = last.info.task.protocol
    tiles = scored_tiles(data, config.split, order, trained.val_size, trained.seed, trained.task.splits)
    return ScoredTiles(
        root,
        data.manifest,
        tiles,
        config.task.unseen,
        config.unlabelled or trained.unlabelled,
        config.batch_size,
        config.num_workers,
        config.task.images,
    )


def _left(trained: dict[Path, TrainConfig], last: Finished, warn: bool) -> list[Path]:
    """The folders that are still there."""
    left = [root for root in trained if (root / MANIFEST).is_file()]
    if not left:
        gone = f"{', '.join(map(str, trained))}: not there any more" if trained else "no folder is recorded"
        raise InvalidOptions(
            f"The data that {last.folder} was trained on are unknown ({gone}): name one or more prepared folders with "
            "--data-root."
        )
    for root in trained if warn else ():
        if root not in left:
            say(f"{root} is not there any more: not scored on it.")
    return left


def _trained_on(last: Finished) -> dict[Path, TrainConfig]:
    """The folders of all steps, in order, with the options of the last step that was trained on each."""
    options = [found for step in (*earlier(last), last) if (found := _options(step)) is not None]
    return {one.data_root.resolve(): one for one in options if one.data_root is not None}


def _options(step: Finished) -> TrainConfig | None:
    """What a step was trained with; None where only its model is left."""
    return trained_config(step.folder) if (step.folder / CONFIG_FILE).is_file() else None
