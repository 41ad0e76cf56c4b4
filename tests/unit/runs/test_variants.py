"""Which runs are the same but for their seed, and what several seeds say together."""

import math
from pathlib import Path

import numpy as np
import pytest

from saticl.runs.trained import dotted
from saticl.runs.variants import (
    BOOKKEEPING,
    TrainedRun,
    differ_by_seed_only,
    differences,
    open_run,
    spread,
    spread_by_name,
    variants,
)
from tests.trained import info, write_run, write_step

NAN = float("nan")


def run(folder: Path, steps: int = 2, about: dict[str, object] | None = None, **options: object) -> TrainedRun:
    return open_run(write_run(folder, steps, about, **options))


def test_runs_with_other_seeds_and_bookkeeping_are_one_variant(tmp_path: Path) -> None:
    first = run(tmp_path / "a", seed=1)
    second = run(
        tmp_path / "b", seed=2, name="b", comment="again", output_folder="elsewhere",
        trainer={"num_workers": 8, "resume": True}, optimizer={"later_lr": 0.001},
    )  # fmt: skip

    assert differences([first, second]) == {}
    assert differ_by_seed_only([first, second])
    assert not differ_by_seed_only([first, first])


def test_the_previous_step_counts_by_what_it_is_and_not_by_its_folder(tmp_path: Path) -> None:
    for name, rate in (("a", 0.1), ("b", 0.1), ("c", 0.2)):
        first = write_step(tmp_path / name / "first", info(0), optimizer={"lr": rate})
        write_step(tmp_path / name / "next", info(1), extend=str(first), seed=ord(name))
    same, other, different = (open_run(tmp_path / name / "next") for name in "abc")

    assert differences([same, other]) == {}
    assert differences([same, different]) == {"step 0: optimizer.lr": (0.1, 0.2)}


@pytest.mark.parametrize(
    ("options", "about", "name"),
    [
        ({"optimizer": {"lr": 0.5}}, {}, "step 0: optimizer.lr"),
        ({"trainer": {"max_epochs": 9}}, {}, "step 0: trainer.max_epochs"),
        ({"method": "mib"}, {}, "step 0: method"),
        ({"data_root": "others"}, {}, "step 0: data_root"),
        ({"task": {"step_checkpoint": "x"}}, {}, "step 0: task.step_checkpoint"),
        ({"new_option": 1}, {}, "step 0: new_option"),
        ({}, {"precision": "bf16"}, "step 0: checkpoint.precision"),
        ({}, {"mean": (1.0, 2.0, 3.0)}, "step 0: checkpoint.mean"),
        ({}, {"groups": (("tree", "building"), ("car",))}, "step 0: checkpoint.groups"),
    ],
)
def test_whatever_else_differs_makes_another_variant_and_is_named(
    options: dict[str, object], about: dict[str, object], name: str, tmp_path: Path
) -> None:
    first, second = run(tmp_path / "a"), run(tmp_path / "b", 2, about, seed=2, **options)

    assert name in differences([first, second])
    assert not differ_by_seed_only([first, second])
    assert [one.runs for one in variants([first, second])] == [(first,), (second,)]


def test_a_difference_has_the_value_of_every_run(tmp_path: Path) -> None:
    runs = [run(tmp_path / str(rate), 1, optimizer={"lr": rate}) for rate in (0.1, 0.2, 0.1)]

    assert differences(runs) == {"step 0: optimizer.lr": (0.1, 0.2, 0.1)}


def test_an_option_of_one_step_counts(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "a"), write_run(tmp_path / "b", seed=2)
    write_step(second, info(1), seed=2, optimizer={"lr": 0.5})

    assert list(differences([open_run(first), open_run(second)])) == ["step 1: optimizer.lr"]


def test_a_run_of_fewer_steps_is_another_variant(tmp_path: Path) -> None:
    assert len(variants([run(tmp_path / "a", 2), run(tmp_path / "b", 1, seed=2)])) == 2


def test_the_same_folder_of_tiles_may_be_written_in_two_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert differ_by_seed_only(
        [run(tmp_path / "a", data_root="tiles"), run(tmp_path / "b", seed=2, data_root=str(tmp_path / "tiles"))]
    )


def test_runs_are_grouped_in_their_order_and_a_repeated_seed_stands_apart(tmp_path: Path) -> None:
    a1, b1 = run(tmp_path / "a1"), run(tmp_path / "b1", method="mib")
    a2, again = run(tmp_path / "a2", seed=2), run(tmp_path / "again", name="again")

    first, second = variants([a1, b1, a2, again])

    assert (first.runs, first.repeated) == ((a1, a2), (again,))
    assert (second.runs, second.repeated) == ((b1,), ())


def test_bookkeeping_names_options_that_exist() -> None:
    from saticl.config import TrainConfig

    assert set(dotted(TrainConfig(data_root=Path()).model_dump())) >= BOOKKEEPING


@pytest.mark.parametrize(
    ("values", "mean", "deviation", "n"),
    [
        ([], NAN, NAN, 0),
        ([NAN], NAN, NAN, 0),
        ([0.5], 0.5, NAN, 1),
        ([0.5, NAN], 0.5, NAN, 1),
        ([1.0, 3.0], 2.0, math.sqrt(2), 2),
        ([1.0, 2.0, 6.0, NAN], 3.0, math.sqrt(7), 3),
    ],
)
def test_mean_and_deviation_skip_the_unknown(values: list[float], mean: float, deviation: float, n: int) -> None:
    result = spread(values)

    assert (float(result.mean), float(result.deviation)) == pytest.approx((mean, deviation), nan_ok=True)
    assert int(result.n) == n


def test_tables_are_taken_element_by_element() -> None:
    tables = np.array([[[1.0, NAN], [0.0, 4.0]], [[3.0, NAN], [0.0, NAN]]])

    result = spread(list(tables))

    assert np.array_equal(result.mean, [[2, NAN], [0, 4]], equal_nan=True)
    assert np.array_equal(result.deviation, [[math.sqrt(2), NAN], [0, NAN]], equal_nan=True)
    assert result.n.tolist() == [[2, 0], [2, 1]]


def test_rows_are_taken_by_name_and_a_missing_number_does_not_count() -> None:
    result = spread_by_name([{"final": 0.25}, {"final": 0.75, "gap": 0.5}])

    assert list(result) == ["final", "gap"]
    assert (float(result["final"].mean), int(result["final"].n)) == (0.5, 2)
    assert (float(result["gap"].mean), int(result["gap"].n)) == (0.5, 1)
