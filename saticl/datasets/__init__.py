"""The raw world, read only by `prepare`: one file per dataset. Adding one: a DatasetAdapter and a line here."""

from pathlib import Path

from saticl.datasets.ade20k import ADE20K
from saticl.datasets.agriculture_vision import AgricultureVision, AgricultureVision2021
from saticl.datasets.base import DatasetAdapter
from saticl.datasets.cityscapes import Cityscapes
from saticl.datasets.deepglobe import DeepGlobe
from saticl.datasets.dlrsd import DLRSD
from saticl.datasets.five_billion_pixels import FiveBillionPixels
from saticl.datasets.flair import Flair
from saticl.datasets.folder import Folder
from saticl.datasets.gid import GID5, GID15
from saticl.datasets.isaid import ISAID
from saticl.datasets.loveda import LoveDA
from saticl.datasets.openearthmap import OpenEarthMap
from saticl.datasets.potsdam import Potsdam
from saticl.datasets.uavid import UAVid
from saticl.datasets.vaihingen import Vaihingen
from saticl.datasets.voc import VOC
from saticl.datasets.whdld import WHDLD
from saticl.errors import UnknownName

BUILT_IN: tuple[type[DatasetAdapter], ...] = (
    *(Potsdam, Vaihingen, LoveDA, ISAID, DeepGlobe, Flair, OpenEarthMap, UAVid),
    *(AgricultureVision, AgricultureVision2021, FiveBillionPixels, GID15, GID5, WHDLD, DLRSD),
    *(VOC, ADE20K, Cityscapes),
)
"""Those that are chosen by their name."""

DATASETS: tuple[type[DatasetAdapter], ...] = (*BUILT_IN, Folder)
"""All kinds of datasets; `Folder` is chosen by giving the YAML file that describes it."""


def find(name: str) -> DatasetAdapter:
    """The dataset of that name, or the one that a YAML file describes.

    Raises UnknownName for another name, InvalidOptions for a file that is no description.
    """
    if Path(name).suffix.lower() in (".yaml", ".yml"):
        return Folder.from_file(Path(name))
    for adapter in BUILT_IN:
        if adapter.name == name.lower():
            return adapter()
    raise UnknownName("dataset", name, [*(adapter.name for adapter in BUILT_IN), "path/to/description.yaml"])
