"""What the table of methods says of each. Free of torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    is_outside: bool = False
    """Whether it lives in another package."""

    @property
    def reference(self) -> str:
        """What finds this method again: its name, or `package.module:Class` where it is from outside."""
        return self.target if self.is_outside else self.name

    @property
    def section(self) -> str | None:
        """Name of the section of options that it is given as its own: the one it reads."""
        return next((name for name in self.reads if "." not in name), None)
