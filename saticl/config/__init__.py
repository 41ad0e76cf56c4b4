"""The option trees of the commands. Assembly only: the sections are in `options.py`.

Precedence: defaults < the method's own defaults < --config files < environment < flags. Nothing here edits what the
user typed; contradictions raise `InvalidOptions`.
"""

from saticl.config.compare import CompareConfig
from saticl.config.demo import DemoConfig
from saticl.config.export import ExportConfig
from saticl.config.import_model import ImportConfig
from saticl.config.predict import PredictConfig
from saticl.config.prepare import PrepareConfig
from saticl.config.test import TestConfig, TestTaskOptions
from saticl.config.train import TrainConfig

__all__ = [
    "CompareConfig",
    "DemoConfig",
    "ExportConfig",
    "ImportConfig",
    "PredictConfig",
    "PrepareConfig",
    "TestConfig",
    "TestTaskOptions",
    "TrainConfig",
]
