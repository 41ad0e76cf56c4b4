"""What train and test need of a prepared dataset: its description, its tiles, and the task to learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saticl import datasets
from saticl.display.console import console
from saticl.errors import InvalidOptions
from saticl.runs.drift import far_bands
from saticl.runs.folder import Finished
from saticl.runs.step import StepInfo
from saticl.tasks import Protocol, Task, find_protocol, load_protocols, protocol_from_dict
from saticl.tiles.index import Tile, read_index
from saticl.tiles.loaders import by_shape
from saticl.tiles.manifest import Manifest
from saticl.tiles.selection import split_validation


@dataclass(frozen=True)
class Prepared:
    """A folder that `prepare` wrote."""

    root: Path
    manifest: Manifest
    tiles: list[Tile]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by dataset label."""
        return self.manifest.class_names

    def bands(self, in_channels: int | None) -> tuple[str, ...]:
        """The bands a network reads: the first `in_channels`, or all.

        Raises:
            InvalidOptions: more channels than the data has.
        """
        bands = self.manifest.bands
        if in_channels is not None and in_channels > len(bands):
            raise InvalidOptions(
                f"--in-channels {in_channels} is too large: {self.root} holds {len(bands)} bands "
                f"({', '.join(bands)}). Lower it, or prepare the data again with other --channels or --dsm."
            )
        return tuple(bands[:in_channels])

    def task(self, name: str, step: int, own: Path | None = None) -> Task:
        """The named protocol at a step: from the user's file, the dataset's adapter, or `prepare`'s record.

        Raises:
            UnknownName: no such protocol. InvalidOptions: no such step.
        """
        known: dict[str, Protocol] = {
            key: protocol_from_dict(key, entry.model_dump()) for key, entry in self.manifest.protocols.items()
        }
        for adapter in datasets.DATASETS:
            if adapter.name == self.manifest.dataset:
                known |= {protocol.name: protocol for protocol in adapter.protocols}
        if own is not None:
            known |= load_protocols(own, self.classes, self.manifest.background)
        return Task(self.classes, find_protocol(name, known, self.classes, self.manifest.background), step)


def open_prepared(root: Path, dataset: str | None = None) -> Prepared:
    """Read the description and the index of a prepared folder; no image is opened.

    Raises:
        MissingTiles: there is none. InvalidOptions: it holds another dataset than `dataset`.
    """
    manifest = Manifest.load(root)
    if dataset is not None and dataset != manifest.dataset:
        raise InvalidOptions(
            f"{root} holds the dataset {manifest.dataset!r}, but {dataset!r} is expected: choose another --data-root."
        )
    return Prepared(root, manifest, read_index(root))


def require_same_data(data: Prepared, finished: Finished) -> None:
    """Refuse data with other classes or bands than the checkpoint's.

    Raises:
        InvalidOptions: naming the difference.
    """
    info = finished.info
    pairs = {
        "bands": (info.bands, data.manifest.bands[: len(info.bands)]),
        "classes": (info.classes, data.manifest.class_names),
    }
    for kind, (trained, found) in pairs.items():
        if tuple(found) != trained:
            raise InvalidOptions(
                f"{finished.folder} was trained on the {kind} {', '.join(trained)}; {data.root} "
                f"{_difference(trained, found)}: choose another --data-root."
            )


def _difference(wanted: Sequence[str], found: Sequence[str]) -> str:
    lacking = ", ".join(name for name in wanted if name not in found)
    further = ", ".join(name for name in found if name not in wanted)
    parts = [f"lacks {lacking}"] * bool(lacking) + [f"has also {further}"] * bool(further)
    return " and ".join(parts) or f"has them in another order: {', '.join(found)}"


def warn_of_drift(data: Prepared, info: StepInfo) -> None:
    """Print a warning if the pixels of a folder are far from those that a network is normalised for, band by band."""
    statistics = data.manifest.statistics
    far = far_bands(info.bands, info.mean, info.std, statistics.mean, statistics.std)
    if far:
        console.print(
            f"[yellow]Warning:[/] the pixel values of {data.root} are far from those of step 0: "
            f"{'; '.join(map(str, far))}. All steps use the mean and deviation of step 0, so scores may be low. "
            "Check bands, units and brightness.",
            highlight=False,
        )


def scored_tiles(data: Prepared, split: str, val_size: float, seed: int) -> list[Tile]:
    """All tiles of the split, with any classes.

    Raises:
        InvalidOptions: the dataset has none.
    """
    if split == "test":
        tiles = [tile for tile in data.tiles if tile.split == "test"]
    else:
        _, tiles = split_validation([tile for tile in data.tiles if tile.split != "test"], val_size, seed)
    if not tiles:
        raise InvalidOptions(f"{data.root} has no {split} tiles: choose another --split.")
    return by_shape(tiles, data.manifest)


def require_pixels(missing: Sequence[str], task: Task, mode: str) -> None:
    """Refuse a step if one of its classes does not occur in its training tiles.

    Raises:
        InvalidOptions: naming the classes.
    """
    if missing:
        raise InvalidOptions(
            f"The class {', '.join(missing)} of step {task.step} ({task.protocol.name}) has no pixel in the training "
            f"tiles that --task.filter-mode {mode} selects: choose another mode or task, or prepare more scenes."
        )
