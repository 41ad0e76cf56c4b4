"""Options of methods that hold important weights in place."""

from pydantic import Field

from saticl.options import Count, FrozenOptions, NotNegative, Positive, Share


class AnchorOptions(FrozenOptions):
    """What EWC, PI and RW share: they hold important weights in place."""

    factor: NotNegative = Field(500.0, description="how strongly weights are held in place")
    faithful: bool = Field(False, description="as in the published runs")


class EWCOptions(AnchorOptions):
    """EWC: hold weights in place that the loss is sensitive to. Elastic weight consolidation."""

    factor: NotNegative = Field(
        500.0, description="how strongly weights are held in place (published: MiB 500, PLOP 100, SDR 1000)"
    )
    alpha: Share = Field(0.9, description="share of its past that a weight's importance keeps at every update")
    faithful: bool = Field(
        False,
        description="as in the published runs: alpha is the share of the newest batch, and importance is scaled in "
        "every tensor separately",
    )


class PIOptions(AnchorOptions):
    """PI: hold weights in place that lowered the loss. Path integral, also called synaptic intelligence."""

    factor: NotNegative = Field(
        500.0, description="how strongly weights are held in place (published: MiB 500, SDR 1000)"
    )
    xi: Positive | None = Field(
        None,
        description="added to the squared move of a weight before its importance is divided by it (default: 1e-3; "
        "published runs: 1e-20)",
    )
    faithful: bool = Field(
        False,
        description="as in the published runs: importance is scaled in every tensor separately, and xi is 1e-20",
    )


class RWOptions(AnchorOptions):
    """RW: EWC and PI together. Riemannian walk."""

    factor: NotNegative = Field(
        100.0, description="how strongly weights are held in place (published: MiB 100, SDR 1000)"
    )
    alpha: Share = Field(0.9, description="share of its past that a weight's Fisher information keeps at every update")
    interval: Count = Field(10, description="updates between two measurements of how far the weights have moved")
    faithful: bool = Field(
        False,
        description="as in the published runs: alpha is the share of the newest batch, only the last gradient of an "
        "interval counts, and importance is scaled in every tensor separately",
    )
