"""`predict`: class maps of whole images, by one process or many; polygons and scores of them on request."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from saticl.commands.cluster import cluster_executor
from saticl.config import PredictConfig
from saticl.cutting.executor import completed
from saticl.display.console import console
from saticl.display.scene_bar import PAUSE_S, SceneBar
from saticl.display.tables import percent, score_table
from saticl.engine.device import leave_together
from saticl.errors import InvalidOptions
from saticl.files import write_json
from saticl.geo.imagery import ImageReader, open_image
from saticl.geo.polygonise import write_polygons
from saticl.geo.raster import environment
from saticl.geo.remote import is_remote
from saticl.geo.windows import grid
from saticl.inference.fit import what_does_not_fit
from saticl.inference.maps import Place, Wanted, assemble, in_one_go, is_finished, origin, predict_rows
from saticl.inference.parts import Parts, said
from saticl.inference.predictor import Predictor, scoring_accelerator
from saticl.inference.scenes import places
from saticl.inference.sliding import Tiling
from saticl.inference.truth import compare, masks_of
from saticl.labels import BACKGROUND, IGNORE
from saticl.metrics.scores import score, score_groups
from saticl.runs.folder import is_finished as is_finished_step

SUMMARY = "predict.json"
"""What was made of which image, in the folder of the maps."""


@dataclass(frozen=True)
class Work:
    """An image, and what is to be made of it."""

    predictor: Predictor
    place: Place
    wanted: Wanted
    height: int
    width: int

    @property
    def parts(self) -> Parts:
        """Its unfinished rows."""
        return Parts(self.place.parts, self.height, self.wanted.kinds)


def predict(config: PredictConfig) -> None:
    """Write the map of every image; what is there already stays, and what was interrupted continues.

    Raises:
        SaticlError: no such run or image, an image that does not fit the network, a disk that is full.
    """
    scenes = places(config.scenes, config.dst)
    masks = None if config.ground_truth is None else masks_of([one.dst.stem for one in scenes], config.ground_truth)
    _check_vector(config, scenes)
    accelerator = scoring_accelerator()
    predictor = Predictor.open(config.run, config.task.step, accelerator=accelerator)
    wanted = Wanted(_tiling(config, predictor), config.confidence, config.probabilities)
    work = [_opened(predictor, place, wanted) for place in scenes]  # all are looked at before the first is predicted
    if config.cluster is not None and accelerator.is_main_process:
        _predict_elsewhere(config.cluster, config.run, work)
    accelerator.wait_for_everyone()
    for one in work:
        _predict(one)
        if accelerator.is_main_process and config.vector is not None:
            _write_polygons(config, one)
    if accelerator.is_main_process:
        _summarise(config, work)
        if masks is not None:
            _score(config, work, masks)
    leave_together(accelerator)


def _check_vector(config: PredictConfig, scenes: Sequence[Place]) -> None:
    if config.vector is None and (config.min_area or config.simplify):
        raise InvalidOptions("--min-area and --simplify are about polygons: add --vector gpkg, or leave them out.")
    picture = next((place.source for place in scenes if place.dst.suffix == ".png"), None)
    if config.vector is not None and picture is not None:
        raise InvalidOptions(f"--vector needs images with a place on the ground, but {picture} is a picture.")


def _opened(predictor: Predictor, place: Place, wanted: Wanted) -> Work:
    with environment(), open_image(place.source, predictor.bands) as reader:
        if predictor.accelerator.is_main_process:
            for warning in what_does_not_fit(reader, predictor.info):
                console.print(f"[yellow]Warning:[/] {warning}", highlight=False)
        return Work(predictor, place, wanted, reader.height, reader.width)


def _predict(work: Work) -> None:
    """Every process predicts its share of the rows; the first one puts them together."""
    accelerator, parts = work.predictor.accelerator, work.parts
    options = origin(work.predictor, work.place.source, work.wanted)
    if is_finished(work.place, options, work.wanted):
        return
    accelerator.wait_for_everyone()  # nobody begins before all have seen whether it is finished
    if accelerator.is_main_process:
        parts.begin(options)
    accelerator.wait_for_everyone()
    missing = parts.missing(parts.share(accelerator.process_index, accelerator.num_processes))
    pixels = sum(map(len, missing)) * work.width
    with environment(), open_image(work.place.source, work.predictor.bands) as reader:
        _predict_missing(work, reader, missing, pixels)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        assemble(work.predictor, work.place, parts, options)
    accelerator.wait_for_everyone()


def _predict_elsewhere(address: str, run: Path, work: Sequence[Work]) -> None:
    """Let the workers of a cluster make all maps; they see the same folders under the same names."""
    with cluster_executor(address) as executor, SceneBar("predicting", len(work), "images") as bar:
        step, folder = work[0].predictor.task.step, run.absolute()
        places = [Place(_absolute(one.place.source), one.place.dst.absolute()) for one in work]
        for place, _ in completed(executor, predict_one, places, folder, step, work[0].wanted):
            bar.finished(place.dst.stem, 1)


def predict_one(place: Place, run: Path, step: int, wanted: Wanted) -> None:
    """The map of one image, by a worker of a cluster."""
    in_one_go(_opened_once(run, step), place, wanted, lambda rows: None)


@cache
def _opened_once(run: Path, step: int) -> Predictor:
    """A worker predicts many images with one network."""
    return Predictor.open(run, None if is_finished_step(run) else step)


def _absolute(source: str) -> str:
    return source if is_remote(source) or source.startswith("/vsi") else str(Path(source).absolute())


def _predict_missing(work: Work, reader: ImageReader, missing: Sequence[range], pixels: int) -> None:
    with SceneBar("predicting", pixels, "Mpx", 10**6, PAUSE_S) as bar:
        for rows in missing:
            predict_rows(
                work.predictor,
                reader,
                work.wanted,
                work.parts,
                rows,
                lambda done: bar.finished(work.place.dst.stem, done * work.width),
            )


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
        place.source,
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
    write_json(config.dst / "scores.json", {**scores.to_dict(), "matrix": matrix})
