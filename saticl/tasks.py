"""Which classes are learned when: a protocol is the order, a task is a protocol at one step.

Output index 0 is the background for every dataset, and head order is learning order, so an index never moves once it
is given. Datasets without a background of their own get an artificial one here and nowhere else. Relabelling is one
gather, `table[mask]`. Free of torch, so that the command line can list tasks at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saticl.errors import InvalidOptions, UnknownName
from saticl.labels import BACKGROUND, IGNORE, MAX_CLASSES, UNLABELLED, Hidden, OldLabels, Unlabelled, Unseen, Void

Table = NDArray[np.uint8]
"""uint8[256], from dataset label to output index: relabelling is `table[mask]`."""


OFFLINE = "offline"
"""The protocol that every dataset has."""

TAKEN = f"the name {OFFLINE!r} is taken: it always means all classes in one step, so choose another name"
"""What to say of another protocol of that name."""


@dataclass(frozen=True)
class Protocol:
    """The order in which a dataset's classes are learned, by name."""

    name: str
    groups: tuple[tuple[str, ...], ...]
    """Class names in learning order, one tuple per step; empty where a step brings other places and no class."""
    background: str | None = None
    """The class of the dataset that index 0 stands for; None: an artificial background."""
    folders: tuple[Path, ...] = ()
    """The prepared folder of each step, where the steps do not share one; then each folder must know the classes of
    its own step only."""
    places: tuple[tuple[str, ...], ...] = ()
    """The groups of scenes, such as cities, whose tiles each step may use; empty, for one step or all: every group."""
    aliases: tuple[str, ...] = ()
    """Other names under which it is found."""

    @property
    def foreground(self) -> tuple[str, ...]:
        """All learned classes, in learning order."""
        return tuple(name for group in self.groups for name in group)

    def validate(self, classes: Sequence[str]) -> None:
        """Raises UnknownName for a class that is not there, InvalidOptions for an empty step or a double class."""
        self.check()
        for name in self._named:
            if name not in classes:
                raise UnknownName("class", name, classes, f" in the task {self.name!r}")

    def check(self) -> None:
        """The same without looking at the classes of any data."""
        if self.places and len(self.places) != len(self.groups):
            raise InvalidOptions(
                f"The task {self.name!r} has {len(self.groups)} steps, but {len(self.places)} entries in places: name "
                "the places of every step, or none at all."
            )
        empty = [step for step, group in enumerate(self.groups) if not group]
        if not self.groups or any(step == 0 or not self.places or not self.places[step] for step in empty):
            raise InvalidOptions(
                f"The task {self.name!r} has a step without classes: name at least one class per step; only a later "
                "step that names places may have none."
            )
        if self.folders and len(self.folders) != len(self.groups):
            raise InvalidOptions(
                f"The task {self.name!r} has {len(self.groups)} steps and {len(self.folders)} folders: name one "
                "prepared folder per step, or none at all."
            )
        twice = sorted({name for name in self._named if self._named.count(name) > 1})
        if twice:
            raise InvalidOptions(
                f"The task {self.name!r} names {', '.join(twice)} more than once: "
                "a class belongs to one step, and the background to none."
            )

    @property
    def _named(self) -> tuple[str, ...]:
        return self.foreground if self.background is None else (*self.foreground, self.background)


