"""Class-incremental semantic segmentation of aerial imagery.

from saticl import Predictor
classes = Predictor.open("outputs/city/offline/mib")(image)
"""

from importlib import import_module

__version__ = "0.1.0"

DOOR = {"Predictor": "saticl.inference.predictor"}
"""What can be imported from here, and where it lives; found when it is asked for, because it needs torch."""


def __getattr__(name: str) -> object:
    if name not in DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(DOOR[name]), name)
