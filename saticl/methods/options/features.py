"""Options of methods that shape features and the rows of the classifier."""

from pydantic import Field

from saticl.methods.options.teaching import PLOPOptions
from saticl.options import FrozenOptions, NotNegative, Positive, Share


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


class ReminderOptions(PLOPOptions):
    """REMINDER: PLOP, and new pixels keep scores of old classes alike. Has its own copies of PLOP's options."""

    temperature: Positive = Field(
        3.0, description="divides the scores of both models before the softmax (published: 3)"
    )
    threshold: NotNegative = Field(
        1.0,
        description="similarity from which an old class counts, as a multiple of the mean similarity of old classes "
        "(published: ADE 1)",
    )


class SDROptions(FrozenOptions):
    """SDR: features of a class lie close together and far from other classes. Prototypes, attraction, repulsion."""

    matching_factor: NotNegative = Field(
        0.01, description="how strongly the mean features of old classes stay at their prototypes (published: 0.01)"
    )
    clustering_factor: NotNegative = Field(
        0.001,
        description="how strongly features are drawn to the prototype of their class, and classes apart "
        "(published: 0.001)",
    )
    sparsity_factor: NotNegative = Field(
        0.001,
        description="how strongly features are kept to few channels (published: 0.001, or 0.0001)",
    )
