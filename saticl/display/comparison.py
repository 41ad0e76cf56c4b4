"""A comparison of variants as tables: for the terminal in 80 columns, and as Markdown."""

import math
from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table

from saticl.display.tables import percent
from saticl.runs.compared import Comparison, VariantRow

SCORES = {
    "base": "old",
    "added": "new",
    "final": "all",
    "average": "aver-\nage",
    "harmonic": "har-\nmonic",
    "background": "back-\nground",
    "forgetting": "forget-\nting",
    "gap": "gap to\njoint",
}
"""Scores, as docs/metrics.md defines them, and their headings; in percent."""

COMPARED = ("base", "added", "final", "harmonic", "background", "forgetting")
"""Scores of which the difference to the baseline is shown; the record has those of all."""

COSTS = {
    "seconds_per_iteration": "s/iteration",
    "peak_memory_mb": "peak memory, MiB",
    "train_seconds": "training, min",
}

ROUGH = 6
"""With fewer pairs, the documentation explains how little an interval says."""


def comparison_tables(record: Comparison) -> list[Table]:
    """Per task, and for all together: scores, differences to the baseline, costs; each at most 80 columns wide."""
    tables = []
    for task in dict.fromkeys(row.task for row in record.rows):
        rows = [row for row in record.rows if row.task == task]
        tables += [
            _score_table(rows, f"{_scope(task)}: {record.split} tiles, %, mean and deviation over {_runs(task)}"),
            *_difference_table(rows, f"{_scope(task)}: difference to {record.baseline}, and its 95 % interval"),
            _cost_table(rows, f"{_scope(task)}: time and memory, mean over {_runs(task)}"),
        ]
    return tables


def notes(record: Comparison) -> list[str]:
    """What has to be known to read the tables, a sentence each."""
    said = []
    shared = list(dict.fromkeys(run.variant for run in record.runs if run.base is not None))
    if shared:
        first = next(iter(record.variants))
        said.append(f"Step 0 of {', '.join(shared)} is that of {first}, for every seed and task.")
    pairs = [one.pairs for row in record.rows for one in row.differences.values() if one.pairs > 0]
    if pairs and min(pairs) < 2:
        said.append("No interval where there are fewer than 2 pairs of runs with the same seed and task.")
    elif pairs and min(pairs) < ROUGH:
        said.append(f"Intervals of {min(pairs)} pairs are rough: more seeds or tasks make them meaningful.")
    return said


def as_markdown(record: Comparison) -> str:
    """The same tables for a page, with runs that failed or are left."""
    lines = [
        f"{record.dataset}, {record.split} tiles. Mean IoU in %, background left out of old, new and all; mean ± "
        f"sample deviation. Differences to {record.baseline} with paired bootstrap 95 % intervals "
        f"({record.bootstrap.resamples:,} resamples).",
        *(f"\n{note}" for note in notes(record)),
    ]
    for task in dict.fromkeys(row.task for row in record.rows):
        rows = [row for row in record.rows if row.task == task]
        scores, costs = _present(SCORES, rows), _present(COSTS, rows)
        headings = [*(_flat(SCORES[name]) for name in scores), *(COSTS[name] for name in costs)]
        lines += ["", f"## {_scope(task)}", ""]
        lines += _markdown(
            ["variant", "seeds", *headings],
            [[row.variant, ", ".join(map(str, row.seeds)), *_plain(row, scores, costs)] for row in rows],
        )
        compared = _differing(rows)
        if compared:
            lines += ["", f"Difference to {record.baseline}:", ""]
            lines += _markdown(
                ["variant", "pairs", *(_flat(SCORES[name]) for name in compared)],
                [[row.variant, str(_pairs(row)), *_with_interval(row, compared)] for row in rows if row.differences],
            )
    unfinished = [run for run in record.runs if run.status != "finished"]
    lines += [""] if unfinished else []
    for run in unfinished:
        why = f"failed, see `{run.log}`: {run.reason}" if run.status == "failed" else "not finished yet"
        lines.append(f"- {run.task}/{run.variant}, seed {run.seed}: {why}")
    return "\n".join(lines) + "\n"


