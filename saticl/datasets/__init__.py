"""The raw world, read only by `prepare`: one file per dataset. Adding one: a DatasetAdapter and a line here."""

from pathlib import Path

from saticl.datasets.ade20k import ADE20K
from saticl.datasets.base import DatasetAdapter
from saticl.datasets.cityscapes import Cityscapes
from saticl.datasets.folder import Folder
from saticl.datasets.potsdam import Potsdam
from saticl.datasets.vaihingen import Vaihingen
from saticl.datasets.voc import VOC
from saticl.errors import UnknownName

DATASETS: tuple[type[DatasetAdapter], ...] = (Potsdam, Vaihingen, VOC, ADE20K, Cityscapes, Folder)
"""All kinds of datasets; `Folder` is chosen by giving the YAML file that describes it."""


def find(name: str) -> DatasetAdapter:
    """The dataset of that name, or the one that a YAML file describes.

    Raises UnknownName for another name, InvalidOptions for a file that is no description.
    """
    if Path(name).suffix.lower() in (".yaml", ".yml"):
        return Folder.from_file(Path(name))
    built_in = {adapter.name: adapter for adapter in DATASETS if adapter is not Folder}
    if name.lower() in built_in:
        return built_in[name.lower()]()
    raise UnknownName("dataset", name, [*built_in, "path/to/description.yaml"])
