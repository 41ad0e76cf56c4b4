"""Options of single methods: one section of the command line each, read by that method only. Free of torch."""

from pydantic import Field

from saticl.options import Count, FrozenOptions, NotNegative, Positive, Share


class AnchorOptions(FrozenOptions):
    """What EWC, PI and RW have in common."""

    factor: NotNegative = Field(500.0, description="weight of the penalty")
    faithful: bool = Field(False, description="as in the published runs")


class EWCOptions(AnchorOptions):
    """Elastic weight consolidation."""

    factor: NotNegative = Field(500.0, description="weight of the penalty (MiB's runs 500, PLOP's 100, SDR's 1000)")
    alpha: Share = Field(0.9, description="share of its past that the importance keeps at every update")
    faithful: bool = Field(
        False, description="as in the published runs: alpha weighs the newest batch, importance scaled per tensor"
    )


class PIOptions(AnchorOptions):
    """Path integral, also known as synaptic intelligence."""

    factor: NotNegative = Field(500.0, description="weight of the penalty (MiB's runs 500, SDR's 1000)")
    xi: Positive | None = Field(
        None, description="smallest squared move an importance is divided by (default: 1e-3, published runs 1e-20)"
    )
    faithful: bool = Field(False, description="as in the published runs: importance scaled per tensor, xi 1e-20")


class RWOptions(AnchorOptions):
    """Riemannian walk."""

    factor: NotNegative = Field(100.0, description="weight of the penalty (MiB's runs 100, SDR's 1000)")
    alpha: Share = Field(0.9, description="share of its past that the Fisher information keeps at every update")
    interval: Count = Field(10, description="updates between looks at how far the weights have moved")
    faithful: bool = Field(
        False,
        description="as in the published runs: alpha weighs the newest batch, only the last gradient of an interval "
        "counts, importance scaled per tensor",
    )


class PLOPOptions(FrozenOptions):
    """Pseudo labels and Local POD."""

    features_factor: NotNegative = Field(
        0.01, description="weight of Local POD on feature maps (published: VOC 0.01, ADE 0.001)"
    )
    logits_factor: NotNegative = Field(
        0.0005, description="weight of Local POD on the small logits (published: VOC 0.0005, ADE 0.00001)"
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

    entropy_weight: NotNegative = Field(1.0, description="how much more pixels count of which the teacher is unsure")
    temperature: Positive = Field(1.0, description="divides the scores of both networks before the softmax")


class HCISSOptions(FrozenOptions):
    """Reconstruction of HCISS; no value is published."""

    confidence: Share = Field(0.7, description="probability from which the teacher's old class becomes the label")
    features_factor: NotNegative = Field(
        1.0, description="weight of keeping features where the teacher sees old classes"
    )


class MiCroOptions(FrozenOptions):
    """Reconstruction of MiCro; no value is published."""

    relation_factor: NotNegative = Field(1.0, description="weight of keeping relations between pixels of all images")
    contrast_factor: NotNegative = Field(0.1, description="weight of drawing pixels of a class together across images")
    prototype_factor: NotNegative = Field(0.1, description="weight of keeping relations to the means of classes")
    temperature: Positive = Field(0.1, description="divides the cosine similarities")
    confidence: Share = Field(0.7, description="probability from which the teacher's old class becomes the label")
    side: Count = Field(16, description="features are averaged to at most this many positions per side")