def _score_table(rows: Sequence[VariantRow], title: str) -> Table:
    names = _present(SCORES, rows)
    table = _table(title, [*(SCORES[name] for name in names)])
    for row in rows:
        cells = []
        for name in names:
            value = row.values.get(name)
            spread = "" if value is None or math.isnan(value.deviation) else f"\n±{percent(value.deviation)}"
            cells.append(percent(math.nan if value is None else value.mean) + spread)
        table.add_row(row.variant, *cells)
    return table


def _difference_table(rows: Sequence[VariantRow], title: str) -> list[Table]:
    """Three lines for a variant: the difference, and the two ends of its interval; bold where that leaves out 0."""
    compared = [row for row in rows if row.differences]
    if not compared:
        return []
    names = _differing(rows)
    table = _table(title, [SCORES[name] for name in names])
    for row in compared:
        cells = []
        for name in names:
            one = row.differences.get(name)
            if one is None or math.isnan(one.low):
                cells.append("-" if one is None else signed(one.mean))
                continue
            text = f"{signed(one.mean)}\n{signed(one.low)}\n{signed(one.high)}"
            cells.append(f"[bold]{text}[/]" if one.low > 0 or one.high < 0 else text)
        table.add_row(f"{row.variant}\n[dim]{_pairs(row)} pairs[/]", *cells)
    return [table]


def _cost_table(rows: Sequence[VariantRow], title: str) -> Table:
    names = _present(COSTS, rows)
    table = _table(title, ["runs", *(COSTS[name] for name in names)])
    for row in rows:
        runs = max((value.n for value in row.values.values()), default=0)
        means = {name: row.values[name].mean if name in row.values else math.nan for name in names}
        table.add_row(row.variant, str(runs), *(cost(name, mean) for name, mean in means.items()))
    return table


def signed(value: float) -> str:
    """A difference in percent points, with its sign."""
    return "-" if math.isnan(value) else f"{100 * value:+.1f}"


def cost(name: str, value: float) -> str:
    """A cost in the digits that its kind deserves; seconds of training as minutes."""
    if math.isnan(value):
        return "-"
    scale, digits = {"seconds_per_iteration": (1, 3), "peak_memory_mb": (1, 0), "train_seconds": (1 / 60, 1)}[name]
    return f"{value * scale:.{digits}f}"


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", overflow="fold", max_width=16)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _present(columns: Iterable[str], rows: Sequence[VariantRow]) -> list[str]:
    """Those of which any variant knows a number."""
    known = {name for row in rows for name, value in row.values.items() if not math.isnan(value.mean)}
    return [name for name in columns if name in known]


def _differing(rows: Sequence[VariantRow]) -> list[str]:
    """Those of which there is a difference to show."""
    names = {name: heading for name, heading in SCORES.items() if name in COMPARED}
    return [name for name in _present(names, rows) if any(name in row.differences for row in rows)]


def _plain(row: VariantRow, scores: Sequence[str], costs: Sequence[str]) -> list[str]:
    cells = []
    for name in scores:
        value = row.values.get(name)
        spread = "" if value is None or math.isnan(value.deviation) else f" ± {percent(value.deviation)}"
        cells.append(percent(math.nan if value is None else value.mean) + spread)
    return [*cells, *(cost(name, row.values[name].mean) if name in row.values else "-" for name in costs)]


def _with_interval(row: VariantRow, names: Sequence[str]) -> list[str]:
    cells = []
    for name in names:
        one = row.differences.get(name)
        interval = "" if one is None or math.isnan(one.low) else f" [{signed(one.low)}, {signed(one.high)}]"
        cells.append(signed(math.nan if one is None else one.mean) + interval)
    return cells


def _pairs(row: VariantRow) -> int:
    return max((one.pairs for one in row.differences.values()), default=0)


def _markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    line = "|---" * 2 + "|---:" * (len(headings) - 2) + "|"
    return [f"| {' | '.join(headings)} |", line, *(f"| {' | '.join(row)} |" for row in rows)]


def _flat(heading: str) -> str:
    """A heading of two lines in one: a word that was divided is put together."""
    return heading.replace("-\n", "").replace("\n", " ")


def _scope(task: str | None) -> str:
    return "all tasks" if task is None else f"task {task}"


def _runs(task: str | None) -> str:
    return "seeds and tasks" if task is None else "seeds"
