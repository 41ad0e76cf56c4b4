"""Every mistake a user can make, as one exception tree.

SaticlError                 one sentence for the user; the command line prints it and exits with code 2
├── InvalidOptions          options that contradict each other or the data
├── MissingRawData          the source folder is not what the dataset expects
├── InvalidRaster           a raster or mask that cannot be used: truncated, wrong size, unknown colours
├── UnusableSource          a source that was only looked at, and that `prepare` would refuse
├── UnwritableFile          a file that did not reach the disk: no space, or no right to write
├── MissingTiles            the folder holds no (complete) prepared dataset
├── UnknownName             a task, class, method, encoder ... that does not exist
├── InvalidCheckpoint       weights or a step folder that is missing or does not fit
├── InvalidRecord           a file that a run leaves, other than weights, that is missing or damaged
├── EmptySelection          a step for which no tile remains
├── Paused                  a training that a signal has ended, and that can be continued; exit code 75
├── UnfinishedRuns          runs of a comparison that failed, each with a log; exit code 1
├── NonFiniteLoss           a term of the loss became NaN or infinite
└── NonFiniteWeights        weights that are NaN or infinite
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import ClassVar

MANY = 40
"""More names than this are not listed in a message."""


class SaticlError(Exception):
    """Base of all errors that a user can cause: the message says what, where, and what to do."""

    exit_code: ClassVar[int] = 2


class InvalidOptions(SaticlError):
    """Options that contradict each other or the data."""


class MissingRawData(SaticlError):
    """The source folder is not what the dataset expects."""

    def __init__(self, message: str, lacking: Mapping[str, Sequence[str]] | None = None) -> None:
        super().__init__(message)
        self.lacking = dict(lacking or {})
        """What each incomplete scene lacks, where scenes are known."""


class InvalidRaster(SaticlError):
    """A raster or a mask that cannot be used."""


class UnusableSource(SaticlError):
    """A source that was read with --check, and that `prepare` would refuse."""


class UnwritableFile(SaticlError):
    """A file that did not reach the disk."""


class MissingTiles(SaticlError):
    """The folder holds no complete prepared dataset."""


class UnknownName(SaticlError):
    """A name that does not exist; the message suggests the nearest one and lists the valid ones."""

    def __init__(self, what: str, name: str, valid: Iterable[str], where: str = "") -> None:
        valid = list(valid)
        near = get_close_matches(name, valid, n=6, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        if len(valid) <= MANY:
            known = f"Valid: {', '.join(valid)}."
        else:
            known = f"There are {len(valid)}" + (f", among them {', '.join(near)}." if near else ".")
        super().__init__(f"There is no {what} {name!r}{where}.{hint} {known}")


class InvalidCheckpoint(SaticlError):
    """Weights or a step folder that is missing or does not fit."""


class Paused(SaticlError):
    """A training that a signal has ended between two iterations, with its state on disk.

    75 is what programs end with that want to be called again (EX_TEMPFAIL of sysexits.h).
    """

    exit_code = 75


class InvalidRecord(SaticlError):
    """A file that a run leaves, other than weights, that is missing or damaged."""


class EmptySelection(SaticlError):
    """A step for which no tile remains."""


class UnfinishedRuns(SaticlError):
    """Runs of a comparison that failed; all others are finished, and the table is there."""

    exit_code: ClassVar[int] = 1


class NonFiniteLoss(SaticlError):
    """A term of the loss became NaN or infinite."""


class NonFiniteWeights(SaticlError):
    """Weights that are NaN or infinite: they predict nothing."""


def alone(error: SaticlError) -> SaticlError:
    """The same error without what led to it, to be sent to another process: exceptions of GDAL cannot be."""
    copy = type(error).__new__(type(error), *error.args)
    copy.__dict__.update(error.__dict__)
    return copy
