"""A map from beginning to end, by one process or by several together; what is finished stays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import saticl
from saticl.errors import InvalidOptions
from saticl.geo.imagery import ImageReader, open_image
from saticl.geo.raster import environment
from saticl.inference.maps import Place, Wanted, assemble, predict_rows
from saticl.inference.parts import Parts, joined, said

if TYPE_CHECKING:
    from saticl.inference.predictor import Predictor


def _no_wait() -> None:
    """Nobody to wait for."""


@dataclass(frozen=True)
class Team:
    """The processes that make a map together, as one of them sees it."""

    rank: int = 0
    world: int = 1
    wait: Callable[[], None] = _no_wait
    """Returns when all have come here."""
    turned: int = 0
    """By how many places the order is turned in which processes get their share."""

    def share(self, parts: Sequence[range]) -> Sequence[range]:
        """What this process does: neighbours, as many as the others have."""
        place = (self.rank + self.turned) % self.world
        return parts[len(parts) * place // self.world : len(parts) * (place + 1) // self.world]


ALONE = Team()


def make_map(
    predictor: "Predictor", place: Place, wanted: Wanted, report: Callable[[int], None], team: Team = ALONE
) -> None:
    """Write the map of an image, unless it is there; `report` hears how many rows this process has predicted.

    Raises:
        SaticlError: an image that cannot be read or does not fit, files that are not ours where the map belongs, a
            disk that is full.
    """
    with environment(), open_image(place.source, predictor.bands) as reader:
        options = origin(predictor, place, reader, wanted)
        if is_finished(place, options, wanted):
            return
        _require_ours(place)
        parts = Parts(place.parts(options), reader.height, wanted.kinds)
        team.wait()  # nobody begins before all have seen whether it is finished
        if team.rank == 0:
            parts.begin(options)
        team.wait()
        missing = parts.missing()
        team.wait()  # nobody finishes a part before all know what is missing
        for rows in joined(team.share(missing)):
            predict_rows(predictor, reader, wanted, parts, rows, report)
    team.wait()
    if team.rank == 0:
        assemble(predictor, place, parts, options)
    team.wait()


def is_finished(place: Place, options: Mapping[str, object], wanted: Wanted) -> bool:
    """Whether the map of these options is there, with all that belongs to it."""
    files = [place.dst, *(place.further(kind) for kind in wanted.kinds[1:])]
    return all(path.is_file() for path in files) and said(place.facts).get("made_with") == options


def origin(predictor: "Predictor", place: Place, reader: ImageReader, wanted: Wanted) -> dict[str, object]:
    """All that the pixels of a map depend on; a map of anything else is made again.

    Of files on this machine that belong to the image, size and time; what lies behind an address is not asked.
    """
    info = predictor.info
    files = sorted(path for path in map(Path, reader.image.files) if path.is_file())
    return {
        "version": saticl.__version__,
        "dataset": info.dataset,
        "task": info.protocol_name,
        "step": info.step,
        "method": info.method,
        "weights": predictor.checksum,
        "source": Path(place.name).name,
        "files": [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files],
        "crs": None if reader.crs is None else reader.crs.to_wkt(),
        "transform": list(reader.transform)[:6],
        "nodata": None if reader.nodata is None else str(reader.nodata),
        **asdict(wanted.tiling),
        "confidence": wanted.confidence,
        "probabilities": wanted.probabilities,
    }


def _require_ours(place: Place) -> None:
    """Refuse to write over files that `predict` has not written."""
    if Path(place.source).resolve() == place.dst.resolve():
        raise InvalidOptions(f"The map of {place.source} would replace it: choose another --dst.")
    if "made_with" in said(place.facts):
        return
    there = [path for path in place.files if path.exists()]
    if there:
        raise InvalidOptions(
            f"{there[0]} is there already and no map of this program: choose another --dst, or remove the file."
        )
