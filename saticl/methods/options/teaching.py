"""Options of methods in which the previous model teaches: labels, scores, features."""

from pydantic import Field

from saticl.options import Count, FrozenOptions, NotNegative, Positive, Share


class PLOPOptions(FrozenOptions):
    """PLOP: the previous model labels the background, and features stay. Pseudo labels and Local POD."""

    features_factor: NotNegative = Field(
        0.01, description="how strongly feature maps stay as they were (published: VOC 0.01, ADE 0.001)"
    )
    logits_factor: NotNegative = Field(
        0.0005,
        description="how strongly class scores stay as they were, before they are enlarged to the size of the image "
        "(published: VOC 0.0005, ADE 0.00001)",
    )
    faithful: bool = Field(
        False,
        description="as in the published code: entropy is divided twice, its median is read wrongly, and the logits "
        "of new classes are summed",
    )


class LGKDOptions(PLOPOptions):
    """LGKD: PLOP, and scores that stay, corrected by the labels. Has its own copies of PLOP's options."""

    previous: NotNegative = Field(
        10.0,
        description="weight of background and old pixels (published: VOC 19-1 and 15-5: 5, 15-1: 1; ADE 100-50 and "
        "100-10: 1, 50-50: 2)",
    )
    novel: NotNegative = Field(
        2.0,
        description="weight of pixels of new classes (published: VOC 19-1: 0.5, 15-5: 1, 15-1: 0; ADE 100-50: 20, "
        "100-10: 1, 50-50: 10)",
    )


class CILOptions(FrozenOptions):
    """CIL: the previous model teaches all pixels without a label. Entropy-weighted distillation."""

    entropy_weight: NotNegative = Field(
        1.0, description="how much more a pixel counts where the previous model is unsure"
    )
    temperature: Positive = Field(1.0, description="divides the scores of both models before the softmax")


class JCDOptions(FrozenOptions):
    """JCD: labels and previous model teach together, rare classes faster. Joint class-balanced distillation."""

    favour_rare: Share = Field(
        0.25,
        description="how much more often a pixel is called by the name of a rare class than it occurs. 0: as often; "
        "1: as if all classes had the same number of pixels",
    )


class HCISSOptions(FrozenOptions):
    """HCISS (reconstruction): the previous model guides labels and features. No value is published."""

    confidence: Share = Field(
        0.7, description="probability from which a class that the previous model sees becomes the label"
    )
    features_factor: NotNegative = Field(
        1.0, description="how strongly features stay where the previous model sees old classes"
    )


class MiCroOptions(FrozenOptions):
    """MiCro (reconstruction): pixels of all images of a batch keep relations. No value is published."""

    relation_factor: NotNegative = Field(1.0, description="how strongly relations between pixels of all images stay")
    contrast_factor: NotNegative = Field(
        0.1, description="how strongly features of one class are pulled together across images"
    )
    prototype_factor: NotNegative = Field(0.1, description="how strongly relations to the means of classes stay")
    temperature: Positive = Field(
        0.1, description="divides the similarities; with a smaller number the most similar pixels count more"
    )
    confidence: Share = Field(
        0.7, description="probability from which a class that the previous model sees becomes the label"
    )
    side: Count = Field(16, description="features are averaged to at most this many positions per side")
