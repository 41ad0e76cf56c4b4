"""Which classes are learned when: a protocol is the order, a task is a protocol at one step.

Output index 0 is the background for every dataset, and head order is learning order, so an index never moves once it
is given. Datasets without a background of their own get an artificial one here and nowhere else. Relabelling is one
gather, `table[mask]`. Free of torch, so that the command line can list tasks at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from saticl.errors import InvalidOptions, UnknownName
from saticl.labels import BACKGROUND, IGNORE, MAX_CLASSES, UNLABELLED

Table = NDArray[np.uint8]
"""uint8[256], from dataset label to output index: relabelling is `table[mask]`."""

OldLabels = Literal["ignore", "use"]
"""What labels of old classes are in training: hidden in the background, as the protocols demand, or used."""

Unlabelled = Literal["background", "ignore"]
"""What pixels are where nobody has drawn a class."""

OFFLINE = "offline"
"""The protocol that every dataset has."""

TAKEN = f"the name {OFFLINE!r} is taken: it always means all classes in one step, so choose another name"
"""What to say of another protocol of that name."""


@dataclass(frozen=True)
class Protocol:
    """The order in which a dataset's classes are learned, by name."""

    name: str
    groups: tuple[tuple[str, ...], ...]
    """Class names in learning order, one tuple per step."""
    background: str | None = None
    """The class of the dataset that index 0 stands for; None: an artificial background."""

    @property
    def foreground(self) -> tuple[str, ...]:
        """All learned classes, in learning order."""
        return tuple(name for group in self.groups for name in group)

    def validate(self, classes: Sequence[str]) -> None:
        """Raises UnknownName for a class that is not there, InvalidOptions for an empty step or a double class."""
        where = f" in the task {self.name!r}"
        if not self.groups or not all(self.groups):
            raise InvalidOptions(
                f"The task {self.name!r} has a step without classes: name at least one class per step."
            )
        named = self.foreground if self.background is None else (*self.foreground, self.background)
        for name in named:
            if name not in classes:
                raise UnknownName("class", name, classes, where)
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise InvalidOptions(
                f"The task {self.name!r} names {', '.join(twice)} more than once: "
                "a class belongs to one step, and the background to none."
            )


@dataclass(frozen=True)
class Task:
    """A protocol at a step: who is new, who is old, and which output index each class has.

    Classes of the dataset that the protocol never names count as background in training and as unseen in scoring.
    Raises InvalidOptions when the step is out of range or a name is doubled, UnknownName for an unknown class.
    """

    classes: tuple[str, ...]
    """All classes of the dataset, by dataset label."""
    protocol: Protocol
    step: int = 0

    def __post_init__(self) -> None:
        if len(self.classes) > MAX_CLASSES:
            raise InvalidOptions(
                f"{len(self.classes)} classes are too many: masks of one byte hold at most {MAX_CLASSES}."
            )
        self.protocol.validate(self.classes)
        if not 0 <= self.step < self.num_steps:
            valid = f"0 to {self.num_steps - 1}" if self.num_steps > 1 else "0 only"
            raise InvalidOptions(
                f"The task {self.protocol.name!r} has no step {self.step}: choose --task.step {valid}."
            )

    def at(self, step: int) -> "Task":
        """The same protocol at another step; raises InvalidOptions when there is none."""
        return replace(self, step=step)

    @property
    def num_steps(self) -> int:
        """Number of steps of the protocol."""
        return len(self.protocol.groups)

    @property
    def new(self) -> tuple[str, ...]:
        """Classes that this step introduces."""
        return self.protocol.groups[self.step]

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

    def train_table(self, old: OldLabels = "ignore", unlabelled: Unlabelled = "background") -> Table:
        """Labels as training shows them: new classes get their index, all others are background.

        With old labels in use, old classes get their index too. Pixels where nothing was drawn are background or
        ignored. 255 and values that stand for no class are ignored, as in PLOP.
        """
        table = self._filled(BACKGROUND, unlabelled)
        shown = self.seen if old == "use" else self.new
        for index, name in enumerate(shown, start=1 + len(self.seen) - len(shown)):
            table[self.classes.index(name)] = index
        return table

    def eval_table(
        self, unseen: Literal["background", "ignore"] = "background", unlabelled: Unlabelled = "background"
    ) -> Table:
        """Labels as scoring shows them: seen classes get their index, unseen ones are background or ignored.

        `background` is the convention of PLOP, `ignore` that of MiB. Pixels where nothing was drawn are background or
        ignored on their own. 255 and undefined values are always ignored.
        """
        table = self._filled(BACKGROUND if unseen == "background" else IGNORE, unlabelled)
        for index, name in enumerate(self.seen, start=1):
            table[self.classes.index(name)] = index
        if self.protocol.background is not None:
            table[self.classes.index(self.protocol.background)] = BACKGROUND
        return table

    def _filled(self, value: int, unlabelled: Unlabelled) -> Table:
        table = np.full(256, IGNORE, np.uint8)
        table[: len(self.classes)] = value
        table[UNLABELLED] = BACKGROUND if unlabelled == "background" else IGNORE
        return table


