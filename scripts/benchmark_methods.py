"""Train and score several methods with several seeds on prepared tiles, and put them into one table.

    python scripts/benchmark_methods.py --data-root data/potsdam-rgb --task 6s --methods ft mib mib+cd --seeds 1 2 3
        --output outputs/benchmark -- --trainer.amp --trainer.max-epochs 40

`mib+cd` is `mib` with rotation distillation. What follows `--` goes to every `train`. Every step is a process of its
own, so that its memory is its own. The tables (benchmark.json, .csv, .md) are written anew after every run: mean and
sample deviation over seeds. Runs that are finished are kept, so that the same command continues where it was stopped;
a run that failed is named with its log, the others go on, and the same command tries it again.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "scripts")]

from benchmark_table import SCORES, Result, as_csv, as_markdown, costs, flat, summarize

from saticl.commands.prepared import open_prepared
from saticl.errors import InvalidOptions, SaticlError
from saticl.files import write_atomically, write_json
from saticl.methods import find
from saticl.runs.folder import JOURNAL_FILE, is_finished, step_folder
from saticl.runs.journal import Journal
from saticl.runs.steps import read_steps, steps_path
from saticl.runs.variants import differences, open_run

ROTATION = ("--aug.factor=0.1", "--aug.factor-icl=0.1")


@dataclass(frozen=True)
class Variant:
    """A method, plain or with rotation distillation."""

    label: str
    method: str
    rotates: bool


@dataclass(frozen=True)
class Run:
    """One variant with one seed."""

    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """Of its folder and its log."""
        return f"{self.variant.label}-s{self.seed}"


@dataclass(frozen=True)
class Plan:
    """What is run, and where it is written."""

    data_root: Path
    dataset: str
    task: str
    num_steps: int
    output: Path
    split: str
    joint: Path | None
    train_flags: tuple[str, ...]

    def folder(self, run: Run) -> Path:
        """Where `train` puts a run."""
        return self.output / "runs" / self.dataset / self.task / run.name

    def log(self, run: Run) -> Path:
        """Everything that its processes print."""
        return self.output / "logs" / f"{run.name}.log"

    def scores(self, run: Run) -> Path:
        """What `test` leaves last of all: where it is, the run is finished."""
        return steps_path(self.folder(run), self.split)

    def settings(self) -> dict[str, object]:
        """What all runs of one table have in common."""
        return {
            "data_root": str(self.data_root.resolve()),
            "task": self.task,
            "split": self.split,
            "joint": None if self.joint is None else str(self.joint.resolve()),
            "train_flags": list(self.train_flags),
        }


def parse(words: Sequence[str]) -> tuple[Plan, list[Run]]:
    """The plan and its runs; what follows `--` is for `train`.

    Raises:
        SaticlError: no such data, task or method.
    """
    own, extra = split_at_dashes(words)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, help="folder that `prepare` wrote")
    parser.add_argument("--task", required=True, help="see `run.py list tasks`")
    parser.add_argument("--methods", nargs="+", required=True, metavar="METHOD", help="see `run.py list methods`")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1337], metavar="SEED")
    parser.add_argument("--output", type=Path, required=True, help="folder for runs, logs and tables")
    parser.add_argument("--split", choices=("test", "val"), default="test")
    parser.add_argument("--joint", type=Path, help="finished run of the task `offline` to compare with")
    arguments = parser.parse_args(own)
    if arguments.joint is not None and not any(map(is_finished, arguments.joint.glob("step-*"))):
        raise InvalidOptions(f"--joint {arguments.joint} holds no finished step: train it with --task.name offline.")
    data = open_prepared(arguments.data_root)
    plan = Plan(
        data_root=arguments.data_root,
        dataset=data.manifest.dataset,
        task=arguments.task,
        num_steps=data.task(arguments.task, 0).num_steps,
        output=arguments.output,
        split=arguments.split,
        joint=arguments.joint,
        train_flags=tuple(extra),
    )
    variants = [parse_variant(label) for label in dict.fromkeys(arguments.methods)]
    return plan, [Run(variant, seed) for seed in dict.fromkeys(arguments.seeds) for variant in variants]


def split_at_dashes(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words before and after the first `--`."""
    place = words.index("--") if "--" in words else len(words)
    return list(words[:place]), list(words[place + 1 :])


def parse_variant(label: str) -> Variant:
    """`mib` or `mib+cd`.

    Raises:
        UnknownName: no such method. InvalidOptions: something else than cd was added.
    """
    name, plus, suffix = label.partition("+")
    if plus and suffix != "cd":
        raise InvalidOptions(f"{label!r} is not understood: only +cd, rotation distillation, can be added.")
    method = find(name).name
    return Variant(method + plus + suffix, method, bool(plus))


def train_command(plan: Plan, run: Run, step: int) -> list[str]:
    """The command line of one step."""
    return [
        "train",
        f"--data-root={plan.data_root}",
        f"--output-folder={plan.output / 'runs'}",
        f"--task.name={plan.task}",
        f"--task.step={step}",
        f"--method={run.variant.method}",
        f"--name={run.name}",
        f"--seed={run.seed}",
        "--trainer.resume",
        *(ROTATION if run.variant.rotates else ()),
        *plan.train_flags,
    ]


