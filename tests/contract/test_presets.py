"""Files of published recipes: complete, as the table writes them, and with the scores of docs/reproduced.md."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from saticl.protocols import PUBLISHED
from saticl.runs.trained import dotted
from saticl.tasks import Protocol

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "scripts"))
import write_presets  # noqa: E402 - a script, found by the line above

BENCHMARKS = ("voc", "ade20k", "cityscapes")
FILES = [path for name in BENCHMARKS for path in sorted((REPOSITORY / "configs" / name).glob("*.yaml"))]
PAGE = (REPOSITORY / "docs" / "reproduced.md").read_text(encoding="utf-8")
"""Of published scores."""

ALL = set(dotted(yaml.safe_load((REPOSITORY / "configs" / "voc" / "ft-15-5.yaml").read_text(encoding="utf-8"))))
"""Options of any benchmark, without those of a method."""

METHODS_OWN = {"kd", "ewc", "pi", "rw", "plop", "lgkd", "cil"}
"""Sections."""

LOSS = {"class_weights", "ce.name"}
"""What LwF-MC does not read."""

OPTIONS_OF_NETWORKS = {"model.output_stride", "model.norm", "model.act"}
"""What ERFNet has not."""


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def options(path: Path) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def published_in(path: Path) -> list[tuple[str, str]]:
    """What each line of a header says, and its score."""
    return re.findall(r"^# Published, (.+?): (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def published_on_the_page(path: Path) -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if f"](../configs/{name_of(path)})" in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def order_of(path: Path) -> Protocol:
    name = options(path)["task"]["name"]  # type: ignore[index]
    return next(order for order in PUBLISHED[path.parent.name] if order.name == name)


def test_files_and_page_are_what_the_table_writes() -> None:
    written = {write_presets.name_of(row): write_presets.content(row) for row in write_presets.rows()}

    assert written == {name_of(path): path.read_text(encoding="utf-8") for path in FILES}
    assert write_presets.with_tables(PAGE) == PAGE


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_and_the_page_name_the_same_published_scores(path: Path) -> None:
    rows = published_on_the_page(path)

    assert published_in(path)
    assert [(row[1], row[3]) for row in rows] == published_in(path)
    measured = any(row[4] for row in rows)
    assert measured != ("Our score: not measured yet." in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_published_means_of_all_follow_from_those_of_old_and_new(path: Path) -> None:
    """As many classes as the line says: so digits and convention of background are right."""
    sizes = [len(group) for group in order_of(path).groups]
    for what, score in published_in(path):
        parts = [float(part) for part in score.partition(",")[0].split(" / ") if not part.startswith("all")]
        if path.parent.name == "cityscapes" or not parts:
            continue
        counts = sizes if len(parts) == len(sizes) + 1 else [sizes[0], sum(sizes[1:])]
        counts = [counts[0] + ("background counted" in what), *counts[1:]]
        mean = sum(count * part for count, part in zip(counts, parts, strict=False)) / sum(counts)
        assert parts[-1] == pytest.approx(mean, abs=0.11), (what, score)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_says_all_options_of_its_benchmark(path: Path) -> None:
    """Apart from the section of its method."""
    said = {name for name in dotted(options(path)) if name.partition(".")[0] not in METHODS_OWN}

    missing = OPTIONS_OF_NETWORKS if "erfnet" in path.read_text(encoding="utf-8") else set()
    if path.name.startswith("lwf-mc"):
        missing = LOSS
    assert said == ALL - missing


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("voc/mib-15-5", {"kd.decoder_factor": 10, "void": "background", "task.filter_mode": "overlap"}),
        ("voc/mib-15-1", {"kd.decoder_factor": 100, "task.name": "15-5s", "trainer.max_epochs": 30}),
        ("voc/mib-10-1", {"kd.decoder_factor": 10, "void": "ignore"}),
        ("voc/lwf-19-1", {"kd.decoder_factor": 100, "optimizer.lr": 0.01, "optimizer.later_lr": 0.001}),
        ("voc/ilt-19-1", {"kd.decoder_factor": 100, "kd.encoder_factor": 100}),
        ("voc/lwf-mc-19-1", {"kd.decoder_factor": 10}),
        ("voc/ewc-15-5", {"ewc.factor": 500, "ewc.faithful": True}),
        ("voc/rw-15-5", {"rw.factor": 100, "rw.interval": 10}),
        ("voc/plop-10-1", {"trainer.max_epochs": 10, "plop.features_factor": 0.01, "plop.logits_factor": 5e-4}),
        ("voc/lgkd-19-1", {"lgkd.previous": 5, "lgkd.novel": 0.5, "trainer.batch_size": 24}),
        ("voc/lgkd-15-1", {"lgkd.previous": 1, "lgkd.novel": 0}),
        ("ade20k/mib-50", {"kd.decoder_factor": 10, "task.filter_mode": "balanced", "trainer.max_epochs": 60}),
        ("ade20k/mib-100-5", {"task.filter_mode": "overlap", "void": "ignore"}),
        ("ade20k/plop-100-50", {"plop.features_factor": 1e-3, "plop.logits_factor": 1e-5, "plop.faithful": True}),
        ("ade20k/lgkd-50", {"lgkd.previous": 2, "lgkd.novel": 10, "optimizer.lr": 0.02, "trainer.batch_size": 12}),
        ("cityscapes/plop-11-1", {"plop.features_factor": 1e-4, "plop.logits_factor": 1e-4, "task.splits": "merged"}),
        ("cityscapes/cil-1-2-3", {"hidden": "ignore", "optimizer.lr": 5e-4, "optimizer.later_lr": 5e-4}),
    ],
)
def test_settings_that_differ_between_files_are_the_published_ones(file: str, wanted: dict[str, object]) -> None:
    said = dotted(options(REPOSITORY / "configs" / f"{file}.yaml"))

    assert {name: said[name] for name in wanted} == wanted
