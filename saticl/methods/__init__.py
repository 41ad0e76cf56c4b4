"""The methods that can be chosen: name, one line, paper, and what each changes in the defaults.

Adding a method: one file with a `Method` subclass, one entry here. This table imports no torch, so that the command
line can show it; `load` imports the class.
"""

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from saticl.errors import InvalidOptions, UnknownName

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
    published: str | None = None
    """The same for the variant with the quirks of the published code, which `<method>.faithful` chooses."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Dotted options whose default this method changes. What the user sets wins."""
    reads: frozenset[str] = frozenset()
    """Method-specific options and sections this method reads; setting any other such option is refused."""
    ignores: frozenset[str] = frozenset()
    """General options and sections this method does not read, refused too."""

    @property
    def reference(self) -> str:
        """What finds this method again: its name, or `package.module:Class` where it is not in the table."""
        return (
            self.name
            if any(spec.name == self.name and spec.target == self.target for spec in METHODS)
            else self.target
        )

    @property
    def section(self) -> str | None:
        """Name of the section of options that it is given as its own: the one it reads."""
        return next((name for name in self.reads if "." not in name), None)


METHODS: tuple[MethodSpec, ...] = (
    MethodSpec(
        "ft",
        "fine-tuning: learns from the new labels alone, and forgets old classes",
        "-",
        "saticl.methods.finetuning:FineTuning",
    ),
    MethodSpec(
        "uft",
        "fine-tuning in which background may be any old class (unbiased cross entropy)",
        "Cermelli et al., CVPR 2020, arXiv:2002.00718, eq. 3",
        "saticl.methods.finetuning:UnbiasedFineTuning",
    ),
    MethodSpec(
        "mib",
        "background may be any old class, and what was background may be new (unbiased cross entropy and "
        "distillation); new classes start as copies of the background",
        "Cermelli et al., CVPR 2020, arXiv:2002.00718",
        "saticl.methods.mib:MiB",
        defaults={"kd.decoder_factor": 1.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "kd.alpha"}),
    ),
    MethodSpec(
        "lwf",
        "the scores of old classes stay as the previous model gave them",
        "Li and Hoiem, ECCV 2016, arXiv:1606.09282",
        "saticl.methods.lwf:LwF",
        defaults={"kd.decoder_factor": 100.0},
        reads=frozenset({"kd.decoder_factor", "kd.alpha"}),
    ),
    MethodSpec(
        "lwf-mc",
        "LwF with one sigmoid per class instead of a softmax",
        "Rebuffi et al., CVPR 2017, arXiv:1611.07725",
        "saticl.methods.lwf_mc:LwFMC",
        defaults={"kd.decoder_factor": 10.0},
        reads=frozenset({"kd.decoder_factor"}),
        ignores=frozenset({"ce", "class_weights"}),
    ),
    MethodSpec(
        "ilt",
        "LwF, and the encoder's features also stay",
        "Michieli and Zanuttigh, ICCVW 2019, arXiv:1907.13372",
        "saticl.methods.ilt:ILT",
        defaults={"kd.decoder_factor": 100.0, "kd.encoder_factor": 100.0},
        reads=frozenset({"kd.decoder_factor", "kd.encoder_factor", "kd.alpha"}),
    ),
    MethodSpec(
        "ewc",
        "weights that the loss was sensitive to are held in place",
        "Kirkpatrick et al., PNAS 2017, arXiv:1612.00796",
        "saticl.methods.ewc:EWC",
        published="saticl.methods.ewc:PublishedEWC",
        reads=frozenset({"ewc"}),
    ),
    MethodSpec(
        "pi",
        "weights that lowered the loss are held in place (synaptic intelligence)",
        "Zenke et al., ICML 2017, arXiv:1703.04200",
        "saticl.methods.pi:PI",
        published="saticl.methods.pi:PublishedPI",
        reads=frozenset({"pi"}),
    ),
    MethodSpec(
        "rw",
        "EWC and PI together (Riemannian walk)",
        "Chaudhry et al., ECCV 2018, arXiv:1801.10112",
        "saticl.methods.rw:RW",
        published="saticl.methods.rw:PublishedRW",
        reads=frozenset({"rw"}),
    ),
    MethodSpec(
        "plop",
        "the previous model labels old classes in the background, and features stay at several scales",
        "Douillard et al., CVPR 2021, arXiv:2011.11390",
        "saticl.methods.plop:PLOP",
        published="saticl.methods.plop:PublishedPLOP",
        defaults={"model.init_balanced": True},
        reads=frozenset({"plop"}),
    ),
    MethodSpec(
        "lgkd",
        "PLOP, and scores stay as the previous model gave them, corrected by the labels",
        "Yang et al., ICCV 2023, pp. 18601-18612",
        "saticl.methods.lgkd:LGKD",
        published="saticl.methods.lgkd:PublishedLGKD",
        defaults={"kd.decoder_factor": 1.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "lgkd"}),
    ),
    MethodSpec(
        "cil",
        "labels teach the new classes, the previous model teaches all other pixels",
        "Klingner et al., ITSC 2020, arXiv:2005.06050",
        "saticl.methods.cil:CIL",
        defaults={"kd.decoder_factor": 1.0},
        reads=frozenset({"kd.decoder_factor", "cil"}),
    ),
    MethodSpec(
        "cbd",
        "our own: as cil, but every new class weighs the same, however few its pixels; the default of --extend",
        "-",
        "saticl.methods.cbd:CBD",
        defaults={"kd.decoder_factor": 5.0},
        reads=frozenset({"kd.decoder_factor"}),
        ignores=frozenset({"ce"}),
    ),
    MethodSpec(
        "hciss",
        "reconstruction: labels and features guided by what the previous model recognises",
        "after Rong et al., IEEE TGRS 2022, document 9762919; no code or full text known",
        "saticl.methods.hciss:HCISS",
        defaults={"kd.decoder_factor": 1.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "kd.alpha", "hciss"}),
    ),
    MethodSpec(
        "micro",
        "reconstruction: MiB, and pixels of all images of a batch keep their relations",
        "after Rong et al., IEEE TGRS 2023, document 10188852; no code or full text known",
        "saticl.methods.micro:MiCro",
        defaults={"kd.decoder_factor": 1.0, "model.init_balanced": True},
        reads=frozenset({"kd.decoder_factor", "kd.alpha", "micro"}),
    ),
)

