"""The network: a body that gives stages and pixels, and a classifier that grows with every step."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import nn

from saticl.models.bodies import BODIES, Body
from saticl.models.classifier import Classifier, Doubling
from saticl.models.unet import resize
from saticl.options import ModelOptions
from saticl.types import Feature, Image, Logits, Output


class Segmenter(nn.Module):
    """Scores for every pixel and every class learned so far. The rest of the program knows networks as this only.

    Names in its state dict begin with `body.` (for encoders of timm `body.encoder.maps.`, `body.decoder.`) and
    `classifier.heads.<step>.`. A method may add modules of its own: they are trained, moved, copied and saved with
    the others, and neither `forward` nor `grow` looks at them.

    Attributes:
        body: gives stages and pixels; a method may put another `Body` around it.
        classifier: scores pixels.

    Args:
        options: what to build.
        in_channels: bands of the images.
        head_sizes: outputs of each head: 1 + the classes of step 0, then the new classes of each later step, if any.
        image_size: side of the images in pixels, for encoders that want to know (vision transformers).

    Raises:
        UnknownName: no such encoder.
        InvalidOptions: an encoder, a norm or a stride that cannot be built.
        InvalidCheckpoint: encoder weights that are missing or do not fit.
    """

    def __init__(
        self, options: ModelOptions, in_channels: int, head_sizes: Sequence[int], image_size: int | None = None
    ) -> None:
        super().__init__()
        self.options = options
        self.body: Body = BODIES[options.decoder](options, in_channels, image_size)
        self.classifier = Classifier(options, self.body.width, head_sizes, self.body.kernel)

    @property
    def num_classes(self) -> int:
        """Classes seen so far, background included: channels of the logits."""
        return self.classifier.num_classes

    @property
    def heads(self) -> nn.ModuleList:
        """The classifier's heads, in learning order."""
        return self.classifier.heads

    def forward(self, image: Image) -> Output:
        """Segment images of any size.

        Images whose sides do not suit the body are padded to the right and below (see `Body.pad`); logits, coarse
        and pixels are cut back, the stages are not.
        The heads run on the pixels, then scores are resized: a 1x1 convolution and a resize commute, and bodies with
        other heads are published networks that do the same. Of heads that make four pixels of one (`Doubling`),
        coarse are the means.
        """
        height, width = image.shape[-2:]
        padded = self.body.pad(image)
        stages, pixels = self.body(padded)
        scores = self.classify(pixels)
        logits = resize(scores, padded.shape[-2:])
        coarse = F.avg_pool2d(scores, 2) if self.body.kernel == Doubling.side else scores
        if padded.shape != image.shape:
            rows, cols = (_share(pixels.shape[at], image.shape[at], padded.shape[at]) for at in (-2, -1))
            logits, pixels, coarse = logits[..., :height, :width], pixels[..., :rows, :cols], coarse[..., :rows, :cols]
        return Output(logits, stages, pixels, coarse)

    def classify(self, pixels: Feature) -> Logits:
        """Scores of the body's pixels, at their resolution: dropout, then all heads."""
        scores: Logits = self.classifier(pixels)
        return scores

    def grow(self, num_new: int) -> None:
        """Append the head of a new step; how it starts is `Classifier.grow`'s to say."""
        self.classifier.grow(num_new)

    def freeze_encoder(self) -> None:
        """Train the encoder no more, which each body knows (see `Body.freeze`)."""
        self.body.freeze()


def _share(side: int, inner: int, whole: int) -> int:
    """`inner / whole` of a side, rounded up; in whole numbers, for the sake of torch's compiler."""
    return (side * inner + whole - 1) // whole
