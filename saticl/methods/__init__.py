"""The methods that can be chosen, found by name: `table.py` lists them.

Imports no torch, so that the command line can show the table; `load` imports the class.
"""

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING

from saticl.errors import InvalidOptions, UnknownName
from saticl.methods.spec import MethodSpec
from saticl.methods.table import METHODS

if TYPE_CHECKING:
    from saticl.methods.base import Method

__all__ = ["GATED", "METHODS", "MethodSpec", "find", "load"]

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
        is_outside=True,
    )


def _extended(method: "type[Method]") -> MethodSpec:
    """The row of the nearest class above that has one, else an empty row."""
    rows = {target: spec for spec in METHODS for target in (spec.target, spec.published)}
    above = (rows.get(f"{kind.__module__}:{kind.__qualname__}") for kind in method.__mro__)
    return next((spec for spec in above if spec is not None), MethodSpec("", "", "-", ""))