def offline(classes: Sequence[str], background: str | None = None) -> Protocol:
    """All classes in one step, in the dataset's order: the upper bound of every protocol."""
    return Protocol(OFFLINE, (tuple(name for name in classes if name != background),), background)


def find_protocol(
    name: str, protocols: Mapping[str, Protocol], classes: Sequence[str], background: str | None = None
) -> Protocol:
    """The protocol of that name; `offline` is always known. Raises UnknownName listing the others."""
    known = {OFFLINE: offline(classes, background), **protocols}
    if name not in known:
        raise UnknownName("task", name, known)
    known[name].validate(classes)
    return known[name]


def protocol_to_dict(protocol: Protocol) -> dict[str, object]:
    """The protocol as plain lists for YAML and JSON, without its name."""
    return {"steps": [list(group) for group in protocol.groups], "background": protocol.background}


def inherited(background: str | None, groups: Sequence[Sequence[str]]) -> str | None:
    """The background of a protocol that does not say any: that of the dataset, unless a step learns it as a class."""
    return None if any(background in group for group in groups) else background


def protocol_from_dict(name: str, content: object, of_dataset: str | None = None) -> Protocol:
    """The inverse of `protocol_to_dict`; raises InvalidOptions for any other form.

    `of_dataset` is the background of a protocol that does not say any; `background: null` says that there is none.
    """
    if isinstance(content, Mapping) and set(content) <= {"steps", "background"}:
        steps, background = content.get("steps"), content.get("background")
        if isinstance(steps, list) and all(_are_names(group) for group in steps) and _is_name_or_none(background):
            groups = tuple(tuple(group) for group in steps)
            return Protocol(name, groups, background if "background" in content else inherited(of_dataset, groups))
    raise InvalidOptions(
        f"The task {name!r} has a wrong form: write it as {{steps: [[class, ...], ...], background: class}}, "
        "where background is optional."
    )


def load_protocols(path: Path, classes: Sequence[str], background: str | None = None) -> dict[str, Protocol]:
    """Protocols of the user's own, from a YAML file {name: {steps: [[class, ...], ...], background: class}}.

    `background` is that of the dataset. Raises InvalidOptions where the file is missing or has another form,
    UnknownName for a class that is not there.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidOptions(
            f"The file of tasks {path} cannot be read as YAML: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(content, dict) or not content:
        raise InvalidOptions(f"The file of tasks {path} holds no tasks: write name: {{steps: [[class, ...], ...]}}.")
    protocols = {str(name): protocol_from_dict(str(name), entry, background) for name, entry in content.items()}
    if OFFLINE in protocols:
        raise InvalidOptions(f"The file of tasks {path} cannot be used: {TAKEN}.")
    for protocol in protocols.values():
        protocol.validate(classes)
    return protocols


def _are_names(group: object) -> bool:
    return isinstance(group, list) and all(isinstance(name, str) for name in group)


def _is_name_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)
