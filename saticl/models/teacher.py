"""The previous step's network, as the next step sees it: fixed."""

import copy
from typing import Self

import torch
from torch import nn

from saticl.models.segmenter import Segmenter
from saticl.types import Image, Output


class Teacher(nn.Module):
    """A frozen copy of a segmenter, in evaluation mode for ever.

    Outputs carry no graph, but are ordinary tensors: `torch.inference_mode` would be a little faster, yet its tensors
    cannot be saved for the backward pass of a loss.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = copy.deepcopy(segmenter)
        self.requires_grad_(False)
        self.segmenter.eval()
        self.training = False

    @property
    def num_classes(self) -> int:
        """Classes the teacher knows, background included."""
        return self.segmenter.num_classes

    @torch.no_grad()
    def forward(self, image: Image) -> Output:
        """What the previous step's network says."""
        output: Output = self.segmenter(image)
        return output

    def train(self, mode: bool = True) -> Self:
        """Does nothing: a teacher does not learn."""
        del mode
        return self
