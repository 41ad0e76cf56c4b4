"""What Deepness, a plugin of QGIS, reads in the metadata of an ONNX file.

Names and meanings: https://qgis-plugin-deepness.readthedocs.io, "Adding metadata to ONNX model", and the plugin's
`model_base.py`. Every value is JSON.
"""

import json

from saticl.export.facts import Facts

OVERLAP = 25
"""Per cent of a tile that its neighbour also shows, so that every pixel is far from a border in one of both."""


def properties(facts: Facts) -> dict[str, str]:
    """Names and values.

    Deepness divides every value by 255, whatever its type, then subtracts `standardization_mean` and divides by
    `standardization_std`. Our models normalise themselves, so 0 and 1/255 give them the raw values back.
    A threshold of 0 keeps the class with the largest probability; others would turn uncertain pixels into background.
    """
    bands = len(facts.bands)
    values: dict[str, object] = {
        "model_type": "Segmentor",
        "class_names": {str(entry.index): entry.name for entry in facts.classes},
        "tiles_overlap": OVERLAP,
        "seg_thresh": 0.0,
        "seg_small_segment": 0,
        "standardization_mean": [0.0] * bands,
        "standardization_std": [1 / 255] * bands,
    }
    if facts.ground_size is not None:
        values["resolution"] = round(100 * facts.ground_size, 4)  # centimetres
    if facts.tile_size is not None:
        values["tile_size"] = facts.tile_size  # what the plugin reads
        values["tiles_size"] = facts.tile_size  # what its documentation says
    return {name: json.dumps(value) for name, value in values.items()}