@dataclass(frozen=True)
class Task:
    """A protocol at a step, for the labels of one folder: which output index each label has.

    Classes of the folder that the protocol never names count as background in training and as unseen in scoring.
    Classes of the protocol that the folder does not know have no label there. Raises InvalidOptions when the step is
    out of range or a name is doubled.
    """

    classes: tuple[str, ...]
    """All classes of the folder, by dataset label."""
    protocol: Protocol
    step: int = 0

    def __post_init__(self) -> None:
        if len(self.classes) > MAX_CLASSES:
            raise InvalidOptions(
                f"{len(self.classes)} classes are too many: masks of one byte hold at most {MAX_CLASSES}."
            )
        self.protocol.check()
        if not 0 <= self.step < self.num_steps:
            valid = f"0 to {self.num_steps - 1}" if self.num_steps > 1 else "0 only"
            raise InvalidOptions(
                f"The task {self.protocol.name!r} has no step {self.step}: choose --task.step {valid}."
            )

    def at(self, step: int) -> "Task":
        """The same protocol at another step; raises InvalidOptions when there is none."""
        return replace(self, step=step)

    def among(self, classes: Sequence[str]) -> "Task":
        """The same step for the labels of another folder."""
        return replace(self, classes=tuple(classes))

    @property
    def num_steps(self) -> int:
        """Number of steps of the protocol."""
        return len(self.protocol.groups)

    @property
    def new(self) -> tuple[str, ...]:
        """Classes that this step introduces; none where it brings other places only."""
        return self.protocol.groups[self.step]

    @property
    def places(self) -> tuple[str, ...]:
        """The groups of scenes whose tiles this step may use; empty: all."""
        return self.protocol.places[self.step] if self.protocol.places else ()

    @property
    def taught(self) -> tuple[str, ...]:
        """Classes that the labels of this step teach: the new ones, or all known ones where none is new."""
        return self.new or self.seen

    @property
    def old(self) -> tuple[str, ...]:
        """Classes of earlier steps, in learning order, without the background."""
        return tuple(name for group in self.protocol.groups[: self.step] for name in group)

    @property
    def seen(self) -> tuple[str, ...]:
        """Old and new classes, in learning order, without the background."""
        return self.old + self.new

    @property
    def future(self) -> tuple[str, ...]:
        """Classes of later steps, in learning order."""
        return self.protocol.foreground[len(self.seen) :]

    @property
    def labelled(self) -> tuple[int, ...]:
        """Output indices of the seen classes that have a label in the folder, without the background."""
        return tuple(index for index, name in enumerate(self.seen, start=1) if name in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names by output index, the background first."""
        return (self.protocol.background or "background", *self.seen)

    @property
    def num_new(self) -> int:
        """Channels that this step adds to the old ones (at step 0 the background's comes on top)."""
        return len(self.new)

    @property
    def num_old(self) -> int:
        """Channels of the previous model, background included; 1 at step 0, where only the background is known."""
        return 1 + len(self.old)

    @property
    def num_seen(self) -> int:
        """Channels of this step's model, background included."""
        return 1 + len(self.seen)

    @property
    def head_sizes(self) -> tuple[int, ...]:
        """Channels per head up to this step; the background is the first channel of the first."""
        first, *later = (len(group) for group in self.protocol.groups[: self.step + 1])
        return (1 + first, *later)

    def train_table(
        self,
        old: OldLabels = "ignore",
        unlabelled: Unlabelled = "background",
        hidden: Hidden = "background",
        void: Void = "ignore",
    ) -> Table:
        """Labels as training shows them: new classes get their index, all others are background or ignored.

        With old labels in use, old classes get their index too; so they do at a step without new classes. `hidden` is
        what all other classes are, `unlabelled` what pixels are where nothing was drawn, `void` what 255 is: ignored
        in PLOP, background in MiB. Values that stand for no class are always ignored.
        """
        table = self._filled(hidden, unlabelled)
        if void == "background":
            table[IGNORE] = BACKGROUND
        return self._shown(table, self.seen if old == "use" else self.taught)

    def eval_table(self, unseen: Unseen = "background", unlabelled: Unlabelled = "background") -> Table:
        """Labels as scoring shows them: seen classes get their index, unseen ones are background or ignored.

        `background` is the convention of PLOP, `ignore` that of MiB. Pixels where nothing was drawn are background or
        ignored on their own. 255 and undefined values are always ignored.
        """
        return self._shown(self._filled(unseen, unlabelled), self.seen)

    def _filled(self, others: Hidden, unlabelled: Unlabelled) -> Table:
        """A table without any class but the dataset's background: `others` is what all other classes are."""
        table = np.full(256, IGNORE, np.uint8)
        table[: len(self.classes)] = BACKGROUND if others == "background" else IGNORE
        table[UNLABELLED] = BACKGROUND if unlabelled == "background" else IGNORE
        if self.protocol.background in self.classes:
            table[self.classes.index(self.protocol.background)] = BACKGROUND
        return table

    def _shown(self, table: Table, names: Sequence[str]) -> Table:
        """The table with the output index of these classes, where the folder has a label for them."""
        for name in names:
            if name in self.classes:
                table[self.classes.index(name)] = 1 + self.seen.index(name)
        return table


def offline(classes: Sequence[str], background: str | None = None) -> Protocol:
    """All classes in one step, in the dataset's order: the upper bound of every protocol."""
    return Protocol(OFFLINE, (tuple(name for name in classes if name != background),), background)


def named(protocols: Mapping[str, Protocol], name: str) -> Protocol | None:
    """The protocol of that name, or else the one that has it as an alias."""
    by_alias = (protocol for protocol in protocols.values() if name in protocol.aliases)
    return protocols.get(name) or next(by_alias, None)


def find_protocol(
    name: str, protocols: Mapping[str, Protocol], classes: Sequence[str], background: str | None = None
) -> Protocol:
    """The protocol of that name or alias; `offline` is always known. Raises UnknownName listing the others."""
    known = {OFFLINE: offline(classes, background), **protocols}
    found = named(known, name)
    if found is None:
        raise UnknownName("task", name, [*known, *(alias for one in known.values() for alias in one.aliases)])
    found.validate(classes)
    return found
