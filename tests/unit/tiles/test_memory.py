"""Tiles of earlier steps that are replayed, and further maps that travel with a tile."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from affine import Affine
from typer.testing import CliRunner

from saticl import cli
from saticl.errors import InvalidCheckpoint, InvalidRaster, InvalidRecord
from saticl.geo import raster
from saticl.methods.base import Method, Network
from saticl.protocols import ISPRS, ISPRS_CLASSES
from saticl.runs.memory import Kept, read_memory, replayed, write_memory
from saticl.tasks import Task
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile, read_index
from saticl.tiles.loaders import training_loader
from saticl.tiles.manifest import Manifest
from saticl.transforms.augment import Augment
from saticl.types import Batch, Terms
from saticl.views import Views
from tests.prepared import write_prepared

TASK = Task(ISPRS_CLASSES, next(one for one in ISPRS if one.name == "222a"), 1)


def test_a_replayed_tile_shows_the_labels_of_the_step_it_was_kept_at(tiny_tiles: Path) -> None:
    tiles = read_index(tiny_tiles)

    found, tables = replayed([Kept(tile=tiles[2].id, step=0)], tiles, TASK)
    dataset = TileDataset(
        tiny_tiles, [tiles[0], *found], TASK.train_table(), Manifest.load(tiny_tiles),
        tables=[TASK.train_table(), *tables],
    )  # fmt: skip

    new, old = (set(sample.target.unique().tolist()) - {0, 255} for sample in dataset)
    assert new == {3, 4}
    assert old == {1, 2}
    assert found == [tiles[2]]


def test_views_of_replayed_tiles_have_their_table_in_every_round(tiny_tiles: Path) -> None:
    tiles = read_index(tiny_tiles)
    tables = [TASK.train_table(), TASK.at(0).train_table()]
    augment = Augment(64, seed=1, fill=(0.0, 0.0, 0.0))
    dataset = TileDataset(
        tiny_tiles, [tiles[0], tiles[0]], tables[0], Manifest.load(tiny_tiles), augment=augment, tables=tables
    )

    for number in range(6):
        shown = set(dataset[3, number].target.unique().tolist()) - {0, 255}
        assert shown <= ({3, 4} if number % 2 == 0 else {1, 2})


@pytest.mark.parametrize(("tile", "step"), [("nowhere/0_0", 0), (None, 1)])
def test_a_memory_that_does_not_fit_is_refused(tile: str | None, step: int, tiny_tiles: Path) -> None:
    tiles = read_index(tiny_tiles)

    with pytest.raises(InvalidCheckpoint, match=f"of step {step}, which these data do not have for an earlier step"):
        replayed([Kept(tile=tile or tiles[0].id, step=step)], tiles, TASK)


def test_a_memory_survives_the_disk_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    kept = (Kept(tile="a/1", step=0), Kept(tile="b/2", step=3))
    assert read_memory(tmp_path) == ()

    write_memory(tmp_path, kept)
    assert read_memory(tmp_path) == kept

    (tmp_path / "memory.json").write_text('{"format": 2}')
    with pytest.raises(InvalidRecord, match=r"memory\.json is damaged"):
        read_memory(tmp_path)


def write_maps(root: Path) -> None:
    """A map of every tile that says of each pixel where it is."""
    for tile in read_index(root):
        rows, cols = np.mgrid[: tile.window.height, : tile.window.width].astype(np.float32)
        raster.write(root / "maps" / "place" / f"{tile.id}.tif", (1000 * rows + cols)[None], Affine.identity(), None)


@pytest.mark.parametrize("views", [Views(), Views(crop="scale", symmetries="mirror")], ids=["enlarge", "scale"])
def test_further_maps_are_cut_and_turned_as_the_labels_are(views: Views, tmp_path: Path) -> None:
    write_prepared(tmp_path)
    write_maps(tmp_path)
    tiles, manifest = read_index(tmp_path), Manifest.load(tmp_path)
    augment = Augment(48, seed=3, fill=(0.0, 0.0, 0.0), views=views, maps=["place"])
    dataset = TileDataset(tmp_path, tiles, TASK.train_table(), manifest, augment=augment, maps=["place"])
    plain = TileDataset(
        tmp_path, tiles, TASK.train_table(), manifest, augment=Augment(48, seed=3, fill=(0.0,) * 3, views=views)
    )

    for number in range(12):
        sample, tile = dataset[1, number], tiles[number % len(tiles)]
        labels = TASK.train_table()[raster.read(tmp_path / tile.mask)[0]]
        place = sample.maps["place"].numpy()
        rows, cols = (place // 1000).astype(int), (place % 1000).astype(int)
        seen = sample.target.numpy() != 255
        assert np.array_equal(labels[rows[seen], cols[seen]], sample.target.numpy()[seen])
        assert torch.equal(sample.image, plain[1, number].image)
        assert torch.equal(sample.target, plain[1, number].target)


def test_a_map_that_is_not_there_is_told(tiny_tiles: Path) -> None:
    dataset = TileDataset(
        tiny_tiles, read_index(tiny_tiles), TASK.train_table(), Manifest.load(tiny_tiles), maps=["saliency"]
    )

    with pytest.raises(
        InvalidRaster, match=r"maps/saliency/.*: the method needs the map 'saliency' of every training tile"
    ):
        dataset[0]


def test_batches_carry_the_maps(tmp_path: Path) -> None:
    write_prepared(tmp_path)
    write_maps(tmp_path)
    augment = Augment(64, seed=3, fill=(0.0, 0.0, 0.0), maps=["place"])
    dataset = TileDataset(
        tmp_path, read_index(tmp_path), TASK.train_table(), Manifest.load(tmp_path), augment=augment, maps=["place"]
    )

    batch = next(iter(training_loader(dataset, 2, 0, seed=0)))

    assert batch.maps["place"].shape == batch.target.shape == (2, 64, 64)


SEEN: list[tuple[int, set[int], set[str]]] = []


class Replays(Method):
    """Keeps the first tile of every step, and reads a map."""

    maps = ("place",)

    def remember(self, known: Sequence[Kept], tiles: Sequence[Tile]) -> Sequence[Kept]:
        return [*known, Kept(tile=tiles[0].id, step=self.task.step)]

    def terms(self, batch: Batch, student: Network, teacher: Network | None, generator: torch.Generator) -> Terms:
        SEEN.append((self.task.step, set(batch.target.unique().tolist()), set(batch.maps)))
        return super().terms(batch, student, teacher, generator)


@pytest.mark.parametrize("rotation", [[], ["--aug.factor=0.1"]], ids=["alone", "rotated"])
def test_a_method_replays_old_tiles_and_reads_maps(
    rotation: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prepared(tmp_path / "tiles")
    write_maps(tmp_path / "tiles")
    module = ModuleType("replays")
    module.Replays = Replays  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "replays", module)
    SEEN.clear()
    words = [
        "train", f"--data-root={tmp_path / 'tiles'}", f"--output-folder={tmp_path}", "--method=replays:Replays",
        "--task.name=222a", "--task.step=all", "--model.encoder=test_resnet", "--trainer.max-epochs=2",
        "--trainer.batch-size=2", "--trainer.num-workers=0", "--tracking.uri=none", "--name=run", *rotation,
    ]  # fmt: skip

    result = CliRunner().invoke(cli.app, words)

    assert result.exit_code == 0, result.output
    labels = {step: set().union(*(seen for at, seen, _ in SEEN if at == step)) - {0, 255} for step in range(3)}
    assert labels[0] == {1, 2}
    assert labels[1] > {3, 4}
    assert labels[1] <= {1, 2, 3, 4}
    assert labels[2] > {5, 6}
    assert all(maps == {"place"} for *_, maps in SEEN)
    kept = read_memory(tmp_path / "potsdam/222a/run/step-2")
    assert [entry.step for entry in kept] == [0, 1, 2]
