"""Finished steps to export, whose networks tell every part of the computation apart."""

from pathlib import Path

import torch
from torch import nn

from saticl.engine.checkpoint import save_model
from saticl.models.norm import ABN
from saticl.models.segmenter import Segmenter
from saticl.options import ModelOptions
from saticl.runs.folder import MODEL_FILE, Finished
from saticl.runs.step import StepInfo
from tests.trained import info

MEAN, STD = (90.0, 100.0, 110.0), (40.0, 50.0, 0.0)


def about(encoder: str = "test_resnet", **model: object) -> StepInfo:
    """The second step of a protocol of two, trained on images of 5 cm per pixel."""
    options = ModelOptions.model_validate({"encoder": encoder, **model})
    return info(1, mean=MEAN, std=STD, ground_size=0.05, model=options)


def segmenter(of: StepInfo) -> Segmenter:
    """A network whose statistics and scales are not those of an untrained one, and whose scores are far apart."""
    torch.manual_seed(0)
    built = Segmenter(of.model, len(of.bands), of.task.head_sizes, of.image_size).eval()
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d | ABN):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
            nn.init.normal_(module.weight)  # half of them negative
    for head in built.heads:
        nn.init.normal_(head.weight, 0, 0.5)
    return built


def write(run: Path, of: StepInfo) -> Finished:
    """The folder of that step."""
    folder = run / f"step-{of.step}"
    save_model(folder / MODEL_FILE, segmenter(of).state_dict(), of)
    return Finished(folder, of)
