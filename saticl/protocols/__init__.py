"""The published learning orders of the datasets, as data, in class names: one file per dataset."""

from collections.abc import Mapping

from saticl.protocols.ade20k import ADE20K
from saticl.protocols.agriculture_vision import AGRICULTURE_VISION
from saticl.protocols.cityscapes import CITYSCAPES
from saticl.protocols.deepglobe import DEEPGLOBE
from saticl.protocols.isaid import ISAID
from saticl.protocols.isprs import ISPRS, ISPRS_CLASSES
from saticl.protocols.loveda import LOVEDA
from saticl.protocols.voc import VOC
from saticl.tasks import Protocol

PUBLISHED: Mapping[str, tuple[Protocol, ...]] = {
    "potsdam": ISPRS,
    "vaihingen": ISPRS,
    "isaid": ISAID,
    "deepglobe": DEEPGLOBE,
    "loveda": LOVEDA,
    "agriculture_vision_2021": AGRICULTURE_VISION,
    "voc": VOC,
    "ade20k": ADE20K,
    "cityscapes": CITYSCAPES,
}
"""By the name of the dataset."""

__all__ = ["ISPRS", "ISPRS_CLASSES", "PUBLISHED"]
