"""Learning orders from the numbers that publications give them in."""

from collections.abc import Sequence
from itertools import accumulate

from saticl.tasks import Protocol


def from_ids(
    name: str,
    steps: Sequence[str],
    classes: Sequence[str],
    *,
    first: int = 0,
    background: str | None = None,
    places: tuple[tuple[str, ...], ...] = (),
    aliases: tuple[str, ...] = (),
) -> Protocol:
    """A learning order from the ids of each step's classes, in learning order.

    Args:
        name: of the order.
        steps: ids between blanks, one text per step.
        classes: names of the dataset in the order of their ids.
        first: the id of the first class.
        background: the class that index 0 stands for.
        places: the groups of scenes of each step.
        aliases: other names of the order.
    """
    groups = tuple(tuple(classes[int(number) - first] for number in step.split()) for step in steps)
    return Protocol(name, groups, background, places=places, aliases=aliases)


def in_order(
    name: str,
    sizes: Sequence[int],
    classes: Sequence[str],
    *,
    background: str | None = None,
    aliases: tuple[str, ...] = (),
) -> Protocol:
    """A learning order that takes the classes as they come, without the background: so many at each step."""
    names = [one for one in classes if one != background]
    ends = [*accumulate(sizes)]
    if ends[-1] != len(names):
        raise ValueError(f"{name}: the steps have {ends[-1]} classes, the dataset {len(names)}")
    groups = tuple(tuple(names[end - size : end]) for size, end in zip(sizes, ends, strict=True))
    return Protocol(name, groups, background, aliases=aliases)
