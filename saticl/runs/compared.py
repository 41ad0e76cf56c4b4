"""`compare.json` and `compare.csv`: several variants with several seeds and learning orders, in one table."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from saticl.files import write_atomically
from saticl.labels import Unseen
from saticl.metrics.bootstrap import LEVEL, RESAMPLES, SEED, paired_intervals
from saticl.runs.measured import COSTS, ClassScore
from saticl.runs.records import Number, Record, read_record, write_record
from saticl.runs.scores import ScoredSplit
from saticl.runs.trained import OptionTree
from saticl.runs.variants import spread_by_name

COMPARE_FILE, CSV_FILE = "compare.json", "compare.csv"

CSV_COLUMNS = ("task", "variant", "seed", "step", "class", "class_step", "iou")
"""A row per run, step and class; `class_step` is empty for the background, `iou` without ground truth."""

Status = Literal["finished", "failed", "left"]


class RunRow(Record):
    """One variant with one seed and one task."""

    task: str
    variant: str
    seed: int
    status: Status
    folder: str
    log: str
    reason: str = ""
    """Why it failed."""
    base: str | None = None
    """The variant whose step 0 it started from; None: its own."""
    numbers: dict[str, Number] = Field({})
    """As of `measured.py`; empty where it is not finished."""


class Value(Record):
    """One number over runs."""

    mean: Number
    deviation: Number
    """Of a sample (n - 1); NaN for a single run."""
    n: int
    """How many runs know it."""


class Difference(Record):
    """How much more than the baseline, over pairs of the same seed and task."""

    mean: Number
    low: Number
    """End of the 95 % interval; NaN for fewer than two pairs."""
    high: Number
    pairs: int


class VariantRow(Record):
    """A variant over its finished runs, of one task or of all."""

    task: str | None
    """None: all tasks together."""
    variant: str
    seeds: tuple[int, ...]
    values: dict[str, Value]
    differences: dict[str, Difference]
    """By score; empty for the baseline itself."""


class Bootstrap(Record):
    """How intervals were made."""

    resamples: int = RESAMPLES
    seed: int = SEED
    level: float = LEVEL


class Comparison(Record):
    """All that `compare.json` holds."""

    format: Literal[1] = 1
    version: str
    dataset: str
    split: ScoredSplit
    unseen: Unseen
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]
    variants: dict[str, OptionTree]
    """The options of `train`, by variant, in order."""
    baseline: str
    shares_base: bool
    joint: str | None
    bootstrap: Bootstrap = Bootstrap()
    rows: tuple[VariantRow, ...]
    runs: tuple[RunRow, ...]


@dataclass(frozen=True)
class Result:
    """A run as it is now."""

    row: RunRow
    classes: tuple[ClassScore, ...] = ()


def write_comparison(folder: Path, record: Comparison, results: Sequence[Result]) -> None:
    """Write both files."""
    write_record(folder / COMPARE_FILE, record)
    write_atomically(folder / CSV_FILE, as_csv(results))


def read_comparison(folder: Path) -> Comparison:
    """The record in a folder.

    Raises:
        InvalidRecord: there is none, or it cannot be read.
    """
    return read_record(folder / COMPARE_FILE, Comparison, "run `compare` again, which keeps finished runs")


def as_csv(results: Iterable[Result]) -> str:
    """IoU of every class after every step of every finished run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for result in results:
        row = result.row
        for one in result.classes:
            iou = "" if math.isnan(one.iou) else one.iou
            writer.writerow((row.task, row.variant, row.seed, one.step, one.name, one.learned, iou))
    return text.getvalue()


def summarize(
    runs: Sequence[RunRow], variants: Sequence[str], tasks: Sequence[str], baseline: str
) -> tuple[VariantRow, ...]:
    """A row per variant for every task, and for all together where there are several; only finished runs count."""
    scopes: list[str | None] = [*tasks, *([None] if len(tasks) > 1 else [])]
    finished = [run for run in runs if run.status == "finished"]
    rows = []
    for task in scopes:
        within = [run for run in finished if task in (None, run.task)]
        by_variant = {name: [run for run in within if run.variant == name] for name in variants}
        for name, mine in by_variant.items():
            theirs = [] if name == baseline else by_variant[baseline]
            rows.append(
                VariantRow(
                    task=task,
                    variant=name,
                    seeds=tuple(dict.fromkeys(run.seed for run in mine)),
                    values=_values(mine),
                    differences=_differences(mine, theirs),
                )
            )
    return tuple(rows)


def _values(runs: Sequence[RunRow]) -> dict[str, Value]:
    spreads = spread_by_name([run.numbers for run in runs])
    return {
        name: Value(mean=float(one.mean), deviation=float(one.deviation), n=int(one.n))
        for name, one in spreads.items()
    }


def _differences(ours: Sequence[RunRow], theirs: Sequence[RunRow]) -> dict[str, Difference]:
    """Of all scores, over the pairs of one seed and one task of which both runs are finished."""
    partners: Mapping[tuple[str, int], RunRow] = {(run.task, run.seed): run for run in theirs}
    pairs = [(run, partners[run.task, run.seed]) for run in ours if (run.task, run.seed) in partners]
    names = [name for name in dict.fromkeys(name for run, _ in pairs for name in run.numbers) if name not in COSTS]
    if not names:
        return {}
    left, right = (
        np.array([[run.numbers.get(name, math.nan) for name in names] for run in side])
        for side in zip(*pairs, strict=True)
    )
    found = paired_intervals(left, right)
    columns = zip(found.mean.tolist(), found.low.tolist(), found.high.tolist(), found.pairs.tolist(), strict=True)
    return {
        name: Difference(mean=mean, low=low, high=high, pairs=number)
        for name, (mean, low, high, number) in zip(names, columns, strict=True)
    }
