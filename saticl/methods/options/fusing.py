"""Options of methods that change weights between steps: fuse, merge, or tune new ones first."""

from pydantic import Field

from saticl.options import FrozenOptions, Share


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
