"""One run of a comparison as work that any process can do: a thread's child on this machine, or a cluster's worker."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from saticl.commands.children import Children
from saticl.commands.comparison import Plan, Run
from saticl.errors import InvalidOptions, InvalidRecord
from saticl.files import write_atomically
from saticl.runs.folder import is_finished, step_folder
from saticl.runs.lock import lock_step
from saticl.runs.steps import read_steps, steps_path

Outcome = Literal["finished", "failed", "elsewhere", "stopped"]
"""elsewhere: another comparison trains it at this moment. stopped: by Ctrl-C."""


@dataclass(frozen=True)
class Work:
    """What it takes to bring a run to its end; all paths are absolute."""

    name: str
    folder: Path
    options: str
    """YAML for `train --config`."""
    options_file: Path
    steps: tuple[tuple[int, tuple[str, ...]], ...]
    """The steps of its own, and what `train` is told for each of them alone."""
    log: Path
    failure: Path
    """Says why it failed the last time; only there if it did."""
    split: str
    unseen: str
    joint: Path | None
    loading: tuple[str, ...]
    """How `test` loads tiles."""
    base: Path | None = None
    """Folder of the step 0 that it starts from, if that is another run's."""
    scores: bool = True
    """Whether it ends with `test`."""


def work_of(plan: Plan, run: Run) -> Work:
    """The work of a run."""
    config = plan.config
    first = run.steps[0]
    told = first.model_copy(update={"task": first.task.model_copy(update={"step": 0, "step_checkpoint": None})})
    return Work(
        name=run.name,
        folder=run.folder,
        options=told.to_yaml(),
        options_file=plan.root / "options" / f"{run.name}.yaml",
        steps=tuple((int(step.task.step), _flags(run, index)) for index, step in enumerate(run.steps)),
        log=plan.root / "logs" / f"{run.name}.log",
        failure=plan.root / "logs" / f"{run.name}.failed",
        split=config.split,
        unseen=config.unseen,
        joint=plan.joint,
        loading=(f"--batch-size={first.trainer.batch_size}", f"--num-workers={first.trainer.num_workers}"),
        base=None if run.base is None else step_folder(run.base.folder, 0),
    )


def base_of(work: Work) -> Work:
    """The first step of a run alone, from which others start."""
    return replace(work, steps=work.steps[:1], scores=False)


def is_done(work: Work) -> bool:
    """Whether nothing is left to do: all steps are there, and scored in the way that is asked for."""
    if _missing(work) or (work.base is not None and not is_finished(work.base)):
        return False
    if not work.scores:
        return True
    if not steps_path(work.folder, work.split).is_file():
        return False
    try:
        record = read_steps(work.folder, work.split)
    except InvalidRecord:  # `test` writes it anew
        return False
    wanted = None if work.joint is None else work.joint.resolve()
    joint = None if record.joint is None else Path(record.joint.run).resolve()
    last = work.steps[-1][0]
    return record.unseen == work.unseen and wanted in (None, joint) and record.steps == tuple(range(last + 1))


def execute(work: Work, children: Children, environment: Mapping[str, str] | None = None) -> Outcome:
    """Do what is left of a run, unless somebody else does; the first command that fails ends it."""
    try:
        lock = lock_step(work.folder)
    except InvalidOptions:
        return "elsewhere"
    try:
        return _held(work, children, environment)
    finally:
        lock.release()


def execute_there(work: Work) -> Outcome:
    """The same by a worker of a cluster."""
    return execute(work, Children())


def note_failure(work: Work, reason: str) -> None:
    """Leave word why a run failed, for whoever writes the table."""
    write_atomically(work.failure, reason + "\n")


def read_failure(work: Work) -> str | None:
    """Why it failed the last time; None: it did not, or was not tried."""
    return work.failure.read_text(encoding="utf-8").strip() if work.failure.is_file() else None


def _held(work: Work, children: Children, environment: Mapping[str, str] | None) -> Outcome:
    if work.base is not None and not is_finished(work.base):
        if _is_held(work.base.parent):
            return "elsewhere"
        note_failure(work, f"The step 0 that it starts from, {work.base}, is not finished.")
        return "failed"
    work.failure.unlink(missing_ok=True)
    if is_done(work):
        return "finished"
    write_atomically(work.options_file, work.options)
    for words in _commands(work):
        code = children.call(words, work.log, environment)
        if code is None:
            return "stopped"
        if code != 0:
            note_failure(work, _last_line(work.log) if code > 0 else f"It was ended by signal {-code}.")
            return "failed"
    return "finished"


def _commands(work: Work) -> list[list[str]]:
    """What is left to be called. Scores of before steps were trained are removed: they are those of others."""
    missing = _missing(work)
    if missing:
        steps_path(work.folder, work.split).unlink(missing_ok=True)
    trained = [["train", f"--config={work.options_file}", *flags] for step, flags in work.steps if step in missing]
    if not work.scores:
        return trained
    joint = [] if work.joint is None else [f"--joint={work.joint}"]
    how = [f"--split={work.split}", f"--task.unseen={work.unseen}", "--panels=0", *work.loading, *joint]
    return [*trained, ["test", f"--run={work.folder}", "--task.step=all", *how]]


def _is_held(run: Path) -> bool:
    """Whether another comparison works on a run at this moment."""
    try:
        lock_step(run).release()
    except InvalidOptions:
        return True
    return False


def _missing(work: Work) -> list[int]:
    return [step for step, _ in work.steps if not is_finished(step_folder(work.folder, step))]


def _flags(run: Run, index: int) -> tuple[str, ...]:
    """What one step is told beside the options of the run."""
    config = run.steps[index]
    before = config.task.step_checkpoint
    return (f"--task.step={config.task.step}", *([] if before is None else [f"--task.step-checkpoint={before}"]))


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "It ended without a word.")
