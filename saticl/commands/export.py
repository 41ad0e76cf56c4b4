"""`export`: a trained step as a file that other programs can run, checked against the step itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from saticl.commands.runs import trained_config
from saticl.config import ExportConfig
from saticl.display.console import console
from saticl.errors import InvalidOptions, SaticlError
from saticl.export import files
from saticl.export.card import card
from saticl.export.check import Run, largest_difference
from saticl.export.facts import Facts, Source
from saticl.export.portable import Portable
from saticl.export.stac import Format, item
from saticl.files import write_atomically, write_json
from saticl.runs.folder import Finished, find_steps
from saticl.runs.scores import SCORES_FILE, ScoredSplit, ScoresFile, SplitScores, read_scores_file
from saticl.runs.trained import CONFIG_FILE
from saticl.tiles.manifest import MANIFEST, Manifest

SUFFIXES: Mapping[Format, str] = {"onnx": ".onnx", "torchscript": ".pt", "safetensors": ".safetensors"}


@dataclass(frozen=True)
class Exported:
    """What will be written, and how far it is from the step."""

    content: bytes
    facts: Facts
    difference: float | None
    """Largest difference between probabilities; None: not checked here."""


def export(config: ExportConfig) -> None:
    """Write a step in another format, a STAC item and a model card; nothing is written before all was checked.

    Raises:
        SaticlError: no such step, a destination that cannot be used, a package that is missing, or a file that would
            not give what the step gives.
    """
    (finished,) = find_steps(config.run, config.task.step)
    path = destination(config, finished)
    if config.format == "onnx":
        files.require_packages()
    if config.format == "safetensors" and config.tile_size is not None:
        raise InvalidOptions("--format safetensors holds weights, which know no size: leave out --tile-size.")
    exported = make(config, finished)
    beside, described = path.with_name(f"{path.name}.stac.json"), path.with_name(f"{path.name}.md")
    scores = known_scores(finished.folder)
    checked = _checked(exported.difference, config.format)
    write_json(beside, item(exported.facts, config.format, path.name, described.name))
    write_atomically(described, card(exported.facts, config.format, path.name, scores, checked))
    write_atomically(path, exported.content)
    console.print(_summary(exported.facts, checked))
    for one in (path, beside, described):
        console.print(f"[dim]{one}[/]", soft_wrap=True, highlight=False)


def destination(config: ExportConfig, finished: Finished) -> Path:
    """The file to write.

    Raises:
        InvalidOptions: a folder, or the step's own model.
    """
    suffix = SUFFIXES[config.format]
    path = config.dst or finished.folder / "export" / f"model{suffix}"
    if path.is_dir():
        raise InvalidOptions(f"--dst {path} is a folder: name a file in it, such as {path / f'model{suffix}'}.")
    if path.resolve() == finished.model.resolve():
        raise InvalidOptions(f"--dst {path} is the model of the step itself: name another file.")
    return path


def make(config: ExportConfig, finished: Finished) -> Exported:
    """The content of the file, compared with the step where that is possible.

    Raises:
        SaticlError: see `export`.
    """
    step = Portable.open(finished.model)
    count, source = sum(tensor.numel() for tensor in step.network.parameters()), source_of(finished)
    if config.format == "safetensors":
        facts = Facts.of(finished, count, source, normalized=False, tile_size=None)
        return Exported(files.safetensors_content(finished.model, facts), facts, None)
    tile_size = _tile_size(config, step)
    facts = Facts.of(finished, count, source, normalized=True, tile_size=tile_size)
    content, run = _traced(config.format, step.expanded(), facts)
    return Exported(content, facts, None if run is None else largest_difference(step, run, tile_size))


def _traced(form: Format, step: Portable, facts: Facts) -> tuple[bytes, Run | None]:
    if form == "torchscript":
        content = files.torchscript_content(step, facts)
        return content, files.run_torchscript(content)
    content = files.onnx_content(step, facts)
    return content, files.run_onnx(content) if files.can_run_onnx() else None


def _tile_size(config: ExportConfig, step: Portable) -> int | None:
    """The only side of tiles: as asked for, or as the encoder wants it.

    Raises:
        InvalidOptions: one that the encoder does not work at.
    """
    name, asked = step.info.model.encoder, config.tile_size
    exact = config.format == "onnx" and step.interpolates
    side = step.training_side if exact else step.only_side
    if side is None:
        return asked
    if asked is None:
        console.print(f"{name} exports at one size only: exported for tiles of {side} x {side} pixels.")
    elif asked > side or (exact and asked < side):
        raise InvalidOptions(f"{name} exports at {side} x {side} pixels, not at --tile-size {asked}: leave it out.")
    return asked or side


def source_of(finished: Finished) -> Source:
    """What the images are, from the folder that the step was trained on; empty where that is gone."""
    if not (finished.folder / CONFIG_FILE).is_file():
        return Source()
    try:
        root = trained_config(finished.folder).data_root
        if root is None or not (root / MANIFEST).is_file():
            return Source()
        manifest = Manifest.load(root)
    except SaticlError:  # a model can be exported without its data
        return Source()
    highest = dict(zip(manifest.bands, manifest.statistics.highest, strict=False))
    known = tuple(highest[band] for band in finished.info.bands if band in highest)
    return Source(dtype=manifest.dtype, highest=known if len(known) == len(finished.info.bands) else ())


def known_scores(folder: Path) -> dict[ScoredSplit, SplitScores]:
    """The scores of a step by split, test tiles first; empty where it was never scored.

    Raises:
        InvalidRecord: a file of scores that cannot be read.
    """
    file = read_scores_file(folder) if (folder / SCORES_FILE).is_file() else ScoresFile()
    both: dict[ScoredSplit, SplitScores | None] = {"test": file.test, "val": file.val}
    return {split: scores for split, scores in both.items() if scores is not None}


def _checked(difference: float | None, form: Format) -> str:
    if form == "safetensors":
        return "The weights are those of the step."
    if difference is None:
        return "Not checked: onnxruntime is not installed (`pip install onnxruntime`)."
    return f"Checked against PyTorch on random tiles: probabilities differ by at most {difference:.1g}."


def _summary(facts: Facts, checked: str) -> Table:
    values = "raw" if facts.normalized else "normalised"
    size = (
        "tiles of every size" if facts.tile_size is None else f"tiles of {facts.tile_size} x {facts.tile_size} pixels"
    )
    rows = {
        "model": facts.name,
        "classes": ", ".join(f"{entry.index} {entry.name}" for entry in facts.classes),
        "input": f"{', '.join(facts.bands)}: {values} values, {size}",
        "check": checked,
    }
    table = Table(show_header=False, box=None)
    for label, value in rows.items():
        table.add_row(f"[bold]{label}[/]", value)
    return table
