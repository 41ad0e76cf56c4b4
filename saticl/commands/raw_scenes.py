"""The scenes of --src: of a folder, or of a list of files, each as it is to be read."""

from dataclasses import replace
from pathlib import Path

from saticl.config import PrepareConfig
from saticl.datasets.base import DatasetAdapter, Request, Scene
from saticl.datasets.listing import is_list, located, read_list
from saticl.errors import InvalidOptions
from saticl.geo.grids import Wanted


def raw_scenes(config: PrepareConfig, adapter: DatasetAdapter, request: Request) -> list[Scene]:
    """In a fixed order; no image is opened.

    Raises:
        MissingRawData: files are missing, or the list cannot be read. InvalidOptions: as of `DatasetAdapter.scenes`;
            images of a list would be used whole.
    """
    source = located(config.src)
    if is_whole(config, adapter) and is_list(source):
        raise InvalidOptions(
            f"{source} is a list, but images of {adapter.title} are used whole and stay in their folder: give the "
            "folder as --src, or cut them into tiles with --tile-size."
        )
    listed = adapter.listed(read_list(source), request) if is_list(source) else adapter.scenes(Path(source), request)
    wanted = Wanted(config.gsd, config.target_crs)
    return [replace(scene, wanted=wanted, nodata=config.nodata) for scene in listed]


def is_whole(config: PrepareConfig, adapter: DatasetAdapter) -> bool:
    """Whether images are used whole: as their dataset says, unless --tile-size asks for tiles.

    Raises:
        InvalidOptions: --overlap without tiles.
    """
    whole = adapter.whole and config.tile_size is None
    if whole and config.overlap is not None:
        raise InvalidOptions(
            f"--overlap is what neighbouring tiles share, but images of {adapter.title} are used whole: leave it out, "
            "or cut them into tiles with --tile-size."
        )
    return whole
