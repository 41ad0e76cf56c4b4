"""`test`: score finished steps against the full truth; tables, figures, JSON and, on request, georeferenced maps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from saticl.commands.overview import show_labels, show_restricted, write_overview
from saticl.commands.prepared import warn_of_drift, warn_of_resolution
from saticl.commands.scored import (
    require_same_validation,
    require_scorable,
    scored_folders,
    scored_labels,
    warn_of_unlabelled,
)
from saticl.config import TestConfig
from saticl.display.console import console
from saticl.display.figures import PanelRow, class_scores_figure, confusion_figure, display_image, panels_figure
from saticl.display.tables import score_table
from saticl.engine.device import leave_together
from saticl.errors import InvalidOptions
from saticl.geo import raster
from saticl.inference import scoring
from saticl.inference.predictor import Predictor, scoring_accelerator
from saticl.inference.scoring import ScoredTiles
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
    on: Sequence[ScoredTiles]
    keeps: bool
    """Whether the results are written into the step's folder: not into that of another run."""

    @property
    def tiles(self) -> str:
        """What the tables call the tiles."""
        names = " and ".join(str(on.root) for on in self.on)
        return f"{self.config.split} tiles" + (f" of {names}" if len(self.on) > 1 or self.config.data_root else "")


def test(config: TestConfig) -> None:
    """Score one step of a run, or all of them, and print and write the results beside the checkpoints.

    Raises:
        SaticlError: no such run or step, or data on which it cannot be scored.
    """
    steps = find_steps(config.run, config.task.step)
    whole = config.task.step == "all" and not is_finished(config.run)
    if config.joint is not None and not whole:
        raise InvalidOptions("--joint compares whole runs: give the folder of a run as --run, and --task.step all.")
    if config.against is not None and not whole:
        raise InvalidOptions("--against compares whole runs: give the folder of a run as --run, and --task.step all.")
    other = None if config.against is None else read_against(config.against, config.split, steps[-1].info)
    joint = None if config.joint is None else find_joint(config.joint, steps[-1].info)
    if joint is not None and config.split == "val":
        require_same_validation(joint, steps[-1])
    accelerator = scoring_accelerator()
    folders = scored_folders(config, steps[-1], accelerator.is_main_process)
    for finished in (*steps, *([] if joint is None else [joint])):
        require_scorable(finished, folders, is_one_of_many=len(steps) > 1)
    if accelerator.is_main_process:
        warn(steps[-1], folders)
    tested = [test_step(open_step(config, finished, folders, accelerator)) for finished in steps]
    beside = None if joint is None else count(open_step(config, joint, folders, accelerator))
    if accelerator.is_main_process and config.restricted:
        show_restricted(tested)
        show_labels(scored_labels(config, folders))
    if accelerator.is_main_process and whole:
        write_overview(config, tested, scored_labels(config, folders), beside, other)
    leave_together(accelerator)


def warn(last: Finished, folders: Sequence[ScoredTiles]) -> None:
    """Print what may make scores low, or leaves them unknown."""
    for on in folders:
        warn_of_drift(on, last.info)
        warn_of_resolution(on, last.info)
    warn_of_unlabelled(last, folders)


def open_step(
    config: TestConfig, finished: Finished, folders: Sequence[ScoredTiles], accelerator: Accelerator
) -> Scoring:
    """A finished step, and the tiles that it is scored on.

    Raises:
        SaticlError: weights that cannot be used.
    """
    own = finished.folder.parent.resolve() == config.run.resolve() or is_finished(config.run)
    return Scoring(config, finished, Predictor.open(finished.folder, accelerator=accelerator), folders, own)


def test_step(scoring_of: Scoring) -> Tested:
    """Score one step and write its tables, figures and, on request, maps."""
    config, info = scoring_of.config, scoring_of.finished.info
    tested = count(scoring_of, step_ranges(info.task.head_sizes) if config.restricted else ())
    if scoring_of.predictor.accelerator.is_main_process:
        title = f"step {info.step}: {scoring_of.tiles}, full truth"
        console.print(score_table(tested.scores, info.task, title))
        show_labels(scored_labels(config, scoring_of.on))
        if scoring_of.keeps:
            write_results(scoring_of, tested)
            if config.panels > 0:
                draw_panels(scoring_of)
        console.print(f"[dim]{scoring_of.finished.folder}[/]")
    if config.predictions and scoring_of.keeps:
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
    data = [str(on.root) for on in scoring_of.on]
    write_scores(folder, split, scores, matrix, scored_labels(scoring_of.config, scoring_of.on), data)
    confusion_figure(matrix, scores.names, figures / f"confusion-{split}.png")
    class_scores_figure(scores, predictor.colours, predictor.task.new, figures / f"classes-{split}.png")


def draw_panels(scoring_of: Scoring) -> None:
    """Image, truth, previous step, this step and errors of a few tiles spread over the scenes of all folders."""
    finished, predictor = scoring_of.finished, scoring_of.predictor
    previous = finished.previous
    earlier = None if previous is None else Predictor.open(previous.folder, accelerator=predictor.accelerator)
    rows = [
        row for on in spread(scoring_of.on, scoring_of.config.panels) for row in panel_rows(predictor, earlier, on)
    ]
    path = finished.folder / "figures" / f"panels-{scoring_of.config.split}.png"
    panels_figure(rows, predictor.names, predictor.colours, path)


def spread(folders: Sequence[ScoredTiles], number: int) -> list[ScoredTiles]:
    """This many tiles at equal distances in the list of all tiles of all folders."""
    ends = np.cumsum([len(on.tiles) for on in folders])
    places = np.linspace(0, ends[-1] - 1, min(number, ends[-1])).round().astype(int)
    starts = [0, *ends[:-1].tolist()]
    return [
        replace(on, tiles=[on.tiles[place - start] for place in places if start <= place < end])
        for on, start, end in zip(folders, starts, ends.tolist(), strict=True)
    ]


def panel_rows(predictor: Predictor, earlier: Predictor | None, on: ScoredTiles) -> list[PanelRow]:
    """What the figure shows of these tiles, without the previous step where there is none."""
    before: list[NDArray[np.uint8] | None] = [None] * len(on.tiles)
    if earlier is not None:
        before = [one.predicted for one in scoring.maps(earlier, on)]
    return [
        (display_image(raster.read(on.image(tile)), predictor.bands), truth, predicted, previous)
        for (tile, predicted, truth), previous in zip(scoring.maps(predictor, on), before, strict=True)
    ]


def write_predictions(scoring_of: Scoring) -> None:
    """The class map of every tile as GeoTIFF with the tile's place on the ground and a colour table; 255: no data.

    With several folders, those of each go to a folder of its number.
    """
    predictor, several = scoring_of.predictor, len(scoring_of.on) > 1
    accelerator = predictor.accelerator
    folder = scoring_of.finished.folder / f"predictions-{scoring_of.config.split}"
    table = dict(enumerate(predictor.colours))
    for number, on in enumerate(scoring_of.on):
        target = folder / str(number) if several else folder
        for tile, predicted, _ in scoring.maps(predictor, on, accelerator.process_index, accelerator.num_processes):
            with raster.opened(on.image(tile)) as source:
                place = source.transform, source.crs
            path = target / f"{tile.id.replace('/', '_')}.tif"
            valid = raster.read_valid(on.image(tile)) if tile.invalid else True
            shown = np.where(valid, predicted, np.uint8(IGNORE))
            raster.write(path, shown[None], *place, nodata=IGNORE, colours=table)
