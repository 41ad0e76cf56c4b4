"""The STAC item beside an exported model, with the machine learning model extension (MLM).

Fields: https://github.com/stac-extensions/mlm, version 1.5.1. A model covers no place, so the item has no geometry;
its bands are those of STAC 1.1. The facts are in it as they are in the model's file.
"""

import re
from typing import Literal

from saticl.export.facts import Facts, OutputClass, hexadecimal

Format = Literal["onnx", "torchscript", "safetensors"]

MLM = "https://stac-extensions.github.io/mlm/v1.5.1/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"

FRAMEWORKS = {"onnx": "ONNX", "torchscript": "PyTorch", "safetensors": "PyTorch"}
ARTIFACTS = {"onnx": "onnx", "torchscript": "torch.jit.save", "safetensors": "safetensors"}


def item(facts: Facts, form: Format, model: str, card: str) -> dict[str, object]:
    """The item; `model` and `card` are the names of files beside it."""
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, CLASSIFICATION],
        "id": _plain(facts.name, "-"),
        "geometry": None,
        "properties": {
            "datetime": facts.date,
            "title": facts.name,
            "bands": [{"name": band} for band in facts.bands],
            **({} if facts.ground_size is None else {"gsd": facts.ground_size}),
            "mlm:name": _plain(facts.name, " "),
            "mlm:architecture": f"{facts.decoder} with {facts.encoder}",
            "mlm:tasks": ["semantic-segmentation"],
            "mlm:framework": FRAMEWORKS[form],
            "mlm:total_parameters": facts.parameters,
            "mlm:pretrained": facts.pretrained,
            **({} if facts.pretrained else {"mlm:pretrained_source": None}),
            "mlm:input": [_input(facts)],
            "mlm:output": [_output(facts)],
            "saticl": facts.model_dump(mode="json"),
        },
        "links": [],
        "assets": {
            "model": {
                "href": f"./{model}",
                "title": facts.name,
                "type": f"application/octet-stream; application={form}",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": ARTIFACTS[form],
            },
            "card": {"href": f"./{card}", "title": "Model card", "type": "text/markdown", "roles": ["metadata"]},
        },
    }


def _input(facts: Facts) -> dict[str, object]:
    scaling = [{"type": "z-score", "mean": m, "stddev": s} for m, s in zip(facts.mean, facts.std, strict=True)]
    return {
        "name": "input",
        "description": "Raw values, normalised inside the model." if facts.normalized else "Normalised values.",
        "bands": list(facts.bands),
        "input": {
            "shape": [-1, len(facts.bands), *_sides(facts)],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": None if facts.normalized else scaling,
        "resize_type": None,
        "pre_processing_function": None,
    }


def _output(facts: Facts) -> dict[str, object]:
    return {
        "name": "output",
        "description": "Probabilities.",
        "tasks": ["semantic-segmentation"],
        "result": {
            "shape": [-1, len(facts.classes), *_sides(facts)],
            "dim_order": ["batch", "class", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": [_class(entry) for entry in facts.classes],
        "post_processing_function": None,
    }


def _class(entry: OutputClass) -> dict[str, object]:
    return {
        "value": entry.index,
        "name": _plain(entry.name, "_"),
        "title": entry.name,
        "color_hint": hexadecimal(entry.colour),
    }


def _sides(facts: Facts) -> list[int]:
    return [-1, -1] if facts.tile_size is None else [facts.tile_size] * 2


def _plain(text: str, between: str) -> str:
    """A name in letters, digits and `between`, as the extensions want names."""
    return re.sub(r"[^0-9A-Za-z]+", between, text).strip(between) or "unnamed"
