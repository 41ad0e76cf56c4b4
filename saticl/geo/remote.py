"""Addresses of rasters on servers: how GDAL names them, how people do, and how long a server may take.

GDAL reads the parts of a file that are needed, with requests for ranges of bytes. Keys for stores that need them are
taken from the environment, as GDAL documents it (AWS_ACCESS_KEY_ID, AWS_REGION, AWS_NO_SIGN_REQUEST and others).
"""

STORES = {"s3://": "/vsis3/", "gs://": "/vsigs/"}
"""Schemes of stores, and how GDAL names what lies there."""

WEB = ("https://", "http://")

CONNECT_S, STALL_S = 10, 30
"""Seconds to wait for a server to answer, and for data that no longer arrive."""

HTTP: dict[str, str | int] = {
    "GDAL_HTTP_CONNECTTIMEOUT": CONNECT_S,
    "GDAL_HTTP_LOW_SPEED_TIME": STALL_S,
    "GDAL_HTTP_LOW_SPEED_LIMIT": 1,
    "GDAL_HTTP_MAX_RETRY": 3,
    "GDAL_HTTP_RETRY_DELAY": 1,
}
"""Settings for every request: a slow server is waited for, a silent one is not."""

ALONE: dict[str, str | int] = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
"""No server is asked for a list of its folder; world files beside remote images are not looked for."""


def is_remote(name: str) -> bool:
    """Whether a name is an address: https, a store, or GDAL's own form of one."""
    return name.startswith((*WEB, *STORES, *STORES.values(), "/vsicurl/"))


def gdal_name(name: str) -> str:
    """An address as GDAL opens it; other names stay."""
    if name.startswith(WEB):
        return f"/vsicurl/{name}"
    for scheme, folder in STORES.items():
        if name.startswith(scheme):
            return folder + name.removeprefix(scheme)
    return name


def shown(name: str) -> str:
    """An address as people write it; other names stay."""
    return name.replace("/vsicurl/", "")
