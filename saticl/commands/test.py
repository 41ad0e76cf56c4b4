"""`test`: score finished steps against the full truth; tables, figures, JSON and, on request, georeferenced maps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from saticl.commands.overview import show_restricted, write_overview
from saticl.commands.prepared import open_prepared, require_same_data, scored_tiles, warn_of_drift
from saticl.commands.runs import trained_config
from saticl.config import TestConfig
from saticl.display.console import console
from saticl.display.figures import class_scores_figure, confusion_figure, display_image, panels_figure
from saticl.display.tables import score_table
from saticl.engine import scoring
from saticl.engine.device import leave_together
from saticl.engine.predictor import Predictor, scoring_accelerator
from saticl.engine.scoring import ScoredTiles
from saticl.errors import InvalidOptions
from saticl.geo import raster
from saticl.labels import IGNORE
from saticl.metrics.incremental import step_ranges
from saticl.metrics.scores import score, score_groups
from saticl.runs.against import read_against
from saticl.runs.folder import Finished, find_steps, is_finished
from saticl.runs.joint import find_joint
from saticl.runs.scores import write_scores
from saticl.runs.tested import Tested


@dataclass(frozen=True)
class Scoring:
    """One finished step on the tiles of one split."""

    config: TestConfig
    finished: Finished
    predictor: Predictor
    on: ScoredTiles


def test(config: TestConfig) -> None:
    """Score one step of a run, or all of them, and print and write the results beside the checkpoints.

    Raises:
        SaticlError: no such run or step, or other data than it was trained on.
    """
    steps = find_steps(config.run, config.task.step)
    whole = config.task.step == "all" and not is_finished(config.run)
    if config.joint is not None and not whole:
        raise InvalidOptions("--joint compares whole runs: give the folder of a run as --run, and --task.step all.")
    if config.against is not None and not whole:
        raise InvalidOptions("--against compares whole runs: give the folder of a run as --run, and --task.step all.")
    other = None if config.against is None else read_against(config.against, config.split, steps[-1].info)
    joint = None if config.joint is None else find_joint(config.joint, steps[-1].info)
    accelerator = scoring_accelerator()
    tested = [test_step(open_step(config, finished, accelerator)) for finished in steps]
    beside = None if joint is None else count(open_step(config, joint, accelerator))  # its folder stays as it is
    if accelerator.is_main_process and config.restricted:
        show_restricted(tested)
    if accelerator.is_main_process and whole:
        write_overview(config, tested, beside, other)
    leave_together(accelerator)


def open_step(config: TestConfig, finished: Finished, accelerator: Accelerator) -> Scoring:
    """A finished step, and the tiles that it is scored on.

    Raises:
        SaticlError: other data than it was trained on, no tiles in that split, or weights that cannot be used.
    """
    trained = trained_config(finished.folder)
    data = open_prepared(config.data_root or trained.data_root, finished.info.dataset)
    require_same_data(data, finished)
    if accelerator.is_main_process:
        warn_of_drift(data, finished.info)
    tiles = scored_tiles(data, config.split, trained.val_size, trained.seed)
    on = ScoredTiles(data.root, data.manifest, tiles, config.task.unseen, config.batch_size, config.num_workers)
    return Scoring(config, finished, Predictor.open(finished.folder, accelerator), on)


def test_step(scoring_of: Scoring) -> Tested:
    """Score one step and write its tables, figures and, on request, maps."""
    config, info = scoring_of.config, scoring_of.finished.info
    tested = count(scoring_of, step_ranges(info.task.head_sizes) if config.restricted else ())
    if scoring_of.predictor.accelerator.is_main_process:
        console.print(score_table(tested.scores, info.task, f"step {info.step}: {config.split} tiles, full truth"))
        write_results(scoring_of, tested)
        if config.panels > 0:
            draw_panels(scoring_of)
        console.print(f"[dim]{scoring_of.finished.folder}[/]")
    if config.predictions:
        write_predictions(scoring_of)
    return tested


def count(scoring_of: Scoring, groups: Sequence[range] = ()) -> Tested:
    """Count every pixel once, and again for each group of output indices among themselves."""
    matrix, *restricted = scoring.count(scoring_of.predictor, scoring_of.on, groups)
    task = scoring_of.predictor.task
    return Tested(scoring_of.finished, score(matrix, task.names, score_groups(task.head_sizes)), matrix, restricted)


def write_results(scoring_of: Scoring, tested: Tested) -> None:
    """JSON and figures of one step."""
    folder, split, predictor = scoring_of.finished.folder, scoring_of.config.split, scoring_of.predictor
    scores, matrix, figures = tested.scores, tested.matrix, folder / "figures"
    write_scores(folder, split, scores, matrix, scoring_of.on.unseen)
    confusion_figure(matrix, scores.names, figures / f"confusion-{split}.png")
    class_scores_figure(scores, predictor.colours, predictor.task.new, figures / f"classes-{split}.png")


def draw_panels(scoring_of: Scoring) -> None:
    """Image, truth, previous step, this step and errors of a few tiles spread over the scenes."""
    finished, predictor, on = scoring_of.finished, scoring_of.predictor, scoring_of.on
    number = min(scoring_of.config.panels, len(on.tiles))
    places = np.linspace(0, len(on.tiles) - 1, number).round().astype(int)
    chosen = replace(on, tiles=[on.tiles[place] for place in places])
    before: list[NDArray[np.uint8] | None] = [None] * number
    if is_finished(finished.previous):
        earlier = Predictor.open(finished.previous, predictor.accelerator)
        before = [one.predicted for one in scoring.maps(earlier, chosen)]
    rows = [
        (
            display_image(raster.read(on.image(tile)), predictor.bands),
            truth,
            predicted,
            previous,
        )
        for (tile, predicted, truth), previous in zip(scoring.maps(predictor, chosen), before, strict=True)
    ]
    path = finished.folder / "figures" / f"panels-{scoring_of.config.split}.png"
    panels_figure(rows, predictor.names, predictor.colours, path)


def write_predictions(scoring_of: Scoring) -> None:
    """The class map of every tile as GeoTIFF with the tile's place on the ground and a colour table."""
    predictor, on = scoring_of.predictor, scoring_of.on
    accelerator = predictor.accelerator
    folder = scoring_of.finished.folder / f"predictions-{scoring_of.config.split}"
    table = dict(enumerate(predictor.colours))
    for tile, predicted, _ in scoring.maps(predictor, on, accelerator.process_index, accelerator.num_processes):
        with raster.opened(on.image(tile)) as source:
            place = source.transform, source.crs
        path = folder / f"{tile.id.replace('/', '_')}.tif"
        raster.write(path, predicted[None], *place, nodata=IGNORE, colours=table)
