"""What is known of all runs of a comparison at this moment, and the files that say so."""

from filelock import FileLock

import saticl
from saticl.commands.comparison import Plan, Run
from saticl.commands.work import Work, is_done, read_failure, work_of
from saticl.display.comparison import as_markdown
from saticl.errors import SaticlError
from saticl.files import unwritable, write_atomically
from saticl.runs.compared import Comparison, Result, RunRow, summarize, write_comparison
from saticl.runs.measured import measure
from saticl.runs.trained import OptionTree

MARKDOWN_FILE, LOCK_FILE = "compare.md", ".lock"


class Scoreboard:
    """The table of a comparison; what is finished is read once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._finished: dict[str, Result] = {}

    def update(self) -> Comparison:
        """Look at all runs, whoever trained them, and write all files anew.

        Of two that do this at once the second one waits, and so knows what the first one knew.

        Raises:
            UnwritableFile: they did not reach the disk.
        """
        root = self._plan.root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(root, error.strerror) from error
        with FileLock(root / LOCK_FILE):
            results = [self._result(run) for run in self._plan.runs]
            record = _record(self._plan, [result.row for result in results])
            write_comparison(root, record, results)
            write_atomically(root / MARKDOWN_FILE, as_markdown(record))
        return record

    def _result(self, run: Run) -> Result:
        if run.name not in self._finished:
            result = _look(run, work_of(self._plan, run))
            if result.row.status != "finished":
                return result
            self._finished[run.name] = result
        return self._finished[run.name]


def _look(run: Run, work: Work) -> Result:
    """A run as its files say."""
    row = RunRow(
        task=run.task,
        variant=run.variant,
        seed=run.seed,
        status="left",
        folder=str(run.folder),
        log=str(work.log),
        base=None if run.base is None else run.base.variant,
    )
    if not is_done(work):
        reason = read_failure(work)
        return Result(row if reason is None else row.model_copy(update={"status": "failed", "reason": reason}))
    try:
        measured = measure(run.folder, work.split)
    except SaticlError as error:
        return Result(row.model_copy(update={"status": "failed", "reason": str(error)}))
    return Result(row.model_copy(update={"status": "finished", "numbers": measured.numbers}), measured.classes)


def _record(plan: Plan, runs: list[RunRow]) -> Comparison:
    config, names = plan.config, [variant.name for variant in plan.variants]
    return Comparison(
        version=saticl.__version__,
        dataset=plan.dataset,
        split=config.split,
        unseen=config.unseen,
        tasks=plan.tasks,
        seeds=tuple(dict.fromkeys(config.seeds)),
        variants={variant.name: _tree(variant.options.model_dump(mode="json")) for variant in plan.variants},
        baseline=plan.baseline,
        shares_base=config.share_base,
        joint=None if plan.joint is None else str(plan.joint),
        rows=summarize(runs, names, plan.tasks, plan.baseline),
        runs=tuple(runs),
    )


def _tree(options: OptionTree) -> OptionTree:
    """Without what is another for every run."""
    return {name: value for name, value in options.items() if name not in ("name", "seed")}
