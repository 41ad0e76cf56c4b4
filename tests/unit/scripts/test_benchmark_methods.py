"""The benchmark of methods: what it would run, what it keeps, and its tables. Nothing is trained."""

import csv
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from typer.testing import CliRunner

from saticl.cli import app
from saticl.errors import InvalidOptions, UnknownName
from saticl.runs.journal import Epoch
from saticl.runs.steps import StepsRecord, write_steps
from tests import trained
from tests.trained import epoch, info

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
NAN = float("nan")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        patch.setattr(sys, "path", [*sys.path])
        import benchmark_methods
    module: ModuleType = benchmark_methods
    return module


@pytest.fixture(scope="module")
def table(script: ModuleType) -> ModuleType:
    return sys.modules["benchmark_table"]


def words(tiles: Path, output: Path, *more: str) -> list[str]:
    return ["--data-root", str(tiles), "--task=222a", "--output", str(output), *more]


def finish(
    plan: object, run: object, summary: dict[str, float | None], seconds: float = 3.0, **options: object
) -> None:
    """Leave what a finished run leaves, as far as the benchmark reads it."""
    folder = plan.folder(run)  # type: ignore[attr-defined]
    groups = [["building"], ["tree"], ["car"]]
    for step in range(3):
        spent = epoch(seconds=(step > 0) * seconds + 1, memory=100.0 * (3 - step))
        trained.write_step(folder, info(step, groups=groups), (spent,), seed=run.seed, **options)  # type: ignore[attr-defined]
    values = {name: NAN if value is None else value for name, value in summary.items()}
    write_steps(
        folder,
        StepsRecord(
            split="test", unseen="background", steps=(0, 1, 2), groups=("0", "1", "2", "all"), miou=(),
            miou_with_background=(), classes=(), summary=values, forgetting=None, joint=None, restricted=None,
        ),
    )  # fmt: skip


def test_every_method_runs_with_every_seed_and_repetitions_count_once(
    script: ModuleType, tiny_tiles: Path, tmp_path: Path
) -> None:
    _, runs = script.parse(words(tiny_tiles, tmp_path, "--methods", "ft", "MiB+cd", "ft", "--seeds", "1", "2"))

    assert [run.name for run in runs] == ["ft-s1", "mib+cd-s1", "ft-s2", "mib+cd-s2"]


@pytest.mark.parametrize("label", ["ft", "mib+cd"])
def test_its_command_lines_are_understood_by_run_py(
    label: str, script: ModuleType, tiny_tiles: Path, tmp_path: Path
) -> None:
    more = ["--seeds", "7", "--methods", label, "--", "--trainer.max-epochs", "3"]
    plan, (run,) = script.parse(words(tiny_tiles, tmp_path, *more))

    *steps, test = script.commands(plan, run)
    results = [CliRunner().invoke(app, [*command, "--print-config"]) for command in (*steps, test)]
    options = [yaml.safe_load(result.stdout) for result in results]

    assert [result.exit_code for result in results] == [0] * 4
    assert [option["task"]["step"] for option in options] == [0, 1, 2, "all"]
    for option in options[:3]:
        assert option["method"] == label.removesuffix("+cd")
        assert (option["seed"], option["trainer"]["max_epochs"]) == (7, 3)
        assert (option["aug"]["factor"] > 0) == ("+cd" in label)
        folder = Path(option["output_folder"], "potsdam", option["task"]["name"], option["name"])
        assert str(folder) == options[3]["run"]


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        (["a", "--", "b", "--", "c"], ["a"], ["b", "--", "c"]),
        (["a", "b"], ["a", "b"], []),
        (["--"], [], []),
    ],
)
def test_what_follows_the_first_dashes_goes_to_train(
    words: list[str], before: list[str], after: list[str], script: ModuleType
) -> None:
    assert script.split_at_dashes(words) == (before, after)


