"""The methods that can be chosen: name, one line, paper, and what each changes in the defaults.

Adding a method: one file with a `Method` subclass, one entry here. This table imports no torch, so that the command
line can show it; `load` imports the class.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from saticl.errors import UnknownName

if TYPE_CHECKING:
    from saticl.methods.base import Method


@dataclass(frozen=True)
class MethodSpec:
    """One row of `list methods`."""

    name: str
    summary: str
    paper: str
    target: str
    """`module:Class`."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Dotted options whose default this method changes. What the user sets wins."""
    reads: frozenset[str] = frozenset()
    """Method-specific options and sections this method reads; setting any other such option is refused."""


METHODS: tuple[MethodSpec, ...] = (
    MethodSpec(
        "ft",
        "fine-tuning: cross entropy on the new labels alone; forgets",
        "-",
        "saticl.methods.finetuning:FineTuning",
    ),
    MethodSpec(
        "uft",
        "fine-tuning with unbiased cross entropy: background may be any old class",
        "Cermelli et al., CVPR 2020, arXiv:2002.00718, eq. 3",
        "saticl.methods.finetuning:UnbiasedFineTuning",
    ),
    MethodSpec(
        "mib",
        "models the background: unbiased cross entropy and distillation, classifier from the background",
        "Cermelli et al., CVPR 2020, arXiv:2002.00718",
        "saticl.methods.mib:MiB",
        defaults={"kd.decoder_factor": 10.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "kd.alpha"}),
    ),
)

GATED = ("kd.decoder_factor", "kd.encoder_factor", "kd.alpha")
"""Options that only some methods read."""


def find(name: str) -> MethodSpec:
    """The method of that name, in any case and with - or _; raises UnknownName."""
    wanted = name.lower().replace("_", "-")
    for spec in METHODS:
        if spec.name == wanted:
            return spec
    raise UnknownName("method", name, (spec.name for spec in METHODS))


def load(name: str) -> "type[Method]":
    """The class of a method."""
    module, _, attribute = find(name).target.partition(":")
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]
