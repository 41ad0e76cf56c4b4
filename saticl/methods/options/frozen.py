"""Options of methods whose network stays as step 0 left it, but for the classifier."""

from typing import Literal

from pydantic import Field

from saticl.options import Count, FrozenOptions, Positive, Share


class SSULOptions(FrozenOptions):
    """SSUL: a class for pixels of no known class, on a frozen network. With memory: SSUL-M."""

    unknown: Literal["rest", "salient"] = Field(
        "rest",
        description="which background pixels are of no known class. rest: all (published for ADE); salient: those "
        "where the map `saliency` of the tile is above 0 (published for VOC)",
    )
    confidence: Share = Field(
        0.7, description="probability from which an old class that the previous model sees becomes the label"
    )
    memory: int = Field(
        0, ge=0, description="tiles of earlier steps that are kept and replayed (published: VOC 100, ADE 300); 0: none"
    )


class SegACILOptions(FrozenOptions):
    """SegACIL: a classifier that is solved for, not trained, on a frozen network. Recursive least squares."""

    width: Count = Field(
        1024,
        description="random features that a pixel becomes (published: 8196 or 16384); with `balanced` or not, the "
        "sums that are kept take 8 x width² bytes per class or in all",
    )
    gamma: Positive = Field(1.0, description="how strongly the weights are kept small (published: 1 or 10)")
    confidence: Share = Field(
        0.7, description="score from which an old class that the classifier sees becomes the label"
    )
    balanced: bool = Field(False, description="every class weighs the same, however few its pixels")
    side: Count = Field(64, description="of each tile at most this many pixels per side are taken, evenly spread")