def test_a_mistake_is_one_sentence_before_anything_runs(
    script: ModuleType, tiny_tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'mib'"):
        script.parse_variant("mibb")
    with pytest.raises(InvalidOptions, match="only \\+cd"):
        script.parse_variant("mib+dc")
    with pytest.raises(InvalidOptions, match="holds no finished step"):
        script.parse(words(tiny_tiles, tmp_path, "--methods", "ft", "--joint", str(tmp_path)))

    assert script.main(words(tmp_path, tmp_path / "out", "--methods", "ft")) == 2
    assert capsys.readouterr().err.startswith("Error: ")
    assert not (tmp_path / "out").exists()


def test_finished_steps_are_not_trained_again_and_finished_runs_do_nothing(
    script: ModuleType, tiny_tiles: Path, tmp_path: Path
) -> None:
    plan, (first, second) = script.parse(words(tiny_tiles, tmp_path, "--methods", "ft", "mib"))
    finish(plan, first, {})
    folder = plan.folder(second) / "step-0"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()

    assert script.commands(plan, first) == []
    assert [command[0] for command in script.commands(plan, second)] == ["train", "train", "test"]
    assert "--task.step=1" in script.commands(plan, second)[0]


def test_a_run_that_fails_is_named_with_its_log_and_the_others_go_on(
    script: ModuleType, tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = words(tiny_tiles, tmp_path, "--methods", "ft", "mib", "--seeds", "1", "2")
    plan, runs = script.parse(arguments)
    called = []

    def call(command: list[str], log: Path) -> int:
        called.append((command[0], log.stem))
        if log.stem == "ft-s2":
            return 1
        if command[0] == "test":
            (run,) = [run for run in runs if run.name == log.stem]
            finish(plan, run, {"final": 0.5 + 0.1 * run.seed, "gap": None})
        return 0

    monkeypatch.setattr(script, "call", call)
    code = script.main(arguments)
    document = json.loads((tmp_path / "benchmark.json").read_text())
    rows = {row["method"]: row for row in document["rows"]}

    assert code == 1
    assert called.count(("train", "ft-s2")) == 1
    assert ("test", "ft-s2") not in called
    assert rows["ft"]["failed"] == [str(tmp_path / "logs" / "ft-s2.log")]
    assert (rows["mib"]["final_mean"], rows["mib"]["final_std"]) == pytest.approx((0.65, 0.1 / math.sqrt(2)))
    assert (rows["ft"]["final_mean"], rows["ft"]["final_std"]) == (0.6, None)
    assert rows["mib"]["gap_mean"] is None
    assert [run["status"] for run in document["runs"]] == ["finished", "finished", "failed", "finished"]
    assert (rows["ft"]["seconds_per_iteration_mean"], rows["ft"]["peak_memory_mb_mean"]) == (2.0, 300.0)

    monkeypatch.setattr(script, "call", lambda command, log: called.append(("again", log.stem)) or 1)
    script.main(arguments)

    assert [stem for word, stem in called if word == "again"] == ["ft-s2"]


def test_a_folder_keeps_one_set_of_settings_and_takes_more_methods(
    script: ModuleType, tiny_tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script.require_same_settings(script.parse(words(tiny_tiles, tmp_path, "--methods", "ft"))[0])
    script.require_same_settings(script.parse(words(tiny_tiles, tmp_path, "--methods", "mib", "--seeds", "3"))[0])

    code = script.main(words(tiny_tiles, tmp_path, "--methods", "ft", "--", "--trainer.amp"))

    assert code == 2
    assert "train_flags = [], not ['--trainer.amp']" in capsys.readouterr().err


def test_its_child_processes_leave_their_words_in_the_log(script: ModuleType, tmp_path: Path) -> None:
    code = script.call(["test", "--run=nowhere"], tmp_path / "x.log")

    text = (tmp_path / "x.log").read_text()
    assert code == 2
    assert text.startswith("$ run.py test --run=nowhere\n")
    assert "nowhere" in text.splitlines()[1]


def test_runs_of_a_method_that_differ_by_more_than_their_seed_are_no_table(
    script: ModuleType,
    tiny_tiles: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = words(tiny_tiles, tmp_path, "--methods", "ft", "--seeds", "1", "2")
    plan, (first, second) = script.parse(arguments)
    finish(plan, first, {"final": 0.5})
    finish(plan, second, {"final": 0.6}, optimizer={"lr": 0.5})
    monkeypatch.setattr(script, "call", pytest.fail)

    assert script.main(arguments) == 2
    assert "differ by more than their seed: step 0: optimizer.lr is 0.001, 0.5" in capsys.readouterr().err


def test_a_run_whose_records_are_damaged_counts_as_failed_and_its_log_says_why(
    script: ModuleType, tiny_tiles: Path, tmp_path: Path
) -> None:
    plan, (run,) = script.parse(words(tiny_tiles, tmp_path, "--methods", "ft"))
    finish(plan, run, {})
    plan.scores(run).write_text("{")

    assert script.execute(plan, run).numbers is None
    assert "steps-test.json is damaged" in plan.log(run).read_text()


def test_time_is_that_of_later_steps_and_memory_that_of_the_worst(table: ModuleType) -> None:
    def spent(seconds: float, memory: float) -> Epoch:
        return epoch(seconds=seconds, memory=memory, iterations=10)

    first, later = [spent(1, 500)], [spent(9, 100), spent(2, 200), spent(3, 300)]

    assert table.costs([first, later]) == {"seconds_per_iteration": 0.3, "peak_memory_mb": 500}
    assert table.costs([first])["seconds_per_iteration"] == 0.1
    assert all(math.isnan(value) for value in table.costs([[spent(NAN, NAN)]]).values())


def test_the_tables_say_the_same_in_every_format(table: ModuleType) -> None:
    def result(method: str, seed: int, **numbers: float) -> object:
        every = dict.fromkeys((*table.SCORES, *table.COSTS), NAN)
        return table.Result(method, seed, f"logs/{method}-s{seed}.log", {**every, **numbers} if numbers else None)

    rows = table.summarize(
        [
            result("ft", 1, final=0.25, peak_memory_mb=1234.4),
            result("mib+cd", 1, final=0.5, peak_memory_mb=2000),
            result("ft", 2, final=0.27, peak_memory_mb=1234.4),
            result("mib+cd", 2),
            result("uft", 1),
        ]
    )

    assert table.as_markdown("Title.", rows).splitlines() == [
        "Title.",
        "",
        "| method | seeds | all | peak memory, MiB |",
        "|---|---|---:|---:|",
        "| ft | 1, 2 | 26.0 ± 1.4 | 1234 ± 0 |",
        "| mib+cd | 1, failed: logs/mib+cd-s2.log | 50.0 | 2000 |",
        "| uft | failed: logs/uft-s1.log | - | - |",
    ]
    parsed = list(csv.DictReader(table.as_csv(rows).splitlines()))
    assert [row["method"] for row in parsed] == ["ft", "mib+cd", "uft"]
    assert [row["seeds"] for row in parsed] == ["1 2", "1", ""]
    assert float(parsed[0]["final_mean"]) == pytest.approx(0.26)
    assert parsed[1]["final_std"] == parsed[2]["final_mean"] == ""


def test_the_scores_it_reads_are_those_that_test_writes(table: ModuleType) -> None:
    from saticl.display.tables import SUMMARY_LABELS

    assert set(table.SCORES) <= set(SUMMARY_LABELS)
