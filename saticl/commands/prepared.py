"""What train and test need of a prepared dataset: its description, its tiles, and the task to learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from saticl import datasets
from saticl.display.console import console
from saticl.errors import InvalidOptions
from saticl.protocol_files import load_protocols, protocol_from_dict
from saticl.runs.drift import far_bands, is_far_in_size
from saticl.runs.folder import Finished
from saticl.runs.step import StepInfo
from saticl.tasks import Protocol as Order
from saticl.tasks import Task, find_protocol
from saticl.tiles.index import Tile, read_index
from saticl.tiles.loaders import by_shape
from saticl.tiles.manifest import Manifest
from saticl.tiles.validation import merged, split_by_place, split_validation


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
        known: dict[str, Order] = {
            key: protocol_from_dict(key, entry.model_dump()) for key, entry in self.manifest.protocols.items()
        }
        for adapter in datasets.DATASETS:
            if adapter.name == self.manifest.dataset:
                known |= {protocol.name: protocol for protocol in adapter.protocols}
        if own is not None:
            known |= load_protocols(own, self.classes, self.manifest.background)
        return Task(self.classes, find_protocol(name, known, self.classes, self.manifest.background), step)


class Described(Protocol):
    """Anything that lies in a folder that `prepare` wrote."""

    @property
    def root(self) -> Path:
        """The folder."""

    @property
    def manifest(self) -> Manifest:
        """Its description."""


def open_prepared(root: Path, dataset: str | None = None) -> Prepared:
    """Read the description and the index of a prepared folder; no image is opened.

    Raises:
        MissingTiles: there is none, or its originals are gone. InvalidOptions: it holds another dataset than
            `dataset`.
    """
    manifest = Manifest.load(root)
    if dataset is not None and dataset != manifest.dataset:
        raise InvalidOptions(
            f"{root} holds the dataset {manifest.dataset!r}, but {dataset!r} is expected: choose another --data-root."
        )
    manifest.require_originals(root)
    return Prepared(root, manifest, read_index(root))


def require_same_bands(data: Described, finished: Finished) -> None:
    """Refuse data that the network of a step cannot read.

    Raises:
        InvalidOptions: naming the difference.
    """
    wanted, found = finished.info.bands, data.manifest.bands
    if found[: len(wanted)] != wanted:
        raise InvalidOptions(
            f"The model in {finished.folder} reads the bands {', '.join(wanted)}, but {data.root} holds "
            f"{', '.join(found)}: prepare the imagery with the same bands, in the same order, or choose another "
            "--data-root."
        )


def warn_of_drift(data: Described, info: StepInfo, normalization: str = "model") -> None:
    """Print a warning if the pixels of a folder are far from those that a network is normalised for, band by band."""
    if normalization == "data":
        return
    statistics = data.manifest.statistics
    far = far_bands(info.bands, info.mean, info.std, statistics.mean, statistics.std)
    if far:
        console.print(
            f"[yellow]Warning:[/] the pixel values of {data.root} are far from those of step 0: "
            f"{'; '.join(map(str, far))}. All steps use the mean and deviation of step 0, so scores may be low. "
            "Check bands, units and brightness. If they are right, train with --normalization data.",
            highlight=False,
        )


def warn_of_resolution(data: Described, info: StepInfo) -> None:
    """Print a warning if a pixel of a folder covers more or less ground than those that a network was trained on."""
    ours, theirs = data.manifest.ground_size, info.ground_size
    if is_far_in_size(ours, theirs):
        console.print(
            f"[yellow]Warning:[/] a pixel of {data.root} covers {ours:.3g} m of ground, one of step 0 {theirs:.3g} m: "
            f"things look larger or smaller than the model knows them. `prepare --gsd {theirs:.3g}` gives tiles of "
            "the same resolution.",
            highlight=False,
        )


def divided(
    data: Prepared, order: Order, val_size: float, seed: int, splits: str, places: Sequence[str] = ()
) -> tuple[list[Tile], list[Tile]]:
    """Tiles for training and for validation: of these places, where the order names any (no place: of all).

    Raises:
        EmptySelection: too few tiles. InvalidOptions: merged splits without places.
    """
    if any(order.places):
        known = [place for step in order.places for place in step]
        return split_by_place(merged(data.tiles) if splits == "merged" else data.tiles, places, val_size, seed, known)
    if splits == "merged":
        raise InvalidOptions(
            f"--task.splits merged is for tasks that name places; {order.name} does not: leave it out."
        )
    return split_validation(data.tiles, val_size, seed)


def scored_tiles(data: Prepared, split: str, order: Order, val_size: float, seed: int, splits: str) -> list[Tile]:
    """All tiles of the split, with any classes; those kept for validation in the places of all steps of the order.

    Raises:
        InvalidOptions: test tiles that were trained on.
    """
    if split == "test" and splits == "merged":
        raise InvalidOptions(
            f"The test tiles of {data.root} were trained on (--task.splits merged): score the kept ones with --split "
            "val."
        )
    if split == "test":
        return by_shape([tile for tile in data.tiles if tile.split == "test"], data.manifest)
    places = sorted({place for step in order.places for place in step}) if all(order.places) else []
    _, tiles = divided(data, order, val_size, seed, splits, places)
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
