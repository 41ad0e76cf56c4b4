"""Runs that differ by their seed only, and what they say together.

A variant is everything about a run but its seed: the data, the protocol, the options of every step. What is only
bookkeeping does not count: two runs with another name, output folder or number of loader processes are one variant.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from saticl.runs.folder import find_steps
from saticl.runs.step import StepInfo
from saticl.runs.trained import dotted, read_options

BOOKKEEPING = frozenset(
    {
        "name",
        "comment",
        "dataset",
        "output_folder",
        "task.step",
        "task.protocols",
        "trainer.num_workers",
        "trainer.resume",
        "trainer.compile",
        "trainer.channels_last",
        "optimizer.later_lr",
        "tracking.uri",
        "tracking.experiment",
    }
)
"""Options that change nothing, or that are said better elsewhere: `dataset` is a check of the data, the protocol
counts by its classes and not by the file that names them, `optimizer.lr` of every step is the rate it began with."""

PREVIOUS = frozenset({"extend", "task.step_checkpoint"})
"""Options that name the previous step; where it is found, it counts itself and not by its folder."""

FACTS = ("dataset", "classes", "groups", "background", "bands", "mean", "std", "image_size", "precision")
"""What a checkpoint knows and its options do not say."""

SEED = "seed"


@dataclass(frozen=True)
class TrainedRun:
    """A run on disk, as far as it decides whether another one is the same."""

    folder: Path
    seeds: tuple[object, ...]
    """Of each finished step."""
    settings: Mapping[str, object]
    """Everything else that counts, by step and name: {"step 1: optimizer.lr": 0.001}."""


@dataclass(frozen=True)
class Variant:
    """Runs that are the same but for their seeds."""

    runs: tuple[TrainedRun, ...]
    """One per seed, in the order given."""
    repeated: tuple[TrainedRun, ...]
    """Runs whose seeds are among those already: they say nothing new, and no mean should count them."""


class Spread(NamedTuple):
    """Tables over seeds, element by element; each of the shape of one table."""

    mean: NDArray[np.float64]
    """NaN where no run has a number."""
    deviation: NDArray[np.float64]
    """Of a sample (n - 1); NaN where fewer than two runs have a number."""
    n: NDArray[np.int64]
    """How many runs have a number."""


def open_run(folder: Path) -> TrainedRun:
    """Read the finished steps of a run.

    Raises:
        InvalidCheckpoint: none is finished. InvalidRecord: options that are missing or damaged.
    """
    seeds: list[object] = []
    settings: dict[str, object] = {}
    for one in find_steps(folder, "all"):
        options = dotted(read_options(one.folder))
        seeds.append(options.pop(SEED, None))
        left_out = BOOKKEEPING if one.previous is None else BOOKKEEPING | PREVIOUS
        known = {**_options_that_count(options, left_out), **_facts(one.info)}
        settings |= {f"step {one.step}: {name}": value for name, value in known.items()}
    return TrainedRun(folder, tuple(seeds), settings)


def differences(runs: Sequence[TrainedRun]) -> dict[str, tuple[object, ...]]:
    """What differs between runs besides their seeds: its name, and the value in each run; None where it has none."""
    names = dict.fromkeys(name for run in runs for name in run.settings)
    values = {name: tuple(run.settings.get(name) for run in runs) for name in names}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def differ_by_seed_only(runs: Sequence[TrainedRun]) -> bool:
    """Whether runs are one variant, each with seeds of its own."""
    return not differences(runs) and len({run.seeds for run in runs}) == len(runs)


def variants(runs: Iterable[TrainedRun]) -> list[Variant]:
    """Runs grouped by what they share, in the order in which they came."""
    groups: list[list[TrainedRun]] = []
    for run in runs:
        mine = next((group for group in groups if group[0].settings == run.settings), None)
        if mine is None:
            groups.append([run])
        else:
            mine.append(run)
    return [_variant(group) for group in groups]


def spread(tables: Sequence[ArrayLike]) -> Spread:
    """Mean and deviation over seeds of tables of one shape (or of single numbers), unknown entries (NaN) skipped."""
    if not tables:
        return Spread(np.array(np.nan), np.array(np.nan), np.array(0))
    stack = np.stack([np.asarray(table, dtype=np.float64) for table in tables])
    known = ~np.isnan(stack)
    n = known.sum(axis=0)
    mean = _divided(np.where(known, stack, 0).sum(axis=0), n)
    squares = np.where(known, (stack - mean) ** 2, 0).sum(axis=0)
    return Spread(mean, np.sqrt(_divided(squares, n - 1)), n)


def spread_by_name(rows: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """`spread` of every number of one row per run; a row without a number does not count for it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: spread([row.get(name, np.nan) for row in rows]) for name in names}


def _divided(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _variant(group: Sequence[TrainedRun]) -> Variant:
    first = {run.seeds: run for run in reversed(group)}
    kept = tuple(run for run in group if first[run.seeds] is run)
    return Variant(kept, tuple(run for run in group if first[run.seeds] is not run))


def _options_that_count(options: Mapping[str, object], left_out: Set[str]) -> dict[str, object]:
    """Without those that are left out; the folder of the tiles counts by where it is, not by how it was typed."""
    counting = {name: value for name, value in options.items() if name not in left_out}
    if isinstance(root := counting.get("data_root"), str):
        counting["data_root"] = str(Path(root).resolve())
    return counting


def _facts(info: StepInfo) -> dict[str, object]:
    return {f"checkpoint.{name}": getattr(info, name) for name in FACTS}
