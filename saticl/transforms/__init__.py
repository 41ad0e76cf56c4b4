"""Geometry that does the same to images, labels and features."""

from saticl.transforms.any_angle import Rotation
from saticl.transforms.dihedral import Dihedral
from saticl.transforms.turn import Turn

__all__ = ["Dihedral", "Rotation", "Turn"]
