"""The scenes of --src: of a folder, or of a list of files, each as it is to be read."""

from dataclasses import replace
from pathlib import Path

from saticl.config import PrepareConfig
from saticl.datasets.base import DatasetAdapter, Request, Scene
from saticl.datasets.listing import is_list, located, read_list
from saticl.geo.grids import Wanted


def raw_scenes(config: PrepareConfig, adapter: DatasetAdapter, request: Request) -> list[Scene]:
    """In a fixed order; no image is opened.

    Raises:
        MissingRawData: files are missing, or the list cannot be read. InvalidOptions: as of `DatasetAdapter.scenes`.
    """
    source = located(config.src)
    listed = adapter.listed(read_list(source), request) if is_list(source) else adapter.scenes(Path(source), request)
    wanted = Wanted(config.gsd, config.target_crs)
    return [replace(scene, wanted=wanted, nodata=config.nodata) for scene in listed]
