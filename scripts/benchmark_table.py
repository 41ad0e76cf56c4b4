"""Numbers of several runs as one table: mean and deviation over seeds. Used by benchmark_methods.py."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from saticl.runs.journal import Epoch
from saticl.runs.variants import Spread, spread_by_name

SCORES = {
    "base": "old",
    "added": "new",
    "final": "all",
    "average": "average",
    "harmonic": "harmonic",
    "forgetting": "forgetting",
    "gap": "gap to joint",
}
"""Names in steps-<split>.json, as `docs/metrics.md` defines them, and their headings. Shares, shown in percent."""
COSTS = {"seconds_per_iteration": "s/iteration", "peak_memory_mb": "peak memory, MiB"}


@dataclass(frozen=True)
class Result:
    """One method trained with one seed."""

    method: str
    seed: int
    log: str
    numbers: Mapping[str, float] | None
    """By the names in SCORES and COSTS; None: it failed, and the log says why."""


@dataclass(frozen=True)
class Row:
    """A method over its seeds."""

    method: str
    seeds: list[int]
    """Those that finished."""
    failed: list[str]
    """Logs of those that did not."""
    values: dict[str, tuple[float, float]]
    """Mean and deviation by name, as of `saticl.runs.variants`."""


def costs(steps: Sequence[Sequence[Epoch]]) -> dict[str, float]:
    """Median seconds per iteration over the epochs of later steps, and the most memory of any epoch.

    Methods differ after step 0 only, so its time counts only where there is no later step.
    """
    counted = [epoch.costs for step in (steps[1:] or steps) for epoch in step]
    paces = known(cost.seconds / cost.iterations for cost in counted)
    peaks = known(epoch.costs.peak_memory_mb for step in steps for epoch in step)
    return {
        "seconds_per_iteration": statistics.median(paces) if paces else math.nan,
        "peak_memory_mb": max(peaks, default=math.nan),
    }


def known(values: Iterable[float]) -> list[float]:
    """Those that are numbers."""
    return [value for value in values if not math.isnan(value)]


def summarize(results: Sequence[Result]) -> list[Row]:
    """One row per method, in the order in which they came."""
    rows = []
    for method in dict.fromkeys(result.method for result in results):
        mine = [result for result in results if result.method == method]
        numbers = [result.numbers for result in mine if result.numbers is not None]
        spreads = spread_by_name(numbers) if numbers else {}
        rows.append(
            Row(
                method=method,
                seeds=[result.seed for result in mine if result.numbers is not None],
                failed=[result.log for result in mine if result.numbers is None],
                values={name: pair(spreads.get(name)) for name in (*SCORES, *COSTS)},
            )
        )
    return rows


def pair(spread: Spread | None) -> tuple[float, float]:
    """Mean and deviation of one number; unknown where no run has it."""
    return (math.nan, math.nan) if spread is None else (float(spread.mean), float(spread.deviation))


def flat(row: Row) -> dict[str, object]:
    """A row for JSON: `<name>_mean` and `<name>_std` for every number."""
    values = {
        f"{name}_{kind}": value
        for name, both in row.values.items()
        for kind, value in zip(("mean", "std"), both, strict=True)
    }
    return {"method": row.method, "seeds": row.seeds, "failed": row.failed, **values}


def as_csv(rows: Sequence[Row]) -> str:
    """One line per method; lists joined by spaces, nothing for what is not known."""

    def cell(value: object) -> object:
        if isinstance(value, list):
            return " ".join(map(str, value))
        return "" if isinstance(value, float) and math.isnan(value) else value

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(flat(rows[0]))
    writer.writerows([cell(value) for value in flat(row).values()] for row in rows)
    return text.getvalue()


def as_markdown(title: str, rows: Sequence[Row]) -> str:
    """The table for people: percent for scores, columns without any number left out."""
    columns = [name for name in (*SCORES, *COSTS) if known(row.values[name][0] for row in rows)]
    headings = ["method", "seeds", *(({**SCORES, **COSTS})[name] for name in columns)]
    lines = [title, "", f"| {' | '.join(headings)} |", "|---" * 2 + "|---:" * len(columns) + "|"]
    for row in rows:
        seeds = ", ".join([*map(str, row.seeds), *(f"failed: {log}" for log in row.failed)])
        cells = [row.method, seeds, *(shown(name, *row.values[name]) for name in columns)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def shown(name: str, mean: float, deviation: float) -> str:
    """A number with its deviation, in the digits that its kind deserves."""
    if math.isnan(mean):
        return "-"
    scale, digits = (100, 1) if name in SCORES else (1, 3 if name == "seconds_per_iteration" else 0)
    text = f"{scale * mean:.{digits}f}"
    return text if math.isnan(deviation) else f"{text} ± {scale * deviation:.{digits}f}"
