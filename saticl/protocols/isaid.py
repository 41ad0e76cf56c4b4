"""iSAID: objects of 15 classes in aerial images, on a real background.

`4s` is that of the code of Arnaudo et al. (ICIAP 2021, arXiv:2112.03814), by its ids; that code swaps the colours of
storage_tank and roundabout, which is not repeated. `14-1`, `10-5`, `10-1` and `5-5-5` are of STCL-DRNet (IGARSS 2024);
their classes come as the dataset numbers them.
"""

from saticl.protocols.ids import from_ids, in_order
from saticl.tasks import Protocol, offline

BACKGROUND = "background"
"""Class 0 of the masks."""

ISAID_CLASSES = (
    *(BACKGROUND, "ship", "storage_tank", "baseball_diamond", "tennis_court", "basketball_court"),
    *("ground_track_field", "bridge", "large_vehicle", "small_vehicle", "helicopter", "swimming_pool"),
    *("roundabout", "soccer_field", "plane", "harbor"),
)
"""Classes by their id."""

SIZES: dict[str, tuple[int, ...]] = {"14-1": (14, 1), "10-5": (10, 5), "5-5-5": (5, 5, 5), "10-1": (10, *5 * [1])}
"""Classes per step, in the order of their ids."""

ISAID: tuple[Protocol, ...] = (
    offline(ISAID_CLASSES, BACKGROUND),
    from_ids("4s", ("3 4 5 6 11 13", "7 8 9 12", "1 2 15", "10 14"), ISAID_CLASSES, background=BACKGROUND),
    *(in_order(name, sizes, ISAID_CLASSES, background=BACKGROUND) for name, sizes in SIZES.items()),
)
"""Protocols of iSAID."""
