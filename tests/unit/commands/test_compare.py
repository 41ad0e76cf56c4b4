"""`compare`: what it would run, what it keeps, what it refuses, and its tables. Nothing is trained."""

import json
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas
import pytest
import yaml
from typer.testing import CliRunner

from saticl import cli
from saticl.commands.children import Children
from saticl.commands.hands import environments, visible_gpus
from saticl.errors import InvalidOptions
from saticl.runs.compared import read_comparison
from saticl.runs.lock import lock_step
from tests.pretended import Pretender

Invoke = Callable[..., tuple[int, str]]


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Pretender]:
    def install(**how: object) -> Pretender:
        pretender = Pretender(**how)  # type: ignore[arg-type]
        monkeypatch.setattr(Children, "call", lambda _self, *words: pretender(*words))
        return pretender

    return install


@pytest.fixture
def compare(tiny_tiles: Path, tmp_path: Path) -> Invoke:
    """Run the command into tmp_path/out; exit code and all it printed, on one line."""

    def invoke(*words: object) -> tuple[int, str]:
        dst = () if any(str(word).startswith("--dst") for word in words) else (f"--dst={tmp_path / 'out'}",)
        called = ["compare", f"--data-root={tiny_tiles}", *dst, *map(str, words)]
        result = CliRunner().invoke(cli.app, called, env={"COLUMNS": "80"})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, " ".join((result.stdout + result.stderr).split())

    return invoke


