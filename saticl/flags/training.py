"""What only `train` knows: the method's own defaults, and options that the chosen method does not read."""

from collections.abc import Iterable, Sequence

from saticl.config import TrainConfig
from saticl.errors import InvalidOptions
from saticl.flags.leaves import Path, tree
from saticl.flags.resolve import Setting, resolve
from saticl.methods import GATED, METHODS, MethodSpec, find


def resolve_training(settings: Sequence[Setting]) -> TrainConfig:
    """The tree of `train`: the chosen method's defaults stand below everything the user set.

    Raises InvalidOptions for bad values and for options that the method does not read, UnknownName for the method.
    """
    spec = _chosen_method(settings)
    config = resolve(TrainConfig, [*_own_defaults(spec), *settings])
    _refuse_unread(config, spec, settings)
    return config


def _chosen_method(settings: Iterable[Setting]) -> MethodSpec:
    names = [setting.value for setting in settings if setting.path == ("method",)]
    return find(str(names[-1] if names else TrainConfig.model_fields["method"].default))


def _own_defaults(spec: MethodSpec) -> list[Setting]:
    return [
        Setting(tuple(name.split(".")), value, f"{name}, by default of {spec.name},")
        for name, value in spec.defaults.items()
    ]


def _refuse_unread(config: TrainConfig, spec: MethodSpec, settings: Iterable[Setting]) -> None:
    """Options left at the general default pass, so that the complete configuration of a run passes too."""
    values = config.model_dump()
    for setting in settings:
        value = values
        for name in setting.path:
            value = value[name]
        if value != tree(TrainConfig).leaves[setting.path].default and not _is_read(setting.path, spec):
            readers = [other.name for other in METHODS if _is_read(setting.path, other)]
            by = f"it is read by {', '.join(readers)}" if readers else "no method reads it yet"
            raise InvalidOptions(f"{setting.source} has no effect on the method {spec.name}: {by}.")


def _is_read(path: Path, spec: MethodSpec) -> bool:
    names = {".".join(path[:end]) for end in range(1, len(path) + 1)}
    sections = {other.name.replace("-", "_") for other in METHODS}
    gated = names & ({*GATED} | sections)
    return not names & spec.ignores and (not gated or bool(names & spec.reads))
