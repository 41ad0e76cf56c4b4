"""The page on scores names what exists, and leaves out nothing that `test` writes."""

import re
from pathlib import Path

import pytest

from saticl import config
from saticl.display.tables import SUMMARY_LABELS
from saticl.metrics.incremental import against_joint, over_steps
from saticl.metrics.scores import MEASURES, score_groups
from saticl.runs.compared import CSV_COLUMNS, Difference, VariantRow
from saticl.runs.journal import Costs
from saticl.runs.measured import COSTS as MEASURED

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([a-z0-9_]+)`", PAGE))
RUN = over_steps([[0.5, 0.5], [0.5, 0.5, 0.5]], (2, 1))
COSTS = set(Costs.model_fields)
SUMMARY = {**RUN.summary, **against_joint(RUN, [0.5] * 3, (2, 1)).summary}
OTHERS = {
    "test", "accuracy", "offline", "summary", "classes", "restricted", "forgetting", "joint", "_with_background",
    "format", "unseen", "unlabelled", "images", "costs",
}  # fmt: skip
"""Names that are no score: a command, a task, parts of a file."""


def test_everything_named_there_exists() -> None:
    compared = {"compare", *CSV_COLUMNS, *VariantRow.model_fields, *Difference.model_fields, *MEASURED}
    known = {*SUMMARY, *score_groups((2, 1)), *MEASURES, *COSTS, *OTHERS, *compared}

    assert NAMED - known == set()


@pytest.mark.parametrize(
    "names",
    [SUMMARY, {*score_groups((2, 1))} - {"background"}, MEASURES, COSTS],
    ids=["summary", "groups", "measures", "costs"],
)
def test_every_score_has_a_definition(names: set[str]) -> None:
    assert set(names) - NAMED == set()


def test_every_summary_number_is_shown() -> None:
    assert {name.removesuffix("_with_background") for name in SUMMARY} == set(SUMMARY_LABELS)


def test_flags_on_the_page_are_options_of_test() -> None:
    flags = {flag.replace("-", "_") for flag in re.findall(r"`--([a-z.-]+)", PAGE)}
    options = {*config.TestConfig.model_fields, *(f"task.{name}" for name in config.TestTaskOptions.model_fields)}

    assert flags
    assert flags <= options


def test_scripts_and_links_exist() -> None:
    root = Path(__file__).resolve().parents[2]

    for name in re.findall(r"`(scripts/[a-z_]+\.py)`", PAGE):
        assert (root / name).is_file()
