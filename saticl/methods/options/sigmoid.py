"""Options of methods with one sigmoid per class."""

from pydantic import Field

from saticl.options import Count, FrozenOptions, NotNegative, Positive, Share


class DKDOptions(FrozenOptions):
    """DKD: what speaks for a class and what speaks against it stay. Decomposed knowledge distillation."""

    parts_factor: NotNegative = Field(
        5.0, description="how strongly what speaks for old classes, and what speaks against them, stays (published: 5)"
    )
    auxiliary_factor: NotNegative = Field(
        1.0, description="weight of the classifier of what is no known class (published: 1)"
    )
    pos_weight: Positive = Field(
        2.0, description="weight of a pixel for the class that it shows, at step 0 (published: VOC 2, ADE 35)"
    )
    later_pos_weight: Positive = Field(
        1.0, description="weight of a pixel for the class that it shows, after step 0 (published: VOC 1, ADE 35)"
    )


class STAROptions(FrozenOptions):
    """STAR: features of old classes are invented anew from a few numbers per class. Prototype replay."""

    features_factor: NotNegative = Field(
        5.0, description="how strongly features stay where the previous model sees an old class (published: 5)"
    )
    contrast_factor: NotNegative = Field(
        0.05, description="how strongly new classes are kept away from old ones (published: 0.05)"
    )
    pos_weight: Positive = Field(4.0, description="weight of a pixel for the class that it shows (published: 4)")
    replayed: Count = Field(64, description="features that are invented per old class and iteration")


class BARMOptions(FrozenOptions):
    """BARM: every step corrects the background of step 0 by a residual. Background adaptation."""

    confidence: Share = Field(
        0.7,
        description="probability from which a class that the previous model sees becomes the label (published: 0.7)",
    )
    residual_factor: NotNegative = Field(
        5.0, description="how strongly the new residual keeps background what is background (published: 5)"
    )
    absence_factor: NotNegative = Field(
        1.0, description="how strongly the new residual denies the background where new classes are (published: 1)"
    )
    features_factor: NotNegative = Field(
        4.0, description="how strongly the features of earlier steps stay where no class is labelled (published: 4)"
    )
    old_rate: NotNegative = Field(
        0.1,
        description="factor on the learning rate of all but the decoder and the new part of the classifier, after "
        "step 0 (published: 0.1)",
    )