GATED = ("kd.decoder_factor", "kd.encoder_factor", "kd.alpha")
"""Options that only some methods read."""


def find(name: str) -> MethodSpec:
    """The method of that name, in any case and with - or _, or the one that `package.module:Class` names.

    Raises UnknownName for another name, InvalidOptions for a class that cannot be imported or is no method.
    """
    if ":" in name:
        return _outside(name)
    wanted = name.lower().replace("_", "-")
    for spec in METHODS:
        if spec.name == wanted:
            return spec
    raise UnknownName("method", name, [*(spec.name for spec in METHODS), "package.module:Class"])


def load(name: str, faithful: bool = False) -> "type[Method]":
    """The class of a method, or its published variant.

    Raises:
        UnknownName, InvalidOptions: as `find`. InvalidOptions: there is no published variant.
    """
    spec = find(name)
    if not faithful:
        return _imported(spec.target)
    if spec.published is None:
        raise InvalidOptions(
            f"The method {spec.name} has no variant as published: leave out --{spec.section}.faithful."
        )
    return _imported(spec.published)


def _imported(target: str) -> "type[Method]":
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)  # type: ignore[no-any-return]


def _outside(target: str) -> MethodSpec:
    """The row of a method that lives outside this repository: what its class says, on top of the row it extends."""
    from saticl.methods.base import Method

    try:
        method: object = _imported(target)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InvalidOptions(
            f"--method {target} cannot be imported ({error}): write package.module:Class, and make the package "
            "importable, for example with PYTHONPATH."
        ) from error
    if not (inspect.isclass(method) and issubclass(method, Method)):
        raise InvalidOptions(
            f"--method {target} is not a subclass of saticl.methods.base.Method: derive your class from it."
        )
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", method.__name__).lower()
    summary = (method.__doc__ or "").strip().partition("\n")[0]
    base = _extended(method)
    return MethodSpec(
        name,
        summary,
        "-",
        target,
        defaults={**base.defaults, **method.defaults},
        reads=base.reads | method.reads,
        ignores=base.ignores,
    )


def _extended(method: "type[Method]") -> MethodSpec:
    """The row of the nearest class above that has one, else an empty row."""
    rows = {target: spec for spec in METHODS for target in (spec.target, spec.published)}
    above = (rows.get(f"{kind.__module__}:{kind.__qualname__}") for kind in method.__mro__)
    return next((spec for spec in above if spec is not None), MethodSpec("", "", "-", ""))
