"""A trained step as one function of an image: raw bands in, probabilities out, and nothing to remember outside."""

import copy
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from saticl.engine.checkpoint import load_model
from saticl.errors import InvalidOptions
from saticl.inference.predictor import normalization
from saticl.methods import load
from saticl.models.norm import expand_norms
from saticl.models.segmenter import Segmenter
from saticl.runs.step import StepInfo


class Portable(nn.Module):
    """Raw bands [B, C, H, W] to probabilities [B, K, H, W] float32, by output index.

    It computes what `Predictor.batch` computes in float32: normalisation, network, and what the method says
    scores mean.
    """

    def __init__(self, network: Segmenter, info: StepInfo) -> None:
        super().__init__()
        self.info = info
        self.normalize = normalization(info, torch.device("cpu"))
        self.network = network
        self.decode = load(info.method).decode
        self.eval().requires_grad_(False)

    @classmethod
    def open(cls, model: Path) -> Self:
        """The step of a checkpoint, on the CPU; In-Place ABN need not be installed.

        Raises:
            InvalidCheckpoint: it cannot be used. NonFiniteWeights: it predicts nothing.
        """
        return cls(*load_model(model, plain=True))

    def forward(self, image: Tensor) -> Tensor:
        """Raw bands in the order of `info.bands`."""
        return self.decode(self.network(self.normalize(image)))

    def expanded(self) -> "Portable":
        """A copy without norms of our own: batch norms and activations, which every program knows."""
        twin = copy.deepcopy(self)
        expand_norms(twin)
        return twin

    @property
    def only_side(self) -> int | None:
        """Side of the images that the encoder works at, to which it pads smaller ones; None if it takes any size."""
        side = self._padded(1)
        try:
            self._padded(side + 1)
        except InvalidOptions:
            return side
        return None

    @property
    def interpolates(self) -> bool:
        """Whether the encoder fits position embeddings to every image, which ONNX has no operation for."""
        return any(getattr(module, "dynamic_img_size", None) for module in self.network.modules())

    @property
    def training_side(self) -> int:
        """Side of the training views, padded as the encoder wants it."""
        return self._padded(self.info.image_size)

    def tiles(self, count: int, height: int, width: int) -> Tensor:
        """Random raw tiles [count, C, height, width] that look like its data; the same ones at every call."""
        random = torch.randn(count, len(self.info.bands), height, width, generator=torch.Generator().manual_seed(0))
        return random * self.normalize.std + self.normalize.mean

    def _padded(self, side: int) -> int:
        image = torch.zeros(1, len(self.info.bands), side, side)
        return int(self.network.body.pad(image).shape[-1])
