"""The raw world, read only by `prepare`: one file per dataset. Adding one: a DatasetAdapter and a line here."""

from pathlib import Path

from saticl.datasets.base import DatasetAdapter
from saticl.datasets.folder import Folder
from saticl.datasets.potsdam import Potsdam
from saticl.datasets.vaihingen import Vaihingen
from saticl.errors import UnknownName

DATASETS: tuple[type[DatasetAdapter], ...] = (Potsdam, Vaihingen, Folder)
"""All kinds of datasets; `Folder` is chosen by giving the YAML file that describes it."""


def find(name: str) -> DatasetAdapter:
    """The dataset of that name, or the one that a YAML file describes.

    Raises UnknownName for another name, InvalidOptions for a file that is no description.
    """
    if Path(name).suffix.lower() in (".yaml", ".yml"):
        return Folder.from_file(Path(name))
    for adapter in (Potsdam, Vaihingen):
        if adapter.name == name.lower():
            return adapter()
    valid = [*(adapter.name for adapter in DATASETS if adapter is not Folder), "path/to/description.yaml"]
    raise UnknownName("dataset", name, valid)
