"""`test`: score finished steps against the full truth; tables, figures, JSON and, on request, georeferenced maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from saticl.commands.joint import covers_run, find_joint
from saticl.commands.overview import show_restricted, write_overview
from saticl.commands.prepared import Prepared, open_prepared
from saticl.commands.runs import Finished, Tested, find_steps, trained_config, write_scores
from saticl.config import TestConfig
from saticl.display.console import console
from saticl.display.figures import class_scores_figure, confusion_figure, display_image, panels_figure
from saticl.display.tables import score_table
from saticl.engine import checkpoint, scoring
from saticl.engine.checkpoint import StepInfo
from saticl.engine.device import leave_together, make_accelerator
from saticl.engine.evaluate import predictions
from saticl.errors import InvalidOptions
from saticl.geo import raster
from saticl.labels import IGNORE, Colour
from saticl.metrics.incremental import step_ranges
from saticl.metrics.scores import score, score_groups
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions, TrainerOptions
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile
from saticl.tiles.loaders import EvaluationLoader, by_shape, evaluation_loader
from saticl.tiles.selection import split_validation
from saticl.transforms.normalize import Normalize


@dataclass(frozen=True)
class Scoring:
    """What is scored: one finished step on the tiles of one split."""

    config: TestConfig
    finished: Finished
    data: Prepared
    tiles: list[Tile]
    accelerator: Accelerator

    @property
    def info(self) -> StepInfo:
        """The checkpoint's description of itself."""
        return self.finished.info

    @property
    def normalize(self) -> Normalize:
        """Normalisation as in training, on the device."""
        return Normalize(self.info.mean, self.info.std).to(self.accelerator.device)

    def loader(self, tiles: list[Tile], rank: int = 0, world: int = 1) -> EvaluationLoader:
        """Whole tiles, not only the part that each owns in scoring."""
        info, config = self.info, self.config
        table, channels = info.task.eval_table(config.task.unseen), len(info.bands)
        dataset = TileDataset(
            self.data.root, tiles, table, self.data.manifest, channels, augment=None, owned=False, fill=info.mean
        )
        return evaluation_loader(dataset, config.batch_size, config.num_workers, rank, world)


def test(config: TestConfig) -> None:
    """Score one step of a run, or all of them, and print and write the results beside the checkpoints.

    Raises:
        SaticlError: no such run or step, or other data than it was trained on.
    """
    steps = find_steps(config.run, config.task.step)
    joint = find_joint(config, steps[-1].info)
    accelerator = scoring_accelerator(steps[-1].info)
    tested = [test_step(config, finished, accelerator) for finished in steps]
    beside = None if joint is None else count_joint(config, joint, accelerator)
    if accelerator.is_main_process and config.restricted:
        show_restricted(tested)
    if accelerator.is_main_process and covers_run(config):
        write_overview(config, tested, beside)
    leave_together(accelerator)


def scoring_accelerator(info: StepInfo) -> Accelerator:
    """The precision the step was trained in, or float32 where this machine lacks it."""
    names = {"no": "float32", "bf16": "bf16", "fp16": "fp16" if torch.cuda.is_available() else "float32"}
    return make_accelerator(TrainerOptions.model_validate({"precision": names[info.precision]}), ModelOptions())


def test_step(config: TestConfig, finished: Finished, accelerator: Accelerator) -> Tested:
    """Score one step and write its tables, figures and, on request, maps."""
    scoring_of = open_step(config, finished, accelerator)
    segmenter, info = checkpoint.load_model(finished.model)
    tested = count(scoring_of, segmenter, step_ranges(info.task.head_sizes) if config.restricted else ())
    if accelerator.is_main_process:
        console.print(score_table(tested.scores, info.task, f"step {info.step}: {config.split} tiles, full truth"))
        write_results(scoring_of, tested)
        if config.panels > 0:
            draw_panels(scoring_of, segmenter)
        console.print(f"[dim]{finished.folder}[/]")
    if config.predictions:
        write_predictions(scoring_of, segmenter)
    return tested


def open_step(config: TestConfig, finished: Finished, accelerator: Accelerator) -> Scoring:
    """The tiles that a finished step is scored on.

    Raises:
        SaticlError: other data than it was trained on, or no tiles in that split.
    """
    trained = trained_config(finished.folder)
    data = open_prepared(config.data_root or trained.data_root, finished.info.dataset)
    require_same_data(data, finished)
    tiles = scored_tiles(data, config.split, trained.val_size, trained.seed)
    return Scoring(config, finished, data, tiles, accelerator)


def count(scoring_of: Scoring, segmenter: Segmenter, groups: Sequence[range] = ()) -> Tested:
    """Count every pixel once, and again for each group of output indices among themselves."""
    config, data, task = scoring_of.config, scoring_of.data, scoring_of.info.task
    matrix, *restricted = scoring.score_tiles_restricted(
        scoring_of.accelerator,
        segmenter,
        scoring_of.info,
        data.root,
        data.manifest,
        scoring_of.tiles,
        [range(task.num_seen), *groups],
        unseen=config.task.unseen,
        batch_size=config.batch_size,
        num_workers=config.num_workers,
    )
    scores = score(matrix, task.names, score_groups(task.head_sizes))
    return Tested(scoring_of.finished, scores, matrix, restricted)


