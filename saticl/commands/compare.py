"""`compare`: methods, seeds and learning orders in one table. Every step is a process of its own.

Runs that are finished are kept, so that the same command goes on where it was stopped; a run that failed is named with
its log, the others go on, and the same command tries it again.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future, as_completed

from saticl.commands.comparison import Plan, make_plan, refuse_unlike
from saticl.commands.hands import Submit, hands
from saticl.commands.scoreboard import Scoreboard
from saticl.commands.work import Outcome, Work, base_of, is_done, note_failure, work_of
from saticl.config import CompareConfig
from saticl.config.compare import Variant
from saticl.display.comparison import comparison_tables, notes
from saticl.display.console import console
from saticl.display.run_bar import RunBar
from saticl.errors import UnfinishedRuns
from saticl.runs.compared import Comparison


def compare(config: CompareConfig, variants: Sequence[Variant]) -> None:
    """Train and score what is left of all runs, or of one shard, and write and print the table.

    Raises:
        SaticlError: options, data or a folder that cannot be used; nothing was trained then. UnfinishedRuns: some runs
            failed, all others are finished. InvalidOptions: runs of one variant turned out to differ.
    """
    plan = make_plan(config, variants)
    board = Scoreboard(plan)
    board.update()
    work = {run.name: work_of(plan, run) for run in plan.own}
    bases = {run.base.name: base_of(work[run.base.name]) for run in plan.own if run.base is not None}
    left = [one for one in work.values() if not is_done(one)]
    with hands(config) as submit, RunBar(len(work), len(work) - len(left)) as bar:
        _do_all([base for base in bases.values() if not is_done(base)], submit)
        for done, outcome in _each(left, submit):
            board.update()
            bar.ended(f"{done.name} {_SAID[outcome]}" + (f", see {done.log}" if outcome == "failed" else ""))
    _show(plan, board.update())
    refuse_unlike(plan)


_SAID: dict[Outcome, str] = {
    "finished": "finished",
    "failed": "failed",
    "elsewhere": "is trained by another comparison",
    "stopped": "was stopped",
}


def _do_all(work: Sequence[Work], submit: Submit) -> None:
    """Train the first steps that others start from; those of one that failed say so themselves."""
    for done, outcome in _each(work, submit):
        console.print(f"{done.name}: step 0 {_SAID[outcome]}", highlight=False)


def _each(work: Sequence[Work], submit: Submit) -> Iterator[tuple[Work, Outcome]]:
    """The outcome of all, in the order in which they end."""
    waiting: dict[Future[Outcome], Work] = {submit(one): one for one in work}
    for future in as_completed(waiting):
        yield waiting[future], _outcome(future, waiting[future])


def _outcome(future: Future[Outcome], work: Work) -> Outcome:
    try:
        return future.result()
    except CancelledError:
        return "stopped"
    except Exception as error:  # noqa: BLE001 - a worker that was lost, or could not do its work, must not end the others
        note_failure(work, f"It could not be trained ({type(error).__name__}: {error}).")
        return "failed"


def _show(plan: Plan, record: Comparison) -> None:
    """Print the table, and say what is left.

    Raises:
        UnfinishedRuns: some runs failed.
    """
    for table in comparison_tables(record):
        console.print(table)
    for note in notes(record):
        console.print(note, highlight=False)
    console.print(f"[dim]{plan.config.dst}[/]")
    left = [run for run in record.runs if run.status == "left"]
    if left:
        console.print(
            f"{len(left)} of {len(record.runs)} runs are left to others; whoever ends last writes the whole table.",
            highlight=False,
        )
    own = {(run.task, run.variant, run.seed) for run in plan.own}
    failed = [run for run in record.runs if run.status == "failed" and (run.task, run.variant, run.seed) in own]
    if failed:
        first = failed[0]
        more = "" if len(failed) == 1 else f" ({len(failed) - 1} more failed, see compare.md)"
        raise UnfinishedRuns(
            f"{first.task}/{first.variant} with seed {first.seed} failed, see {first.log}: {first.reason} The same "
            f"command tries it again{more}."
        )