def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_every_method_runs_with_every_seed_and_task_and_repetitions_count_once(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    pretender = pretend()

    code, text = compare("--task=222a,321", "--method=FT,mib+cd", "--method=ft", "--seeds=1,2,1")

    record = read_comparison(out(tmp_path))
    names = [f"{task}/{method}-s{seed}" for seed in (1, 2) for task in ("222a", "321") for method in ("ft", "mib+cd")]
    assert code == 0, text
    assert sorted(pretender.trained()) == sorted((name, str(step)) for name in names for step in range(3))
    assert [f"{run.task}/{run.variant}-s{run.seed}" for run in record.runs] == names
    assert {run.status for run in record.runs} == {"finished"}
    assert "[8/8]" in text
    options = yaml.safe_load((out(tmp_path) / "options/321/mib+cd-s2.yaml").read_text())
    assert (options["seed"], options["method"], options["task"]["name"]) == (2, "mib", "321")
    assert (options["aug"]["factor"], options["aug"]["factor_icl"]) == (0.1, 0.1)


def test_the_numbers_are_those_of_a_computation_by_hand(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    finals = {("222a", "ft"): (0.2, 0.4), ("222a", "mib"): (0.3, 0.6), ("321", "ft"): (0.1, 0.1),
              ("321", "mib"): (0.5, 0.1)}  # fmt: skip

    def scores(task: str, method: str, seed: int) -> dict[str, float]:
        return {"final": finals[task, method][seed - 1], "gap": float("nan")}

    pretend(scores=scores)

    code, text = compare("--task=222a,321", "--method=ft,mib", "--seeds=1,2")

    rows = {(row.task, row.variant): row for row in read_comparison(out(tmp_path)).rows}
    ft, mib, all_mib = rows["222a", "ft"], rows["222a", "mib"], rows[None, "mib"]
    assert code == 0, text
    assert (ft.values["final"].mean, ft.values["final"].deviation) == pytest.approx((0.3, 0.02**0.5))
    assert (ft.values["final"].n, ft.differences) == (2, {})
    one = mib.differences["final"]
    assert (one.mean, one.low, one.high, one.pairs) == pytest.approx((0.15, 0.1, 0.2, 2))
    everything = all_mib.differences["final"]
    assert (everything.mean, everything.pairs) == pytest.approx(((0.1 + 0.2 + 0.4 + 0.0) / 4, 4))
    assert everything.low < everything.mean < everything.high
    assert all_mib.values["final"].mean == pytest.approx((0.3 + 0.6 + 0.5 + 0.1) / 4)
    # steps 1 and 2 take 4 and 7 seconds for 2 iterations, and step 0 does not count
    assert mib.values["seconds_per_iteration"].mean == pytest.approx((2.0 + 3.5) / 2)
    assert mib.values["peak_memory_mb"].mean == 300
    assert mib.values["train_seconds"].mean == 1 + 4 + 7
    assert mib.values["background"].mean == 0.5
    assert "seconds_per_iteration" not in mib.differences
    markdown = (out(tmp_path) / "compare.md").read_text()
    assert "| ft | 1, 2 | 30.0 ± 14.1 | 50.0 ± 0.0 | 2.750 | 300 | 0.2 |" in markdown
    assert "| mib | 2 | +15.0 [+10.0, +20.0] | +0.0 [+0.0, +0.0] |" in markdown
    assert "## all tasks" in markdown
    assert "gap" not in markdown


def test_another_baseline_turns_the_sign(compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path) -> None:
    pretend(scores=lambda _task, method, _seed: {"final": 0.2 if method == "ft" else 0.5})

    compare("--task=222a", "--method=ft,mib", "--seeds=1,2", "--baseline=mib")

    record = read_comparison(out(tmp_path))
    assert record.baseline == "mib"
    assert record.rows[0].differences["final"].mean == pytest.approx(-0.3)
    assert record.rows[1].differences == {}


def test_the_csv_has_a_row_per_run_step_and_class(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    pretend()

    compare("--task=222a", "--method=ft", "--seeds=1,2")

    table = pandas.read_csv(out(tmp_path) / "compare.csv", dtype={"task": str})
    assert list(table.columns) == ["task", "variant", "seed", "step", "class", "class_step", "iou"]
    assert len(table) == 2 * (3 + 5 + 7)
    car = table[table["class"] == "car"]
    assert set(car["step"]) == set(car["class_step"]) == {2}
    assert table[table["class"] == "background"]["class_step"].isna().all()


def test_finished_runs_are_kept_and_missing_steps_are_done_again(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    words = ("--task=222a", "--method=ft,mib", "--seeds=1")
    pretend()
    compare(*words)
    run = out(tmp_path) / "runs/potsdam/222a/mib-s1"
    (run / "step-2/model.safetensors").unlink()

    again = pretend()
    code, text = compare(*words)

    assert code == 0, text
    assert again.called == [("train", "222a/mib-s1", "2"), ("test", "222a/mib-s1", "all")]
    assert "[2/2] 222a/mib-s1 finished" in text
    nothing = pretend()
    assert compare(*words, "--baseline=mib")[0] == 0
    assert nothing.called == []
    more = pretend()
    assert compare("--task=222a", "--method=ft,mib,plop", "--seeds=1")[0] == 0
    assert {run for _, run, _ in more.called} == {"222a/plop-s1"}


def test_scores_of_other_conditions_or_damaged_ones_are_made_again(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    words = ("--task=222a", "--method=ft")
    pretend()
    compare(*words)
    again = pretend()
    compare(*words, "--unseen=ignore")
    compare(*words, "--unseen=ignore")
    (out(tmp_path) / "runs/potsdam/222a/ft-s1337/steps-test.json").write_text("{")
    compare(*words, "--unseen=ignore")

    assert again.called == [("test", "222a/ft-s1337", "all")] * 2


def test_scores_of_before_a_step_was_trained_again_are_never_taken_for_its_own(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    words = ("--task=222a", "--method=ft")
    pretend()
    compare(*words)
    (out(tmp_path) / "runs/potsdam/222a/ft-s1337/step-2/model.safetensors").unlink()
    pretend(fails=lambda words: words[0] == "test")

    code, _ = compare(*words)
    status = [run.status for run in read_comparison(out(tmp_path)).runs]
    again = pretend()
    compare(*words)

    assert (code, status) == (1, ["failed"])
    assert again.called == [("test", "222a/ft-s1337", "all")]


def test_a_child_writes_its_log_and_sees_no_options_of_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SATICL_NO__OPTION", "1")  # refused by every command that sees it
    children = Children()

    assert children.call(["list", "methods"], tmp_path / "logs/x.log") == 0
    assert children.call(["list", "nothing"], tmp_path / "logs/x.log") == 2
    children.stop()
    assert children.call(["list", "methods"], tmp_path / "logs/y.log") is None

    text = (tmp_path / "logs/x.log").read_text()
    assert text.startswith("$ saticl list methods\n")
    assert "distillation" in text
    assert text.count("$ saticl list") == 2


def test_a_run_that_was_trained_with_other_options_is_refused(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    pretend()
    compare("--task=222a", "--method=ft", "--", "--trainer.max-epochs=3")
    pretender = pretend()

    code, text = compare("--task=222a", "--method=ft,mib", "--", "--trainer.max-epochs=4")
    other, other_text = compare(
        "--task=222a", "--method=ft", "--", "--trainer.max-epochs=3", "--trainer.num-workers=1"
    )

    assert code == 2
    assert "step-0 was trained with trainer.max_epochs = 3, not 4: give another --dst" in text
    assert (other, "finished" not in other_text) == (0, True)
    assert pretender.called == []


def test_runs_of_a_variant_that_differ_by_more_than_their_seed_are_no_table(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    from tests import pretended

    pretend()
    compare("--task=222a", "--method=ft", "--seeds=1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretended, "info", lambda *a, **k: info_of(*a, **{**k, "precision": "bf16"}))
        info_of = pretended.trained_info
        code, text = compare("--task=222a", "--method=ft", "--seeds=1,2")

    assert code == 2
    assert "differ by more than their seed: step 0: checkpoint.precision is no, bf16" in text


def test_a_run_that_fails_is_named_with_its_log_and_the_others_go_on(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    words = ("--task=222a", "--method=ft,mib", "--seeds=1,2")
    pretender = pretend(
        fails=lambda words: any("ft-s2.yaml" in word for word in words) and "--task.step=1" in words,
        scores=lambda *_: {"final": 0.5},
    )

    code, text = compare(*words)

    record = read_comparison(out(tmp_path))
    log = out(tmp_path) / "logs/222a/ft-s2.log"
    (failed,) = [run for run in record.runs if run.status != "finished"]
    assert code == 1
    assert f"222a/ft with seed 2 failed, see {log}: Error: It was asked to fail." in text.replace("- ", "-")
    assert (failed.variant, failed.seed, failed.status, failed.log) == ("ft", 2, "failed", str(log))
    assert ("test", "222a/ft-s2", "all") not in pretender.called
    assert record.rows[0].seeds == (1,)
    assert record.rows[1].differences["final"].pairs == 1
    assert "- 222a/ft, seed 2: failed, see" in (out(tmp_path) / "compare.md").read_text()
    assert "No interval where there are fewer than 2 pairs" in text

    again = pretend()
    assert compare(*words)[0] == 0
    assert again.trained() == [("222a/ft-s2", "1"), ("222a/ft-s2", "2")]
    assert not list(out(tmp_path).rglob("*.failed"))


def test_all_variants_of_a_seed_and_task_continue_from_one_step_0(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    pretender = pretend()

    code, text = compare("--task=222a", "--method=ft,mib,ewc", "--seeds=1,2", "--share-base")

    record = read_comparison(out(tmp_path))
    runs = out(tmp_path) / "runs/potsdam/222a"
    assert code == 0, text
    assert [run for run, step in pretender.trained() if step == "0"] == [
        "222a/ft-s1",
        "222a/ft-s2",
        "222a/ewc-s1",
        "222a/ewc-s2",
    ]
    told = yaml.safe_load((runs / "mib-s2/step-1/config.yaml").read_text())
    assert told["task"]["step_checkpoint"] == str(runs / "ft-s2/step-0")
    assert yaml.safe_load((runs / "mib-s2/step-2/config.yaml").read_text())["task"]["step_checkpoint"] is None
    assert [run.base for run in record.runs] == [None, "ft", None] * 2
    assert record.shares_base
    assert "Step 0 of mib is that of ft" in text
    assert "Step 0 of mib is that of ft" in (out(tmp_path) / "compare.md").read_text()
    nothing = pretend()
    assert compare("--task=222a", "--method=ft,mib,ewc", "--seeds=1,2", "--share-base")[0] == 0
    assert nothing.called == []
    refused, sentence = compare("--task=222a", "--method=ft,mib", "--seeds=1")
    assert (refused, "step_checkpoint" in sentence) == (2, True), sentence


def test_a_shared_step_0_that_fails_lets_its_runs_fail_and_no_others(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    pretender = pretend(fails=lambda words: words[0] == "train" and "ft-s1.yaml" in words[1])

    code, _ = compare("--task=222a", "--method=ft,mib", "--seeds=1,2", "--share-base")

    status = {(run.variant, run.seed): run.status for run in read_comparison(out(tmp_path)).runs}
    assert code == 1
    assert status == {("ft", 1): "failed", ("mib", 1): "failed", ("ft", 2): "finished", ("mib", 2): "finished"}
    assert not any(run == "222a/mib-s1" for run, _ in pretender.trained())
    assert "The step 0 that it starts from" in (out(tmp_path) / "logs/222a/mib-s1.failed").read_text()


@pytest.mark.parametrize("share", [(), ("--share-base",)])
def test_shards_train_every_run_once_and_the_last_one_writes_the_whole_table(
    share: tuple[str, ...], compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    words = ("--task=222a", "--method=ft,mib", "--seeds=1,2,3", *share)
    pretender = pretend()

    first = compare(*words, "--shard=1/2")
    before = read_comparison(out(tmp_path))
    second = compare(*words, "--shard=2/2")
    after = read_comparison(out(tmp_path))

    tests = [run for command, run, _ in pretender.called if command == "test"]
    assert (first[0], second[0]) == (0, 0), first[1] + second[1]
    assert sorted(tests) == sorted(f"222a/{method}-s{seed}" for method in ("ft", "mib") for seed in (1, 2, 3))
    assert len(pretender.trained()) == len(set(pretender.trained()))
    left = [run for run in before.runs if run.status == "left"]
    assert len(left) in (2, 3)
    assert f"{len(left)} of 6 runs are left to others" in first[1]
    assert all(run.status == "finished" for run in after.runs)
    assert "left to others" not in second[1]


def test_a_run_that_another_comparison_holds_is_left_to_it(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    words = ("--task=222a", "--method=ft,mib", "--seeds=1", "--share-base")
    pretender = pretend()
    lock = lock_step(out(tmp_path) / "runs/potsdam/222a/ft-s1")

    code, text = compare(*words)
    lock.release()

    assert code == 0, text
    assert pretender.called == []
    assert text.count("is trained by another comparison") == 3  # step 0, and both runs
    assert "2 of 2 runs are left to others" in text
    assert compare(*words)[0] == 0
    assert pretender.trained() == [("222a/ft-s1", "0"), ("222a/ft-s1", "1"), ("222a/ft-s1", "2"),
                                   ("222a/mib-s1", "1"), ("222a/mib-s1", "2")]  # fmt: skip


def test_two_comparisons_at_once_train_no_run_twice(
    tiny_tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saticl.commands.compare import compare
    from saticl.flags.comparing import variants_of

    pretender, together = Pretender(), threading.Barrier(2, timeout=60)
    monkeypatch.setattr(Children, "call", lambda _self, *words: pretender(*words))
    config = cli.CompareConfig(data_root=tiny_tiles, dst=tmp_path, task=("222a",), method=("ft", "mib"), seeds=(1, 2))

    def run(_: int) -> None:
        together.wait()
        compare(config, variants_of(config))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))

    assert len(pretender.called) == len(set(pretender.called)) == 4 * 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--task=222a", "--method=mibb"), "Did you mean 'mib'"),
        (("--task=222a", "--method=mib+dc"), "only +cd"),
        (("--task=999", "--method=ft"), "There is no"),
        (("--task=222a",), "nothing to compare: add --method"),
        (("--task=", "--method=ft"), "--task must be"),
        (("--method=ft",), "--task is required"),
        (("--task=222a", "--method=ft", "--seeds=x"), "--seeds must be an integer of at least 0, not 'x'"),
        (("--task=222a", "--method=ft", "--baseline=mib"), "There is no variant 'mib'"),
        (("--task=222a", "--method=ft", "--shard=3/2"), "--shard 3/2 is not valid"),
        (("--task=222a", "--method=ft", "--joint=nowhere"), "nowhere holds no finished step"),
        (("--task=222a", "--method=ft", "--cluster=tcp://x:1", "--jobs=2"), "leave them out, or leave out --cluster"),
        (("--task=offline", "--method=ft,mib", "--share-base"), "the task offline has no other step"),
        (("--task=222a", "--method=ewc,ft", "--share-base"), "name another method first, such as mib"),
        (("--task=222a", "--method=dkd,ft", "--share-base"), "step 0 of dkd, from which no other method can go on"),
        (("--task=222a", "--method=ft", "--gpus=97"), "--gpus 97 cannot be used"),
        (("--task=222a", "--method=ft", "--", "--trainer.max-epoch=2"), "There is no option --trainer.max-epoch."),
        (("--task=222a", "--method=ft", "--", "--seed=2"), "write --seeds before `--`"),
        (("--task=222a", "--method=ft", "--", "--plop.faithful"), "has no effect on the method ft"),
        (("--task=222a", "--method=ft", "--variants=x"), "--variants is not a flag: write variants into a YAML file"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_trained(
    words: tuple[str, ...], sentence: str, compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    pretender = pretend()

    code, text = compare(*words)

    assert (code, sentence in text) == (2, True), text
    assert pretender.called == []
    assert not list(tmp_path.rglob("runs"))


def test_a_destination_that_is_a_file_is_one_sentence(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    pretend()
    (tmp_path / "file").touch()

    code, text = compare("--task=222a", "--method=ft", f"--dst={tmp_path / 'file'}")

    assert (code, "file cannot be written" in text.replace("- ", "")) == (2, True), text


def test_a_joint_run_of_several_steps_is_refused_before_anything_is_trained(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    pretend()
    compare("--task=222a", "--method=ft", "--seeds=1")
    pretender = pretend()

    code, text = compare("--task=222a", "--method=mib", f"--joint={out(tmp_path) / 'runs/potsdam/222a/ft-s1'}")

    assert (code, "in 3 steps, not all classes at once" in text) == (2, True), text
    assert pretender.called == []


def test_the_table_fits_a_terminal_of_80_columns(
    tiny_tiles: Path, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    names = ("base", "added", "final", "average", "harmonic", "forgetting", "gap")
    pretend(scores=lambda _task, method, seed: dict.fromkeys(names, seed - 1.0 if method == "ft" else 0.5))
    words = ["compare", f"--data-root={tiny_tiles}", f"--dst={tmp_path}", "--task=222a", "--method=ft,mib+cd",
             "--seeds=1,2"]  # fmt: skip

    result = CliRunner().invoke(cli.app, words, env={"COLUMNS": "80"})

    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80
    assert any(line.count("±70.7") == 7 for line in lines)
    assert any(line.split() == ["2", "pairs", *["-50.0"] * 4, "+0.0", "-50.0"] for line in lines)
    assert any(line.split() == [*["+50.0"] * 4, "+0.0", "+50.0"] for line in lines)
    assert any(line.split()[:1] == ["mib+cd"] for line in lines)
    assert "…" not in result.stdout


def test_ctrl_c_stops_the_children_and_says_how_to_go_on(compare: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped, begun = threading.Event(), threading.Event()

    def call(_self: Children, *_words: object) -> None:
        begun.set()
        assert stopped.wait(30)

    monkeypatch.setattr(Children, "call", call)
    monkeypatch.setattr(Children, "stop", lambda _self: stopped.set())
    main = threading.main_thread().ident or 0
    threading.Thread(target=lambda: begun.wait(30) and signal.pthread_kill(main, signal.SIGTERM)).start()

    code, text = compare("--task=222a", "--method=ft")

    assert (code, "Interrupted. The same command continues" in text) == (130, True), text
    assert stopped.is_set()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_each_hand_has_a_gpu_in_turn_or_its_part_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    assert environments(3, ["2", "5"]) == [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in "252"]
    assert environments(3, []) == [{"OMP_NUM_THREADS": "2"}] * 3
    assert environments(1, []) == [{}]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert environments(2, []) == [{}, {}]


def test_gpus_are_named_as_cuda_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus([]) == ["0", "1"]
    assert visible_gpus(["1"]) == ["1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7")
    assert visible_gpus([]) == ["4", "GPU-7"]
    with pytest.raises(InvalidOptions, match="the GPUs 4, GPU-7 can be seen here"):
        visible_gpus(["0"])


def test_children_get_the_gpu_of_their_hand(
    compare: Invoke, pretend: Callable[..., Pretender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    pretender = pretend()

    assert compare("--task=offline", "--method=ft,mib", "--seeds=1,2", "--gpus=1")[0] == 0

    assert pretender.environments == [{"CUDA_VISIBLE_DEVICES": "1"}] * 8


def test_the_record_says_what_every_variant_is_told(
    compare: Invoke, pretend: Callable[..., Pretender], tmp_path: Path
) -> None:
    pretend()
    compare("--task=222a", "--method=ft", "--", "--trainer.max-epochs=3")

    document = json.loads((out(tmp_path) / "compare.json").read_text())
    told = document["variants"]["ft"]

    assert document["format"] == 1
    assert (told["method"], told["trainer"]["max_epochs"], told["tracking"]["uri"]) == ("ft", 3, "none")
    assert "seed" not in told
