"""Options of single methods: one section of the command line each, read by that method only. Free of torch."""

from saticl.methods.options.anchors import AnchorOptions, EWCOptions, PIOptions, RWOptions
from saticl.methods.options.features import MBSOptions, ReminderOptions, SDROptions
from saticl.methods.options.frozen import SegACILOptions, SSULOptions
from saticl.methods.options.fusing import EWFOptions, NeSTOptions, RCILOptions
from saticl.methods.options.sigmoid import BARMOptions, DKDOptions, STAROptions
from saticl.methods.options.teaching import (
    CILOptions,
    HCISSOptions,
    JCDOptions,
    LGKDOptions,
    MiCroOptions,
    PLOPOptions,
)

__all__ = [
    "AnchorOptions",
    "BARMOptions",
    "CILOptions",
    "DKDOptions",
    "EWCOptions",
    "EWFOptions",
    "HCISSOptions",
    "JCDOptions",
    "LGKDOptions",
    "MBSOptions",
    "MiCroOptions",
    "NeSTOptions",
    "PIOptions",
    "PLOPOptions",
    "RCILOptions",
    "RWOptions",
    "ReminderOptions",
    "SDROptions",
    "SSULOptions",
    "STAROptions",
    "SegACILOptions",
]
