"""The model card beside an exported model: what it knows, where that comes from, how good it is, and how to use it."""

import math
from collections.abc import Iterable, Mapping, Sequence

from saticl.export.facts import Facts, hexadecimal
from saticl.export.stac import Format
from saticl.runs.scores import ScoredSplit, SplitScores

SPLITS: Mapping[ScoredSplit, str] = {"test": "Test tiles", "val": "Validation tiles"}


def card(facts: Facts, form: Format, model: str, scores: Mapping[ScoredSplit, SplitScores], difference: str) -> str:
    """Markdown; `model` is the name of the model's file, `difference` a sentence on how it was checked."""
    sections = (
        [f"# {facts.name}", _overview(facts)],
        ["## Licence", "_To be filled in._"],
        ["## Classes", _classes(facts)],
        ["## Input and output", _interface(facts, difference)],
        ["## Data", _data(facts)],
        ["## Scores", _scores(scores)],
        ["## Use", _use(facts, form, model)],
    )
    return "\n\n".join(part for section in sections for part in section) + "\n"


def _overview(facts: Facts) -> str:
    weights = f"{facts.parameters / 1e6:.1f} million weights"
    steps = " > ".join("{" + ", ".join(group) + "}" for group in facts.learned)
    return (
        f"Semantic segmentation: {facts.decoder} with the encoder {facts.encoder}, {weights}. "
        f"Trained with the method {facts.method}, protocol {facts.protocol}, step {facts.step}: {steps}. "
        f"Run {facts.run}. Exported on {facts.date[:10]} by saticl {facts.version}."
    )


def _classes(facts: Facts) -> str:
    step_of = {name: str(step) for step, group in enumerate(facts.learned) for name in group}
    rows = [
        (str(entry.index), entry.name, f"#{hexadecimal(entry.colour)}", step_of.get(entry.name, "-"))
        for entry in facts.classes
    ]
    return _table(("index", "class", "colour", "step"), rows)


def _interface(facts: Facts, difference: str) -> str:
    sides = (
        "[batch, {}, height, width]"
        if facts.tile_size is None
        else f"[batch, {{}}, {facts.tile_size}, {facts.tile_size}]"
    )
    values = (
        "raw values as they are stored; the model normalises them itself"
        if facts.normalized
        else "(value - mean) / deviation, with the numbers below"
    )
    return (
        f"`input`: float32 {sides.format(len(facts.bands))}, {values}. "
        f"Bands in this order: {', '.join(facts.bands)}.\n\n"
        f"`output`: float32 {sides.format(len(facts.classes))}, probabilities by the index of the class. {difference}"
    )


def _data(facts: Facts) -> str:
    resolution = "not known" if facts.ground_size is None else f"{facts.ground_size:g} m of ground per pixel"
    highest = facts.source.highest or (math.nan,) * len(facts.bands)
    rows = [
        (band, f"{mean:g}", f"{std:g}", _number(high))
        for band, mean, std, high in zip(facts.bands, facts.mean, facts.std, highest, strict=True)
    ]
    known = f"Dataset {facts.dataset}, {facts.source.dtype or 'type of values not known'}; resolution: {resolution}."
    return f"{known}\n\n{_table(('band', 'mean', 'deviation', 'highest'), rows)}"


def _scores(scores: Mapping[ScoredSplit, SplitScores]) -> str:
    return "\n\n".join(_split(SPLITS[name], split) for name, split in scores.items()) or "Not scored yet."


def _split(title: str, scores: SplitScores) -> str:
    rows = [(row.name, *map(_percent, (row.iou, row.f1, row.precision, row.recall))) for row in scores.classes]
    return f"{title}, in per cent:\n\n{_table(('class', 'IoU', 'F1', 'precision', 'recall'), rows)}"


def _use(facts: Facts, form: Format, model: str) -> str:
    if form == "safetensors":
        return (
            "The weights and their description, as `saticl` writes them: put the file into a folder as\n"
            "`model.safetensors`, and `Predictor.open(folder)` opens it."
        )
    if form == "torchscript":
        return f'```python\nimport torch\n\nmodel = torch.jit.load("{model}")\nclasses = model(image).argmax(1)\n```'
    return (
        "```python\nimport onnxruntime\n\n"
        f'session = onnxruntime.InferenceSession("{model}")\n'
        '(probabilities,) = session.run(["output"], {"input": image.astype("float32")})\n'
        "classes = probabilities.argmax(1)\n```\n\n" + _deepness(facts, model)
    )


def _deepness(facts: Facts, model: str) -> str:
    if facts.tile_size is None:
        return "For QGIS Deepness, which takes models of one tile size only, export again with `--tile-size 512`."
    return (
        f"In QGIS, with the plugin Deepness: choose the raster as input layer, {model} as model file (the type "
        f"becomes Segmentor, and tile size, overlap and resolution are set), map the bands to "
        f"{', '.join(facts.bands)}, and press Run."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _percent(value: float) -> str:
    return _number(round(100 * value, 1))


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:g}"
