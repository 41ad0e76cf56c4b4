"""Options of methods that change weights between steps: fuse, merge, or tune new ones first."""

from pydantic import Field

from saticl.options import Count, FrozenOptions, Share


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
