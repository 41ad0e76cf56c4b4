"""Names of remote rasters, and servers that fail."""

import socket
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from saticl.errors import InvalidRaster
from saticl.geo import raster
from saticl.geo.remote import HTTP, gdal_name, is_remote, shown
from saticl.geo.windows import Window
from tests.server import serving


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("https://host.org/a.tif", "/vsicurl/https://host.org/a.tif"),
        ("http://host.org/a.tif?key=1", "/vsicurl/http://host.org/a.tif?key=1"),
        ("s3://bucket/a.tif", "/vsis3/bucket/a.tif"),
        ("gs://bucket/a.tif", "/vsigs/bucket/a.tif"),
        ("/vsicurl/https://host.org/a.tif", "/vsicurl/https://host.org/a.tif"),
        ("/vsis3/bucket/a.tif", "/vsis3/bucket/a.tif"),
    ],
)
def test_addresses_become_names_that_gdal_opens(name: str, expected: str) -> None:
    assert is_remote(name)
    assert gdal_name(name) == expected


@pytest.mark.parametrize("name", ["raw/a.tif", "/data/https/a.tif", "/vsizip/{a.zip}/b.tif"])
def test_other_names_stay(name: str) -> None:
    assert not is_remote(name)
    assert gdal_name(name) == name == shown(name)


def test_people_see_the_address() -> None:
    assert shown("/vsicurl/https://host.org/a.tif") == "https://host.org/a.tif"


def test_a_file_that_a_server_has_not_is_a_sentence(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as (address, asked),
        pytest.raises(InvalidRaster, match=rf"^{address}/a\.tif cannot be read .*404.*check the address and the conn"),
        raster.environment(),
        raster.opened(f"{address}/a.tif"),
    ):
        pass
    assert {path for _, path, _ in asked} == {"/a.tif"}, "no folder is asked for"


def test_a_server_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HTTP, "GDAL_HTTP_MAX_RETRY", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/b.tif"

    with (
        pytest.raises(InvalidRaster, match=rf"^{address} cannot be read"),
        raster.environment(),
        raster.opened(address),
    ):
        pass


def test_a_silent_server_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HTTP, "GDAL_HTTP_LOW_SPEED_TIME", 1)
    monkeypatch.setitem(HTTP, "GDAL_HTTP_MAX_RETRY", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/c.tif"
        with (
            pytest.raises(InvalidRaster, match=rf"^{address} cannot be read"),
            raster.environment(),
            raster.opened(address),
        ):
            pass


def test_a_file_that_breaks_off_names_its_address(tmp_path: Path) -> None:
    raster.write(tmp_path / "d.tif", np.random.default_rng(0).random((1, 300, 300)), Affine(1, 0, 5, 0, -1, 5), None)
    (tmp_path / "d.tif").write_bytes((tmp_path / "d.tif").read_bytes()[:100_000])

    with (
        serving(tmp_path) as (address, _),
        raster.environment(),
        raster.opened(f"{address}/d.tif") as source,
        pytest.raises(InvalidRaster, match=rf"^{address}/d\.tif cannot be read"),
    ):
        raster.read_bands(source, [1], Window(0, 0, 300, 300))
