"""Run folders: which steps of a run are finished, and where they are.

A run is `<output>/<dataset>/<task>/<name>`; its steps are `step-0`, `step-1` and so on below it. A step is finished
when its folder has a checkpoint, which is written last of all.
"""

from dataclasses import dataclass
from pathlib import Path

from saticl.errors import InvalidCheckpoint
from saticl.runs.step import StepInfo, read_info
from saticl.runs.trained import CONFIG_FILE, dotted, read_options

MODEL_FILE = "model.safetensors"
METHOD_FILE = "method.safetensors"
JOURNAL_FILE = "journal.jsonl"


@dataclass(frozen=True)
class Finished:
    """A trained step on disk."""

    folder: Path
    info: StepInfo

    @property
    def step(self) -> int:
        """Its number."""
        return self.info.step

    @property
    def model(self) -> Path:
        """Its checkpoint."""
        return self.folder / MODEL_FILE

    @property
    def previous(self) -> "Finished | None":
        """The step before it: where its options say, or beside it; None at step 0, and where it is gone."""
        for folder in (*self._named, step_folder(self.folder.parent, self.step - 1)):
            if self.step > 0 and is_finished(folder):
                return Finished(folder, read_info(folder / MODEL_FILE))
        return None

    @property
    def _named(self) -> list[Path]:
        """What its options say of the previous step."""
        if not (self.folder / CONFIG_FILE).is_file():
            return []
        options = dotted(read_options(self.folder))
        named = (options.get("extend"), options.get("task.step_checkpoint"))
        return [Path(one) for one in named if isinstance(one, str)]


def step_folder(run: Path, step: int) -> Path:
    """Where a step of a run lies."""
    return run / f"step-{step}"


def is_finished(folder: Path) -> bool:
    """Whether a step's folder is sealed."""
    return (folder / MODEL_FILE).is_file()


def find_steps(run: Path, wanted: int | str | None) -> list[Finished]:
    """Finished steps in order: the last (None), one, or "all" of a run's folder; or the step whose folder was named.

    All are also those that the run continues from in another folder.

    Raises:
        InvalidCheckpoint: nothing finished there, or not the wanted step.
    """
    if is_finished(run):
        info = read_info(run / MODEL_FILE)
        if isinstance(wanted, int) and wanted != info.step:
            raise InvalidCheckpoint(f"{run} is the folder of step {info.step}, not of step {wanted}: name the run.")
        return [Finished(run, info)]
    found = _numbered(run)
    if not found:
        raise InvalidCheckpoint(
            f"{run} holds no finished step: train one first, or point --run to <output>/<dataset>/<task>/<name>."
        )
    if wanted is None:
        wanted = max(found)
    if wanted != "all" and wanted not in found:
        finished = ", ".join(map(str, sorted(found)))
        raise InvalidCheckpoint(f"{run} has no finished step {wanted}; finished: {finished}.")
    chosen = sorted(found) if wanted == "all" else [int(wanted)]
    steps = [Finished(found[step], read_info(found[step] / MODEL_FILE)) for step in chosen]
    return [*earlier(steps[0]), *steps] if wanted == "all" else steps


def earlier(step: Finished) -> list[Finished]:
    """The steps before it, in order, wherever they lie; as far back as they can be found."""
    before = step.previous
    return [] if before is None else [*earlier(before), before]


def _numbered(run: Path) -> dict[int, Path]:
    """Folders of finished steps by number; other folders that begin with `step-` are none of ours."""
    folders = {path.parent.name.removeprefix("step-"): path.parent for path in run.glob(f"step-*/{MODEL_FILE}")}
    return {int(number): folder for number, folder in folders.items() if number.isdecimal()}