def test_command(plan: Plan, run: Run) -> list[str]:
    """The command line that scores all steps of a run."""
    joint = [] if plan.joint is None else [f"--joint={plan.joint}"]
    return ["test", f"--run={plan.folder(run)}", "--task.step=all", f"--split={plan.split}", "--panels=0", *joint]


def commands(plan: Plan, run: Run) -> list[list[str]]:
    """What remains to be done for a run, in order; nothing where it is finished."""
    if plan.scores(run).is_file():
        return []
    missing = [step for step in range(plan.num_steps) if not is_finished(step_folder(plan.folder(run), step))]
    return [*(train_command(plan, run, step) for step in missing), test_command(plan, run)]


def execute(plan: Plan, run: Run) -> Result:
    """Do what remains of a run; its first command that fails ends it, and so does a record that cannot be read."""
    log = plan.log(run)
    log.parent.mkdir(parents=True, exist_ok=True)
    if not all(call(command, log) == 0 for command in commands(plan, run)):
        return Result(run.variant.label, run.seed, str(log), None)
    try:
        return Result(run.variant.label, run.seed, str(log), read_numbers(plan, run))
    except SaticlError as error:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"Error: {error}\n")
        return Result(run.variant.label, run.seed, str(log), None)


def call(command: Sequence[str], log: Path) -> int:
    """Run one command of run.py, appending all it prints to the log; its exit code."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ run.py {' '.join(command)}\n")
        file.flush()
        words = [sys.executable, str(REPOSITORY / "run.py"), *command]
        return subprocess.run(words, stdout=file, stderr=subprocess.STDOUT, check=False).returncode


def read_numbers(plan: Plan, run: Run) -> dict[str, float]:
    """Scores of a finished run and what it cost; NaN for what is not known.

    Raises:
        InvalidRecord: what the run left cannot be read.
    """
    summary = read_steps(plan.folder(run), plan.split).summary
    journals = [Journal(step_folder(plan.folder(run), step) / JOURNAL_FILE) for step in range(plan.num_steps)]
    epochs = [journal.epochs() for journal in journals]
    return {**{name: summary.get(name, math.nan) for name in SCORES}, **costs(epochs)}


def require_seeds_only(plan: Plan, runs: Sequence[Run]) -> None:
    """Refuse a mean over runs of one method that differ by more than their seed.

    Raises:
        InvalidOptions: naming what differs.
    """
    for label in dict.fromkeys(run.variant.label for run in runs):
        trained = [open_run(plan.folder(run)) for run in runs if run.variant.label == label]
        for name, values in differences(trained).items():
            raise InvalidOptions(
                f"The runs of {label} in {plan.output} differ by more than their seed: {name} is "
                f"{', '.join(map(str, dict.fromkeys(map(str, values))))}: train them anew into another --output."
            )


def write_tables(plan: Plan, results: Sequence[Result]) -> None:
    """benchmark.json, benchmark.csv and benchmark.md in the output folder."""
    rows = summarize(results)
    runs = [
        {
            "method": result.method,
            "seed": result.seed,
            "status": "failed" if result.numbers is None else "finished",
            "log": result.log,
            **(result.numbers or {}),
        }
        for result in results
    ]
    title = (
        f"{plan.dataset}, task {plan.task}, {plan.split} tiles. Mean IoU in %, background left out; "
        "mean ± deviation over seeds."
    )
    write_json(
        plan.output / "benchmark.json",
        {"settings": plan.settings(), "rows": [flat(row) for row in rows], "runs": runs},
    )
    write_atomically(plan.output / "benchmark.csv", as_csv(rows))
    write_atomically(plan.output / "benchmark.md", as_markdown(title, rows))


def require_same_settings(plan: Plan) -> None:
    """Refuse to mix runs of different settings in one folder, and note the settings of a new one.

    Raises:
        InvalidOptions: naming the setting that differs.
    """
    path = plan.output / "settings.json"
    if not path.is_file():
        write_json(path, plan.settings())
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    for name, value in plan.settings().items():
        if before.get(name) != value:
            raise InvalidOptions(
                f"{plan.output} holds runs with {name} = {before.get(name)}, not {value}: give another --output; "
                "only methods and seeds may be added to a table."
            )


def main(words: Sequence[str]) -> int:
    """Run everything; 0 if nothing failed, 1 if a run did, 2 for a mistake in the options."""
    try:
        plan, runs = parse(words)
        require_same_settings(plan)
    except SaticlError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    results: list[Result] = []
    for index, run in enumerate(runs, start=1):
        print(f"[{index}/{len(runs)}] {run.name}", flush=True)
        results.append(execute(plan, run))
        if results[-1].numbers is None:
            print(f"failed: {results[-1].log}", flush=True)
        write_tables(plan, results)
    try:
        require_seeds_only(
            plan, [run for run, result in zip(runs, results, strict=True) if result.numbers is not None]
        )
    except SaticlError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    print((plan.output / "benchmark.md").read_text(encoding="utf-8"))
    return int(any(result.numbers is None for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
