"""ISPRS Potsdam and Vaihingen.

`222a`, `321` and `6s` have an artificial background (Arnaudo et al., ICIAP 2021, arXiv:2112.03814; the runs
published stop at step 4 of `6s`, so that clutter is never learned). `4-1`, `3-1s`, `2-1s` and `1s` take clutter as the
background and learn the rest in alphabetical order (the task names of Rong et al., MiCro, TGRS 2023; the order is a
reconstruction, since the original one was never published).
"""

from saticl.tasks import Protocol, offline

ISPRS_CLASSES = ("impervious_surfaces", "building", "low_vegetation", "tree", "car", "clutter")
"""Classes of Potsdam and Vaihingen by dataset label."""

ISPRS: tuple[Protocol, ...] = (
    offline(ISPRS_CLASSES),
    Protocol("222a", (("impervious_surfaces", "low_vegetation"), ("building", "tree"), ("car", "clutter"))),
    Protocol("321", (("building", "tree", "clutter"), ("impervious_surfaces", "low_vegetation"), ("car",))),
    Protocol("6s", (("building",), ("tree",), ("impervious_surfaces",), ("low_vegetation",), ("car",), ("clutter",))),
    Protocol("4-1", (("building", "car", "impervious_surfaces", "low_vegetation"), ("tree",)), "clutter"),
    Protocol("3-1s", (("building", "car", "impervious_surfaces"), ("low_vegetation",), ("tree",)), "clutter"),
    Protocol("2-1s", (("building", "car"), ("impervious_surfaces",), ("low_vegetation",), ("tree",)), "clutter"),
    Protocol("1s", (("building",), ("car",), ("impervious_surfaces",), ("low_vegetation",), ("tree",)), "clutter"),
)
"""Protocols of Potsdam and Vaihingen."""
