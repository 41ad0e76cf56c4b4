"""Options of methods that change weights between steps: fuse, merge, or tune new ones first."""

from pydantic import Field

from saticl.options import Count, FrozenOptions, NotNegative, Share


class EWFOptions(FrozenOptions):
    """EWF: the networks before and after a step become one. Endpoints weight fusion."""

    share: Share | None = Field(
        None,
        description="share of the trained weights, the rest is the previous model's (default and published: square "
        "root of new classes divided by all classes, background included)",
    )
    recount: bool = Field(
        True, description="count the statistics of batch norms anew after fusing; published: they are fused as well"
    )


class NeSTOptions(FrozenOptions):
    """NeST: rows of new classes are tuned as transforms of old ones before the step. New classifier pre-tuning."""

    epochs: Count = Field(
        5,
        description="passes over the training tiles in which the classifier of new classes alone is tuned "
        "(published: VOC 5, ADE 15)",
    )


class RCILOptions(FrozenOptions):
    """RCIL: two branches learn and become one, and features stay. Representation compensation, pooled cubes."""

    features_factor: NotNegative = Field(
        0.01, description="how strongly feature maps stay as they were (published: VOC 0.01, ADE 0.000005)"
    )
    last_factor: NotNegative = Field(
        0.0005,
        description="how strongly class scores before they are enlarged, and channels of the decoder's map, stay as "
        "they were (published: VOC 0.0005, ADE 0.0000005)",
    )
