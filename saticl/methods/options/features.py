"""Options of methods that shape features and the rows of the classifier."""

from pydantic import Field

from saticl.options import FrozenOptions, NotNegative, Share


class MBSOptions(FrozenOptions):
    """MBS: what may be an old class is not trained as background. Selective labels, features kept by background."""

    confidence: Share = Field(
        0.7,
        description="probability from which an old class that the previous model sees becomes the label "
        "(published: 0.7)",
    )
    features_factor: NotNegative = Field(
        1.0, description="how strongly features stay where the previous model sees background or old classes"
    )
    orthogonality_factor: NotNegative = Field(
        1.0, description="how strongly the weights of new classes are turned away from those of all other classes"
    )
