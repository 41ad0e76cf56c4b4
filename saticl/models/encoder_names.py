"""Names of the encoders that timm offers, and of our own."""

from fnmatch import fnmatchcase

import timm

from saticl.models.own_encoders import OWN_ENCODERS

NO_MAPS = ("crossvit_*", "efficientformer_l*", "gemma4_*")
"""Models of timm 1.0.31 that give feature maps at one image size only, or none."""


def encoder_names(pattern: str | None = None) -> list[tuple[str, bool]]:
    """Encoders and whether timm has pretrained weights for them, by name.

    A pattern without * matches anywhere in the name. Left out are `NO_MAPS`.
    """
    wanted = "*" if pattern is None else pattern if "*" in pattern else f"*{pattern}*"
    pretrained = set(timm.list_models(wanted, pretrained=True))
    weighted = {name.partition(".")[0] for name in pretrained}
    names = timm.list_models(wanted, exclude_filters=list(NO_MAPS))
    return [(name, name in weighted) for name in [*names, *(own for own in OWN_ENCODERS if fnmatchcase(own, wanted))]]
