"""What a comparison consists of: its runs, what each is told, and where it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saticl.commands.plan import make_plans
from saticl.commands.runs import other_options
from saticl.commands.shards import parse_shard
from saticl.commands.stages import Stage, stages
from saticl.config import CompareConfig, TrainConfig
from saticl.config.compare import Variant
from saticl.errors import InvalidOptions
from saticl.methods import load
from saticl.runs.folder import step_folder
from saticl.runs.joint import find_joint_of
from saticl.runs.trained import CONFIG_FILE
from saticl.runs.variants import BOOKKEEPING, differences, open_run


@dataclass(frozen=True)
class Run:
    """One variant with one seed and one task."""

    task: str
    variant: str
    seed: int
    folder: Path
    steps: tuple[TrainConfig, ...]
    """What `train` is told for every step of its own; without step 0 where that is another run's."""
    base: "Run | None" = None
    """The run whose step 0 it starts from."""

    @property
    def name(self) -> str:
        """Of its folder, its options and its log; unlike that of any other run."""
        return f"{self.task}/{self.variant}-s{self.seed}"


@dataclass(frozen=True)
class Plan:
    """What is compared."""

    config: CompareConfig
    variants: Sequence[Variant]
    dataset: str
    runs: tuple[Run, ...]
    """All of them, in the order in which they are trained."""
    own: tuple[Run, ...]
    """Those of this shard."""

    joint: Path | None
    """The run that learned all classes in one step."""

    @property
    def root(self) -> Path:
        """The folder for everything."""
        return self.config.dst.absolute()

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task once."""
        return tuple(dict.fromkeys(self.config.task))

    @property
    def baseline(self) -> str:
        """The variant that the others are compared with."""
        return self.config.baseline or self.variants[0].name


def make_plan(config: CompareConfig, variants: Sequence[Variant]) -> Plan:
    """All runs: every variant with every seed and every task, once each.

    Raises:
        SaticlError: data, a task, a joint run or a shard that cannot be used, or runs of other options in the folder.
    """
    index, number = parse_shard(config.shard)
    if config.cluster is not None and (config.jobs is not None or config.gpus):
        raise InvalidOptions("--jobs and --gpus are about this machine: leave them out, or leave out --cluster.")
    first_seed = config.seeds[0]
    known = {
        (task, variant.name): _checked_stages(_told(variant, task, first_seed))
        for task in dict.fromkeys(config.task)
        for variant in variants
    }
    joint = None if config.joint is None else _joint(config.joint, [steps[-1] for steps in known.values()])
    groups = [
        _group(config, variants, known, task, seed)
        for seed in dict.fromkeys(config.seeds)
        for task in dict.fromkeys(config.task)
    ]
    runs = tuple(run for group in groups for run in group)
    # Runs that share a step 0 go to the same shard, so that none waits for another.
    mine = groups[index::number] if config.share_base else [runs[index::number]]
    dataset = next(iter(known.values()))[0].dataset
    plan = Plan(config, variants, dataset, runs, tuple(run for group in mine for run in group), joint)
    for run in runs:
        refuse_other_options(run)
    refuse_unlike(plan)
    return plan


def refuse_other_options(run: Run) -> None:
    """Refuse to take a step for this run's that was trained in another way.

    Raises:
        InvalidOptions: naming the option. InvalidRecord, InvalidCheckpoint: options that cannot be read.
    """
    for config in run.steps:
        folder = step_folder(run.folder, int(config.task.step))
        difference = other_options(folder, config, BOOKKEEPING) if (folder / CONFIG_FILE).is_file() else None
        if difference is not None:
            raise InvalidOptions(
                f"{folder} was trained with {difference}: give another --dst, or another name to this variant. More "
                "methods, seeds and tasks may be added to a folder; other options may not."
            )


def refuse_unlike(plan: Plan) -> None:
    """Refuse a mean over runs of one variant that differ by more than their seed: their data, or their precision.

    Raises:
        InvalidOptions: naming what differs.
    """
    for task in plan.tasks:
        for variant in plan.variants:
            runs = [run for run in plan.runs if (run.task, run.variant) == (task, variant.name)]
            trained = [open_run(run.folder) for run in runs if any(run.folder.glob("step-*/model.safetensors"))]
            longest = max((len(one.seeds) for one in trained), default=0)
            for name, values in differences([one for one in trained if len(one.seeds) == longest]).items():
                raise InvalidOptions(
                    f"The runs of {variant.name} ({task}) in {plan.root} differ by more than their seed: {name} is "
                    f"{', '.join(dict.fromkeys(map(str, values)))}: train them anew into another --dst."
                )


def _joint(run: Path, last: Sequence[Stage]) -> Path:
    """The folder of the joint run, which knows all classes of all tasks."""
    first, *_others = [find_joint_of(run, stage.task.seen) for stage in last]
    return first.folder.parent.absolute()


def _told(variant: Variant, task: str, seed: int) -> TrainConfig:
    """What `train` is told for a run."""
    options = variant.options
    name = f"{variant.name}-s{seed}"
    chosen = options.task.model_copy(update={"name": task})
    return options.model_copy(update={"name": name, "seed": seed, "task": chosen})


def _checked_stages(told: TrainConfig) -> list[Stage]:
    """The steps of a run, of which it is known that there are tiles for all of them."""
    steps = stages(told)
    make_plans(steps)
    return steps


def _group(
    config: CompareConfig,
    variants: Sequence[Variant],
    known: dict[tuple[str, str], list[Stage]],
    task: str,
    seed: int,
) -> list[Run]:
    """All runs of one seed and one task; if they share a step 0, it is that of the first."""
    runs: list[Run] = []
    for variant in variants:
        run = _run(variant, known[task, variant.name], task, seed)
        if config.share_base:
            _require_sharable(variants[0], run)
            if runs and not _needs_own_base(variant):
                run = _continuing(run, runs[0])
        runs.append(run)
    return runs


def _run(variant: Variant, known: list[Stage], task: str, seed: int) -> Run:
    told = _told(variant, task, seed)
    steps = tuple(stage.config.model_copy(update={"name": told.name, "seed": seed}) for stage in known)
    return Run(task, variant.name, seed, known[0].run.with_name(str(told.name)), steps)


def _continuing(run: Run, base: Run) -> Run:
    """The same run without a step 0 of its own."""
    second = run.steps[1]
    checkpoint = {"step_checkpoint": step_folder(base.folder, 0)}
    told = second.model_copy(update={"task": second.task.model_copy(update=checkpoint)})
    return Run(run.task, run.variant, run.seed, run.folder, (told, *run.steps[2:]), base)


def _require_sharable(first: Variant, run: Run) -> None:
    if len(run.steps) == 1:
        raise InvalidOptions(f"--share-base shares step 0, but the task {run.task} has no other step: leave it out.")
    if _needs_own_base(first):
        raise InvalidOptions(
            f"--share-base starts all runs from step 0 of {first.name}, from which no other method can go "
            "on: name another method first, such as mib."
        )


def _needs_own_base(variant: Variant) -> bool:
    """Whether the method needs a step 0 of its own: its state, or its kind of scores."""
    return load(variant.options.method).needs_own_base
