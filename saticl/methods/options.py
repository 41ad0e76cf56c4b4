"""Options of single methods: one section of the command line each, read by that method only. Free of torch."""

from pydantic import Field

from saticl.options import Count, FrozenOptions, NotNegative, Positive, Share


class AnchorOptions(FrozenOptions):
    """What EWC, PI and RW have in common."""

    factor: NotNegative = Field(500.0, description="how strongly weights are held in place")
    faithful: bool = Field(False, description="as in the published runs")


class EWCOptions(AnchorOptions):
    """Elastic weight consolidation."""

    factor: NotNegative = Field(
        500.0, description="how strongly weights are held in place (published: MiB 500, PLOP 100, SDR 1000)"
    )
    alpha: Share = Field(0.9, description="share of its past that a weight's importance keeps at every update")
    faithful: bool = Field(
        False, description="as in the published runs: alpha weighs the newest batch, importance scaled per tensor"
    )


class PIOptions(AnchorOptions):
    """Path integral, also known as synaptic intelligence."""

    factor: NotNegative = Field(
        500.0, description="how strongly weights are held in place (published: MiB 500, SDR 1000)"
    )
    xi: Positive | None = Field(
        None, description="smallest squared move an importance is divided by (default: 1e-3, published runs 1e-20)"
    )
    faithful: bool = Field(False, description="as in the published runs: importance scaled per tensor, xi 1e-20")


class RWOptions(AnchorOptions):
    """Riemannian walk."""

    factor: NotNegative = Field(
        100.0, description="how strongly weights are held in place (published: MiB 100, SDR 1000)"
    )
    alpha: Share = Field(0.9, description="share of its past that a weight's Fisher information keeps at every update")
    interval: Count = Field(10, description="look every this many updates at how far the weights have moved")
    faithful: bool = Field(
        False,
        description="as in the published runs: alpha weighs the newest batch, only the last gradient of an interval "
        "counts, importance scaled per tensor",
    )


class PLOPOptions(FrozenOptions):
    """Pseudo labels and Local POD."""

    features_factor: NotNegative = Field(
        0.01, description="how strongly feature maps stay as they were (published: VOC 0.01, ADE 0.001)"
    )
    logits_factor: NotNegative = Field(
        0.0005, description="how strongly the small score maps stay as they were (published: VOC 0.0005, ADE 0.00001)"
    )
    faithful: bool = Field(
        False,
        description="as in the published code: entropy divided twice, its median misread, new classes' logits summed",
    )


class LGKDOptions(PLOPOptions):
    """Label-guided distillation on top of PLOP, with PLOP's options of its own."""

    previous: NotNegative = Field(
        10.0,
        description="weight of background and old pixels (VOC 19-1 and 15-5: 5, 15-1: 1; ADE 100-50 and 100-10: 1, "
        "50-50: 2)",
    )
    novel: NotNegative = Field(
        2.0,
        description="weight of pixels of new classes (VOC 19-1: 0.5, 15-5: 1, 15-1: 0; ADE 100-50: 20, 100-10: 1, "
        "50-50: 10)",
    )


class CILOptions(FrozenOptions):
    """Entropy-weighted distillation of unlabelled pixels."""

    entropy_weight: NotNegative = Field(
        1.0, description="how much more a pixel counts where the previous model is unsure"
    )
    temperature: Positive = Field(1.0, description="divides the scores of both models before the softmax")


class HCISSOptions(FrozenOptions):
    """Reconstruction of HCISS; no value is published."""

    confidence: Share = Field(
        0.7, description="probability from which a class that the previous model sees becomes the label"
    )
    features_factor: NotNegative = Field(
        1.0, description="how strongly features stay where the previous model sees old classes"
    )


class MiCroOptions(FrozenOptions):
    """Reconstruction of MiCro; no value is published."""

    relation_factor: NotNegative = Field(1.0, description="how strongly relations between pixels of all images stay")
    contrast_factor: NotNegative = Field(
        0.1, description="how strongly pixels of a class are drawn together across images"
    )
    prototype_factor: NotNegative = Field(0.1, description="how strongly relations to the means of classes stay")
    temperature: Positive = Field(0.1, description="divides the similarities: smaller counts the nearest more")
    confidence: Share = Field(
        0.7, description="probability from which a class that the previous model sees becomes the label"
    )
    side: Count = Field(16, description="features are averaged to at most this many positions per side")