def count_joint(config: TestConfig, joint: Finished, accelerator: Accelerator) -> Tested:
    """Score the joint run without writing into its folder."""
    segmenter, _ = checkpoint.load_model(joint.model)
    return count(open_step(config, joint, accelerator), segmenter)


def require_same_data(data: Prepared, finished: Finished) -> None:
    """Refuse data with other classes or bands than the checkpoint's.

    Raises:
        InvalidOptions: naming the difference.
    """
    info = finished.info
    if data.manifest.class_names != info.classes or data.bands(len(info.bands)) != info.bands:
        raise InvalidOptions(
            f"{finished.folder} was trained on the bands {', '.join(info.bands)} and the classes "
            f"{', '.join(info.classes)}; {data.root} holds {', '.join(data.manifest.bands)} and "
            f"{', '.join(data.manifest.class_names)}: choose another --data-root."
        )


def scored_tiles(data: Prepared, split: str, val_size: float, seed: int) -> list[Tile]:
    """All tiles of the split, whatever classes they hold.

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


def write_results(scoring_of: Scoring, tested: Tested) -> None:
    """JSON and figures of one step."""
    finished, split = scoring_of.finished, scoring_of.config.split
    scores, matrix = tested.scores, tested.matrix
    write_scores(finished.folder, split, scores, matrix)
    figures = finished.folder / "figures"
    confusion_figure(matrix, scores.names, figures / f"confusion-{split}.png")
    class_scores_figure(scores, colours(finished.info), finished.info.task.new, figures / f"classes-{split}.png")


def colours(info: StepInfo) -> list[Colour]:
    """Colours by output index; an artificial background is grey."""
    by_name = dict(zip(info.classes, info.colours, strict=True))
    return [by_name.get(name, (128, 128, 128)) for name in info.task.names]


def draw_panels(scoring_of: Scoring, segmenter: Segmenter) -> None:
    """Image, truth, previous step, this step and errors of a few tiles spread over the scenes."""
    tiles, info, split = scoring_of.tiles, scoring_of.info, scoring_of.config.split
    count = min(scoring_of.config.panels, len(tiles))
    chosen = [tiles[index] for index in np.linspace(0, len(tiles) - 1, count).round().astype(int)]
    now, truth = class_maps(scoring_of, segmenter, chosen)
    before: list[NDArray[np.uint8] | None] = [None] * count
    earlier = scoring_of.finished.folder.parent / f"step-{info.step - 1}" / scoring_of.finished.model.name
    if earlier.is_file():
        previous, _ = checkpoint.load_model(earlier)
        before = list(class_maps(scoring_of, previous, chosen)[0])
    images = [display_image(raster.read(scoring_of.data.file(tile.image)), info.bands) for tile in chosen]
    rows = list(zip(images, truth, now, before, strict=True))
    path = scoring_of.finished.folder / "figures" / f"panels-{split}.png"
    panels_figure(rows, info.task.names, colours(info), path)


def class_maps(
    scoring_of: Scoring, segmenter: Segmenter, tiles: list[Tile]
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Predicted and true output index of whole tiles, each uint8 [H, W], in their order."""
    segmenter.to(scoring_of.accelerator.device)
    pairs = predictions(segmenter, scoring_of.loader(tiles), scoring_of.normalize, scoring_of.accelerator)
    predicted: list[NDArray[np.uint8]] = []
    true: list[NDArray[np.uint8]] = []
    for prediction, target in pairs:
        predicted.extend(prediction.cpu().numpy().astype(np.uint8))
        true.extend(target.cpu().numpy().astype(np.uint8))
    return predicted, true


def write_predictions(scoring_of: Scoring, segmenter: Segmenter) -> None:
    """The class map of every tile as GeoTIFF with the tile's place on the ground and a colour table."""
    accelerator, data = scoring_of.accelerator, scoring_of.data
    rank, world = accelerator.process_index, accelerator.num_processes
    folder = scoring_of.finished.folder / f"predictions-{scoring_of.config.split}"
    table = dict(enumerate(colours(scoring_of.info)))
    mine = iter(scoring_of.tiles[rank::world])
    loader = scoring_of.loader(scoring_of.tiles, rank, world)
    for prediction, _ in predictions(segmenter, loader, scoring_of.normalize, accelerator):
        for classes in prediction.cpu().numpy().astype(np.uint8):
            tile = next(mine)
            with raster.opened(data.file(tile.image)) as source:
                place = source.transform, source.crs
            pixels = classes[None, : tile.window.height, : tile.window.width]
            raster.write(folder / f"{tile.id.replace('/', '_')}.tif", pixels, *place, nodata=IGNORE, colours=table)
