"""What is wrong with where scenes lie: contradictions, missing georeferences, and ground that several scenes show."""

from collections.abc import Iterator, Sequence
from math import isinf
from typing import NamedTuple

from saticl.cutting.findings import Finding, about, number_of
from saticl.cutting.inspected import Inspected
from saticl.datasets.base import Scene
from saticl.geo.ground import ground_size
from saticl.geo.places import distance_px, shared_ground
from saticl.sentences import some_of

LEAST_SHARE = 1e-3
"""Part of a scene that another one must show before it counts: neighbours may share a row of pixels."""

LEAST_DISTANCE_PX = 0.5
"""Pixels between image and surface model below which they count as lying on each other."""

LEAST_SCALE = 1.05
"""Ratio of the coarsest to the finest resolution above which scenes count as different."""


class Overlap(NamedTuple):
    """Two scenes that show the same ground."""

    one: Scene
    other: Scene
    share: float
    """Of the smaller one, 0 to 1."""


def places(found: Sequence[Inspected]) -> Iterator[Finding]:
    """Files of one scene that contradict each other, and scenes without a place or with different ones."""
    yield from _displaced(found)
    cut = [(one.scene.id, one.look.cut) for one in found if one.look.cut is not None]
    nowhere = [scene for scene, place in cut if not place.has_transform]
    if nowhere:
        yield about("No file says where the scene lies, so its tiles have no place on the ground", nowhere, len(cut))
    nameless = [scene for scene, place in cut if place.has_transform and place.crs is None]
    if nameless:
        yield about("No file names the coordinate system; --crs EPSG:... can name it", nameless, len(cut))
    systems: dict[object, tuple[str | None, str]] = {}
    for scene, place in cut:
        if place.crs is not None:
            systems.setdefault(place.crs, (place.system, scene))
    if len(systems) > 1:
        named = [f"{name} ({scene})" for name, scene in systems.values()]
        examples = tuple(scene for _, scene in systems.values())
        yield Finding(f"Scenes have {len(systems)} coordinate systems: {some_of(named)}.", examples)
    sizes = [(size, scene) for scene, place in cut if (size := ground_size(place.transform, place.crs)) is not None]
    if sizes and max(sizes)[0] > LEAST_SCALE * min(sizes)[0]:
        (fine, first), (coarse, last) = min(sizes), max(sizes)
        yield Finding(
            f"A pixel covers {fine:.4g} m of ground in {first} but {coarse:.4g} m in {last}: objects have "
            "different sizes in pixels.",
            (first, last),
        )


def overlaps(found: Sequence[Inspected]) -> list[Overlap]:
    """Pairs of scenes that show the same ground, with the share of the smaller one; the largest share first."""
    placed = [(one.scene, one.look.cut) for one in found if one.look.cut is not None]
    pairs = shared_ground([place for _, place in placed], LEAST_SHARE)
    named = [Overlap(placed[pair.first][0], placed[pair.second][0], pair.share) for pair in pairs]
    return sorted(named, key=lambda pair: -pair.share)


def overlapping(pairs: Sequence[Overlap]) -> Iterator[Finding]:
    """Ground that several scenes show, across splits first: there, scores would count what was learned."""
    across = [pair for pair in pairs if pair.one.split != pair.other.split]
    leaks = "scores on test or validation tiles then count ground that training has seen"
    apart = [pair for pair in pairs if pair.one.split == pair.other.split and pair.one.group != pair.other.group]
    for chosen, where, why in (
        (across, "of different splits", leaks),
        (apart, "of one split", "their pixels count twice, and a validation set made from them is not apart"),
    ):
        if chosen:
            named = [_pair(*pair) for pair in chosen]
            scenes = tuple(dict.fromkeys(scene.id for one, two, _ in chosen for scene in (one, two)))
            yield Finding(
                f"{number_of(len(chosen), 'pair')} of scenes {where} overlap on the ground: {some_of(named)}; {why}.",
                scenes,
            )


def _displaced(found: Sequence[Inspected]) -> Iterator[Finding]:
    """Surface models that lie elsewhere than their image; masks are put onto its grid."""
    apart: list[tuple[str, float]] = []
    for one in found:
        image, other = one.look.own, one.look.places.get(one.scene.dsm or "")
        distance = 0.0 if image is None or other is None else distance_px(image, other)
        if distance > LEAST_DISTANCE_PX:
            apart.append((one.scene.id, distance))
    named = [f"{scene} ({distance:,.1f} pixels)" for scene, distance in apart if not isinf(distance)]
    other_system = [scene for scene, distance in apart if isinf(distance)]
    if named:
        scenes = tuple(scene for scene, distance in apart if not isinf(distance))
        yield Finding(f"Image and surface model lie at different places on the ground: {some_of(named)}.", scenes)
    if other_system:
        yield about("Image and surface model have different coordinate systems", other_system, len(found))


def _pair(one: Scene, other: Scene, share: float) -> str:
    splits = one.split if one.split == other.split else f"{one.split} and {other.split}"
    return f"{one.id} and {other.id} ({splits}, {100 * share:.1f} % of the smaller)"
