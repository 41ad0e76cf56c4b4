"""Slow versions, written from the equations alone, that the package is compared with."""
