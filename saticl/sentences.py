"""Pieces of the sentences that people read."""

from collections.abc import Iterable

FEW = 5
"""Names that fit into a sentence."""


def some_of(names: Iterable[str], few: int = FEW) -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:few]) + (f" and {len(listed) - few:,} more" if len(listed) > few else "")
