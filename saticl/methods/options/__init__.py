"""Options of single methods: one section of the command line each, read by that method only. Free of torch."""

from saticl.methods.options.anchors import AnchorOptions, EWCOptions, PIOptions, RWOptions
from saticl.methods.options.fusing import EWFOptions, NeSTOptions, RCILOptions
from saticl.methods.options.teaching import CILOptions, HCISSOptions, LGKDOptions, MiCroOptions, PLOPOptions

__all__ = [
    "AnchorOptions",
    "CILOptions",
    "EWCOptions",
    "EWFOptions",
    "HCISSOptions",
    "LGKDOptions",
    "MiCroOptions",
    "NeSTOptions",
    "PIOptions",
    "PLOPOptions",
    "RCILOptions",
    "RWOptions",
]
