"""On what a run is scored: all its steps on the same tiles of the same folders."""

from collections.abc import Sequence
from pathlib import Path

from saticl.commands.prepared import Prepared, open_prepared, require_same_bands, scored_tiles
from saticl.commands.runs import trained_config
from saticl.config import TestConfig, TrainConfig
from saticl.display.console import console
from saticl.errors import InvalidOptions
from saticl.inference.scoring import ScoredTiles
from saticl.runs.folder import Finished, earlier
from saticl.runs.trained import CONFIG_FILE
from saticl.tiles.index import Tile
from saticl.tiles.manifest import MANIFEST


def scored_folders(config: TestConfig, last: Finished, warn: bool) -> list[Prepared]:
    """The folders of --data-root, or all that the steps up to `last` were trained on and that are still there.

    Prints which are not, if `warn`.

    Raises:
        SaticlError: a folder is not prepared, or none is left.
    """
    if config.data_root:
        return [open_prepared(root) for root in config.data_root]
    known = list(dict.fromkeys(root for step in (*earlier(last), last) for root in _trained_on(step)))
    left = [root for root in known if (root / MANIFEST).is_file()]
    if not left:
        gone = f"{', '.join(map(str, known))}: not there any more" if known else "no folder is recorded"
        raise InvalidOptions(
            f"The data that {last.folder} was trained on are unknown ({gone}): name one or more prepared folders with "
            "--data-root."
        )
    for root in known:
        if warn and root not in left:
            console.print(f"[yellow]Warning:[/] {root} is not there any more: not scored on it.", highlight=False)
    return [open_prepared(root) for root in left]


def scored_on(config: TestConfig, finished: Finished, folders: Sequence[Prepared]) -> list[ScoredTiles]:
    """What a step is scored on: the tiles of the split in each folder.

    Raises:
        InvalidOptions: the network cannot read a folder, no folder has tiles of that split, or none has labels of a
            class that the step has learned.
    """
    trained = _options(finished) or TrainConfig()
    found = []
    for data in folders:
        require_same_bands(data, finished)
        tiles = scored_tiles(data, config.split, trained.val_size, trained.seed)
        if tiles:
            found.append(_scored(config, data, tiles))
    names = ", ".join(str(data.root) for data in folders)
    if not found:
        raise InvalidOptions(f"There are no {config.split} tiles in {names}: choose another --split.")
    seen, labelled = finished.info.task.seen, [name for on in found for name in on.manifest.class_names]
    if not set(seen) & set(labelled):
        raise InvalidOptions(
            f"The labels in {names} are of {', '.join(dict.fromkeys(labelled))}, but {finished.folder} has learned "
            f"{', '.join(seen)}: choose a --data-root that has labels of one of these classes."
        )
    return found


def _scored(config: TestConfig, data: Prepared, tiles: list[Tile]) -> ScoredTiles:
    unseen, unlabelled = config.task.unseen, config.unlabelled
    return ScoredTiles(data.root, data.manifest, tiles, unseen, unlabelled, config.batch_size, config.num_workers)


def _trained_on(step: Finished) -> list[Path]:
    options = _options(step)
    return [] if options is None or options.data_root is None else [options.data_root.resolve()]


def _options(step: Finished) -> TrainConfig | None:
    """What a step was trained with; None where only its model is left."""
    return trained_config(step.folder) if (step.folder / CONFIG_FILE).is_file() else None
