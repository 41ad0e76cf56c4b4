"""`test`: score finished steps against the full truth; tables, figures, JSON and, on request, georeferenced maps."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from accelerate import Accelerator
from numpy.typing import NDArray

from saticl.commands.prepared import Prepared, open_prepared
from saticl.config import TestConfig, TrainConfig
from saticl.engine import checkpoint, scoring
from saticl.engine.checkpoint import MODEL_FILE, StepInfo
from saticl.engine.device import make_accelerator
from saticl.engine.evaluate import predictions
from saticl.errors import InvalidCheckpoint, InvalidOptions
from saticl.files import write_json
from saticl.geo.raster import read_tile, write_classes
from saticl.metrics.scores import Scores, score, score_groups
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions, TrainerOptions
from saticl.tiles.dataset import TileDataset
from saticl.tiles.index import Tile
from saticl.tiles.loaders import EvaluationLoader, evaluation_loader
from saticl.tiles.selection import split_validation
from saticl.tracking.console import console
from saticl.tracking.figures import class_scores_figure, confusion_figure, display_image, panels_figure, steps_figure
from saticl.tracking.tables import groups_by_step, matrix_table, score_table
from saticl.transforms.normalize import Normalize


@dataclass(frozen=True)
class Finished:
    """A trained step on disk."""

    folder: Path
    info: StepInfo

    @property
    def step(self) -> int:
        """Its number."""
        return self.info.step


def test(config: TestConfig) -> None:
    """Score one step of a run, or all of them, and print and write the results beside the checkpoints.

    Raises:
        SaticlError: no such run or step, other data than it was trained on.
    """
    steps = find_steps(config.run, config.task.step)
    accelerator = scoring_accelerator(steps[-1].info)
    rows = [(each.step, test_step(config, each, accelerator)) for each in steps]
    if len(rows) > 1 and accelerator.is_main_process:
        task = steps[-1].info.task
        labels, matrix = groups_by_step(rows, task)
        numbers = [step for step, _ in rows]
        console.print(matrix_table(labels, numbers, matrix, f"mean IoU, {config.split} tiles"))
        folder = steps[0].folder.parent
        write_json(folder / f"steps-{config.split}.json", {"steps": numbers, "groups": labels, "miou": matrix})
        steps_figure(matrix, labels, [f"step {step}" for step in numbers], folder / f"steps-{config.split}.png")
        console.print(f"[dim]{folder}[/]")


def find_steps(run: Path, wanted: int | str | None) -> list[Finished]:
    """The finished steps to score: one, or all, of a run's folder; or the step whose folder was named.

    Raises:
        InvalidCheckpoint: nothing finished there, or not the wanted step.
    """
    if (run / MODEL_FILE).is_file():
        return [Finished(run, checkpoint.read_info(run / MODEL_FILE))]
    found = {int(path.parent.name.removeprefix("step-")): path for path in run.glob(f"step-*/{MODEL_FILE}")}
    if not found:
        raise InvalidCheckpoint(f"{run} holds no finished step: train one, or point --run to <output>/<dataset>/<task>/<name>.")
    if wanted is None:
        chosen = [max(found)]
    elif wanted == "all":
        chosen = sorted(found)
    elif wanted in found:
        chosen = [int(wanted)]
    else:
        finished = ", ".join(map(str, sorted(found)))
        raise InvalidCheckpoint(f"{run} has no finished step {wanted}; finished: {finished}.")
    return [Finished(found[step].parent, checkpoint.read_info(found[step])) for step in chosen]


def scoring_accelerator(info: StepInfo) -> Accelerator:
    """The precision the step was trained in, or float32 where this machine lacks it."""
    names = {"no": "float32", "bf16": "bf16", "fp16": "fp16" if torch.cuda.is_available() else "float32"}
    trainer = TrainerOptions.model_validate({"precision": names[info.precision]})
    return make_accelerator(trainer, ModelOptions())


def test_step(config: TestConfig, finished: Finished, accelerator: Accelerator) -> Scores:
    """Score one step and write its tables and figures."""
    trained = trained_config(finished.folder)
    data = open_prepared(config.data_root or trained.data_root, finished.info.dataset)
    require_same_data(data, finished)
    tiles = scored_tiles(config, trained, data)
    segmenter, info = checkpoint.load_model(finished.folder / MODEL_FILE)
    loader = scoring.scoring_loader(
        accelerator, info, data.root, data.manifest, tiles, config.task.unseen, config.batch_size, config.num_workers
    )
    matrix = scoring.score_tiles(accelerator, segmenter, info, loader)
    scores = score(matrix, info.task.names, score_groups(info.task.head_sizes))
    if accelerator.is_main_process:
        console.print(score_table(scores, info.task, f"step {info.step}, {config.split} tiles, full truth"))
        write_results(config, finished, scores, matrix)
    if accelerator.is_main_process and config.panels > 0:
        draw_panels(config, finished, data, tiles, segmenter, accelerator)
    if config.predictions:
        write_predictions(config, finished, data, tiles, segmenter, accelerator)
    return scores


def trained_config(folder: Path) -> TrainConfig:
    """The options a step was trained with."""
    return TrainConfig.model_validate(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")))


def require_same_data(data: Prepared, finished: Finished) -> None:
    """Refuse data with other classes or bands than the checkpoint's.

    Raises:
        InvalidOptions: naming the difference.
    """
    info = finished.info
    if data.classes != info.classes or data.bands(len(info.bands)) != info.bands:
        raise InvalidOptions(
            f"{finished.folder} was trained on the bands {', '.join(info.bands)} and the classes "
            f"{', '.join(info.classes)}; {data.root} holds {', '.join(data.manifest.bands)} and "
            f"{', '.join(data.classes)}: choose another --data-root."
        )


def scored_tiles(config: TestConfig, trained: TrainConfig, data: Prepared) -> list[Tile]:
    """All tiles of the split, whatever classes they hold.

    Raises:
        InvalidOptions: the dataset has none.
    """
    if config.split == "test":
        tiles = [tile for tile in data.tiles if tile.split == "test"]
    else:
        training = [tile for tile in data.tiles if tile.split != "test"]
        _, tiles = split_validation(training, trained.val_size, trained.seed)
    if not tiles:
        raise InvalidOptions(f"{data.root} has no {config.split} tiles: choose another --split.")
    return tiles


def write_results(config: TestConfig, finished: Finished, scores: Scores, matrix: NDArray[np.int64]) -> None:
    """scores.json, confusion.json and the figures of one step."""
    path = finished.folder / "scores.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_json(path, {**before, config.split: {**scores.to_dict(), "confusion": matrix.tolist()}})
    names, figures = list(scores.names), finished.folder / "figures"
    confusion_figure(matrix, names, figures / f"confusion-{config.split}.png")
    class_scores_figure(scores, colours(finished.info), finished.info.task.new, figures / f"classes-{config.split}.png")


def colours(info: StepInfo) -> list[tuple[int, int, int]]:
    """Colours by output index; an artificial background is grey."""
    by_name = dict(zip(info.classes, info.colours, strict=True))
    return [by_name.get(name, (128, 128, 128)) for name in info.task.names]


def prediction_loader(
    info: StepInfo, data: Prepared, tiles: list[Tile], config: TestConfig, accelerator: Accelerator, shared: bool
) -> EvaluationLoader:
    """Whole tiles, not only the part each owns in scoring; divided among processes where `shared`."""
    dataset = TileDataset(
        data.root, tiles, info.task.eval_table(config.task.unseen), data.manifest,
        channels=len(info.bands), augment=None, owned=False,
    )
    rank, world = (accelerator.process_index, accelerator.num_processes) if shared else (0, 1)
    return evaluation_loader(dataset, config.batch_size, config.num_workers, rank, world)


def draw_panels(
    config: TestConfig, finished: Finished, data: Prepared, tiles: list[Tile], segmenter: Segmenter,
    accelerator: Accelerator,
) -> None:
    """Image, truth, previous step, this step and errors of a few tiles spread over the scenes."""
    info = finished.info
    chosen = [tiles[index] for index in np.linspace(0, len(tiles) - 1, min(config.panels, len(tiles))).astype(int)]
    loader = prediction_loader(info, data, chosen, config, accelerator, shared=False)
    normalize = Normalize(info.mean, info.std).to(accelerator.device)
    current = [
        (image.cpu().numpy().astype(np.uint8), truth.cpu().numpy())
        for prediction, target in predictions(segmenter, loader, normalize, accelerator)
        for image, truth in zip(prediction, target, strict=True)
    ]
    previous_file = finished.folder.parent / f"step-{info.step - 1}" / MODEL_FILE
    before: list[NDArray[np.uint8] | None] = [None] * len(chosen)
    if previous_file.is_file():
        previous, _ = checkpoint.load_model(previous_file)
        previous.to(accelerator.device)
        before = [
            image.cpu().numpy().astype(np.uint8)
            for prediction, _ in predictions(previous, loader, normalize, accelerator)
            for image in prediction
        ]
    rows = [
        (display_image(read_tile(data.root / tile.image), info.bands), truth, prediction, old)
        for tile, (prediction, truth), old in zip(chosen, current, before, strict=True)
    ]
    panels_figure(
        rows, list(info.task.names), colours(info), finished.folder / "figures" / f"panels-{config.split}.png"
    )


def write_predictions(
    config: TestConfig, finished: Finished, data: Prepared, tiles: list[Tile], segmenter: Segmenter,
    accelerator: Accelerator,
) -> None:
    """The class map of every tile as GeoTIFF with the tile's place on the ground and a colour table."""
    info = finished.info
    loader = prediction_loader(info, data, tiles, config, accelerator, shared=True)
    mine = iter(tiles[accelerator.process_index :: accelerator.num_processes])
    folder = finished.folder / f"predictions-{config.split}"
    for prediction, _ in predictions(segmenter, loader, Normalize(info.mean, info.std).to(accelerator.device), accelerator):
        for classes in prediction.cpu().numpy().astype(np.uint8):
            tile = next(mine)
            write_classes(
                folder / f"{tile.id.replace('/', '_')}.tif",
                classes[: tile.window.height, : tile.window.width],
                colours(info),
                like=data.root / tile.image,
            )
