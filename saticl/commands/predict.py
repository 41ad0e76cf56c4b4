"""`predict`: class maps of whole images, by one process or many; polygons and scores of them on request."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from saticl.commands.cluster import cluster_executor
from saticl.config import PredictConfig
from saticl.cutting.executor import completed, raise_failures
from saticl.cutting.survey import Failures
from saticl.display.console import console
from saticl.display.scene_bar import PAUSE_S, SceneBar
from saticl.display.tables import percent, score_table
from saticl.engine.device import leave_together
from saticl.errors import InvalidOptions, InvalidRaster, SaticlError, alone
from saticl.files import write_json
from saticl.geo.imagery import open_image
from saticl.geo.polygonise import write_polygons
from saticl.geo.raster import environment
from saticl.geo.remote import is_remote
from saticl.geo.windows import grid
from saticl.inference.fit import what_does_not_fit
from saticl.inference.making import Team, is_finished, make_map, origin
from saticl.inference.maps import Place, Wanted
from saticl.inference.parts import said
from saticl.inference.predictor import Predictor, scoring_accelerator
from saticl.inference.scenes import SCORES, SUMMARY, places
from saticl.inference.sliding import Tiling
from saticl.inference.truth import compare, masks_of
from saticl.labels import BACKGROUND, IGNORE
from saticl.metrics.scores import score, score_groups


@dataclass(frozen=True)
class Work:
    """An image, and what is to be made of it."""

    predictor: Predictor
    place: Place
    wanted: Wanted
    height: int
    width: int
    is_finished: bool


def predict(config: PredictConfig) -> None:
    """Write the map of every image; a map that is there already stays, and what was interrupted continues.

    Raises:
        SaticlError: no such run or image, an image that does not fit the network, a disk that is full. Images that
            cannot be opened do not stop the others.
    """
    scenes = places(config.scenes, config.dst)
    masks = None if config.ground_truth is None else masks_of([one.dst.stem for one in scenes], config.ground_truth)
    _check_vector(config, scenes)
    accelerator = scoring_accelerator()
    predictor = Predictor.open(config.run, config.task.step, accelerator=accelerator)
    wanted = Wanted(_tiling(config, predictor), config.confidence, config.probabilities)
    work, failed = _opened(config, predictor, scenes, wanted)  # all are looked at before the first is predicted
    if config.cluster is not None and accelerator.is_main_process:
        _predict_elsewhere(config.cluster, config.run, work)
    accelerator.wait_for_everyone()
    _predict_here(config, work)
    if accelerator.is_main_process and work:
        _summarise(config, work)
        if masks is not None and not failed:
            _score(config, work, masks)
    raise_failures(failed, config.dst)
    leave_together(accelerator)


def _check_vector(config: PredictConfig, scenes: Sequence[Place]) -> None:
    if config.vector is None and (config.min_area or config.simplify):
        raise InvalidOptions("--min-area and --simplify are about polygons: add --vector gpkg, or leave them out.")
    picture = next((place.source for place in scenes if place.dst.suffix == ".png"), None)
    if config.vector is not None and picture is not None:
        raise InvalidOptions(f"--vector needs images with a place on the ground, but {picture} is a picture.")


def _opened(
    config: PredictConfig, predictor: Predictor, scenes: Sequence[Place], wanted: Wanted
) -> tuple[list[Work], Failures]:
    """What there is to do, and why other images cannot be used."""
    work: list[Work] = []
    failed: Failures = {}
    for place in scenes:
        try:
            work.append(_looked_at(config, predictor, place, wanted))
        except InvalidRaster as error:
            failed[place.source] = error
    return work, failed


def _looked_at(config: PredictConfig, predictor: Predictor, place: Place, wanted: Wanted) -> Work:
    with environment(), open_image(place.source, predictor.bands) as reader:
        if (
            config.vector is not None
            and reader.crs is None
            and (config.vector == "geojson" or config.min_area or config.simplify)
        ):
            raise InvalidOptions(
                f"{place.source} does not say in which coordinate system it lies, which --vector geojson, --min-area "
                "and --simplify need: leave them out, or write --vector gpkg alone."
            )
        is_there = is_finished(place, origin(predictor, place, reader, wanted), wanted)
        if predictor.accelerator.is_main_process and not is_there:
            for warning in what_does_not_fit(reader, predictor.info):
                console.print(f"[yellow]Warning:[/] {warning}", highlight=False)
        return Work(predictor, place, wanted, reader.height, reader.width, is_there)


def _predict_here(config: PredictConfig, work: Sequence[Work]) -> None:
    """Every process predicts its share of the rows of every image; the first one puts them together."""
    left = [one for one in work if not one.is_finished]
    pixels = sum(one.height * one.width for one in left)
    accelerator = work[0].predictor.accelerator if work else None
    world = 1 if accelerator is None else accelerator.num_processes
    with SceneBar("predicting", max(pixels // world, 1), "Mpx", 10**6, PAUSE_S) as bar:
        for number, one in enumerate(work):
            make_map(one.predictor, one.place, one.wanted, partial(_report, bar, one), _team(one.predictor, number))
            if one.predictor.accelerator.is_main_process and config.vector is not None:
                _write_polygons(config, one)


def _report(bar: SceneBar, work: Work, rows: int) -> None:
    bar.finished(work.place.dst.stem, rows * work.width)


def _team(predictor: Predictor, number: int) -> Team:
    """The processes, in another order for every image: the parts of small ones are fewer than processes."""
    accelerator = predictor.accelerator
    world = accelerator.num_processes
    return Team(accelerator.process_index, world, accelerator.wait_for_everyone, number % world)


def _predict_elsewhere(address: str, run: Path, work: Sequence[Work]) -> None:
    """Let the workers of a cluster make all maps; they see the same folders under the same names."""
    if not work:
        return
    folder, step = run.absolute(), work[0].predictor.task.step
    with cluster_executor(address) as executor, SceneBar("predicting", len(work), "images") as bar:
        absolute = [Place(_absolute(one.place.source), one.place.dst.absolute()) for one in work]
        for place, error in completed(executor, predict_one, absolute, folder, step, work[0].wanted):
            if error is not None:
                raise error
            bar.finished(place.dst.stem, 1)


def predict_one(place: Place, run: Path, step: int, wanted: Wanted) -> SaticlError | None:
    """The map of one image, by a worker of a cluster; returns what `make_map` raises, because that can be sent."""
    try:
        make_map(_opened_once(run, step), place, wanted, lambda rows: None)
    except SaticlError as error:
        return alone(error)
    return None


@cache
def _opened_once(run: Path, step: int) -> Predictor:
    """A worker predicts many images with one network."""
    return Predictor.open(run, step)


def _absolute(source: str) -> str:
    return source if is_remote(source) or source.startswith("/vsi") else str(Path(source).absolute())


def _tiling(config: PredictConfig, predictor: Predictor) -> Tiling:
    usual = predictor.default_tiling
    size = config.size or usual.size
    overlap = size // 4 if config.overlap is None else config.overlap
    grid(1, 1, size, overlap)  # refuses an overlap that does not fit
    return Tiling(size, overlap, config.batch_size, config.tta)


def _write_polygons(config: PredictConfig, work: Work) -> None:
    """The polygons of a map beside it; an artificial background is none of them."""
    predictor, place = work.predictor, work.place
    written = write_polygons(
        place.dst.with_suffix(f".{config.vector}"),
        place.dst,
        dict(enumerate(predictor.names)),
        place.name,
        place.further("confidence") if work.wanted.confidence else None,
        config.min_area,
        config.simplify,
        without=() if predictor.info.background else (BACKGROUND,),
    )
    console.print(f"{place.dst.stem}: {written.total():,} polygons", highlight=False)


def _summarise(config: PredictConfig, work: Sequence[Work]) -> None:
    """Print and write what the maps show."""
    predictor, facts = work[0].predictor, [_facts(one) for one in work]
    counts = np.array([[row["pixels"] for row in one["classes"]] for one in facts]).sum(axis=0)
    empty = sum(int(one["nodata"]["pixels"]) for one in facts)
    title = "what the map shows" if len(work) == 1 else f"what the {len(work)} maps show"
    table = Table(title=title, title_justify="left", header_style="bold")
    for column, side in (("value", "right"), ("class", "left"), ("% of data", "right"), ("pixels", "right")):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    for value, (name, count) in enumerate(zip(predictor.names, counts.tolist(), strict=True)):
        table.add_row(str(value), name, percent(count / max(counts.sum(), 1)), f"{count:,}")
    table.add_row(str(IGNORE), "no data", "", f"{empty:,}", style="dim")
    console.print(table)
    write_json(config.dst / SUMMARY, {"maps": facts})
    console.print(f"[dim]{config.dst}[/]")


def _facts(work: Work) -> dict[str, Any]:
    return said(work.place.facts)


def _score(config: PredictConfig, work: Sequence[Work], masks: Sequence[Path]) -> None:
    """Print and write the scores of all maps together."""
    predictor = work[0].predictor
    matrix = np.sum(
        [compare(one.place.dst, mask, predictor.colours) for one, mask in zip(work, masks, strict=True)], 0
    )
    scores = score(matrix, predictor.names, score_groups(predictor.task.head_sizes))
    console.print(score_table(scores, predictor.task, f"step {predictor.task.step} against {config.ground_truth}"))
    write_json(config.dst / SCORES, {**scores.to_dict(), "matrix": matrix})
