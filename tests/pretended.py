"""Commands of a comparison that train nothing: they leave what `train` and `test` would, with chosen scores."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import save_file

from saticl.protocols import ISPRS, ISPRS_CLASSES
from saticl.runs.folder import JOURNAL_FILE, MODEL_FILE, find_steps, step_folder
from saticl.runs.journal import Journal
from saticl.runs.step import KEY
from saticl.runs.steps import ClassOverSteps, StepsRecord, write_steps
from saticl.runs.trained import CONFIG_FILE
from tests.trained import epoch
from tests.trained import info as trained_info

info = trained_info

Scores = Callable[[str, str, int], Mapping[str, float]]
"""The summary of a run, by task, method and seed."""

NAN = float("nan")


def zeros(_task: str, _method: str, _seed: int) -> dict[str, float]:
    return {"base": 0.0, "added": 0.0, "final": 0.0, "harmonic": 0.0, "forgetting": 0.0}


class Pretender:
    """Stands in for `Children.call`, and remembers what was called."""

    def __init__(self, scores: Scores = zeros, fails: Callable[[Sequence[str]], bool] = lambda _: False) -> None:
        self.called: list[tuple[str, str, str]] = []
        """Command, run, and step."""
        self.environments: list[dict[str, str]] = []
        self._scores, self._fails = scores, fails

    def __call__(self, words: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> int:
        flags = dict(word.removeprefix("--").split("=", 1) for word in words[1:])
        self.called.append((words[0], f"{log.parent.name}/{log.stem}", flags["task.step"]))
        self.environments.append(dict(environment or {}))
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(f"$ {' '.join(words)}\n")
            if self._fails(words):
                file.write("Error: It was asked to fail.\n\n")
                return 1
        if words[0] == "train":
            self._train(flags)
        else:
            self._test(Path(flags["run"]), flags)
        return 0

    def trained(self) -> list[tuple[str, str]]:
        """Run and step of every training."""
        return [(run, step) for command, run, step in self.called if command == "train"]

    def _train(self, flags: Mapping[str, str]) -> None:
        options = yaml.safe_load(Path(flags["config"]).read_text())
        step, task = int(flags["task.step"]), options["task"]["name"]
        options["task"] |= {"step": step, "step_checkpoint": flags.get("task.step-checkpoint")}
        folder = step_folder(Path(options["output_folder"], "potsdam", task, options["name"]), step)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text(yaml.safe_dump(options))
        journal = Journal(folder / JOURNAL_FILE)
        journal.write_epoch(epoch(seconds=step * 3.0 + 1, memory=100.0 * (step + 1)))
        groups = next(one.groups for one in ISPRS if one.name == task)
        about = info(step, classes=ISPRS_CLASSES, colours=((0, 0, 0),) * 6, protocol_name=task, groups=groups)
        save_file({"weight": np.zeros(1)}, folder / MODEL_FILE, {KEY: about.model_dump_json()})

    def _test(self, run: Path, flags: Mapping[str, str]) -> None:
        steps = find_steps(run, "all")
        last = steps[-1].info
        options = yaml.safe_load((steps[-1].folder / CONFIG_FILE).read_text())
        numbers = range(len(steps))
        classes = [ClassOverSteps(name="background", iou=tuple(0.5 for _ in numbers))]
        for learned, names in enumerate(last.groups[: len(steps)]):
            classes += [
                ClassOverSteps(name=name, iou=tuple(NAN if step < learned else 0.25 for step in numbers))
                for name in names
            ]
        write_steps(
            run,
            StepsRecord(
                split=flags["split"],
                unseen=flags["task.unseen"],
                steps=tuple(numbers),
                groups=("all",),
                miou=(),
                miou_with_background=(),
                classes=tuple(classes),
                summary=dict(self._scores(options["task"]["name"], options["method"], options["seed"])),
                forgetting=None,
                joint=None,
                restricted=None,
            ),
        )
