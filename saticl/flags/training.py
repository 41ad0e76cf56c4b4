"""What only `train` knows: defaults of the method and of a step that is extended, and options that nobody reads."""

from collections.abc import Iterable, Sequence
from pathlib import Path as FilePath

from saticl.config import TrainConfig
from saticl.errors import InvalidOptions
from saticl.flags.leaves import Path, tree
from saticl.flags.resolve import Setting, resolve
from saticl.methods import GATED, METHODS, MethodSpec, find
from saticl.runs.folder import MODEL_FILE
from saticl.runs.step import read_info

EXTENDING = "cbd"
"""Method of a step that --extend adds, where none is named."""

NETWORK_OPTIONS = ("encoder", "decoder", "output_stride", "act", "norm", "dropout", "dropout2d")
"""Options of `model` that a network keeps for all its steps."""


def resolve_training(settings: Sequence[Setting]) -> TrainConfig:
    """The tree of `train`: defaults of the method and of the step that is extended stand below what the user set.

    Raises InvalidOptions for bad values and for options that the method does not read, UnknownName for the method.
    """
    method = _chosen_method(settings)
    spec = find(str(method.value))
    config = resolve(TrainConfig, [method, *_own_defaults(spec), *_of_extended(settings), *settings])
    _refuse_unread(config, spec, settings)
    return config


def _chosen_method(settings: Iterable[Setting]) -> Setting:
    """The last one that was named, else that of the published tasks, or of extensions."""
    last = {setting.path: setting for setting in settings}
    if ("method",) in last:
        return last["method",]
    extended = last.get(("extend",))
    extends = extended is not None and extended.value is not None
    default = EXTENDING if extends else TrainConfig.model_fields["method"].default
    return Setting(("method",), default, "method, by default,")


def _own_defaults(spec: MethodSpec) -> list[Setting]:
    return [
        Setting(tuple(name.split(".")), value, f"{name}, by default of {spec.name},")
        for name, value in spec.defaults.items()
    ]


def _of_extended(settings: Iterable[Setting]) -> list[Setting]:
    """The network of the step that --extend names: the next step goes on with it."""
    named = [str(setting.value) for setting in settings if setting.path == ("extend",) and setting.value is not None]
    if not named:
        return []
    place = FilePath(named[-1])
    file = place if place.name == MODEL_FILE else place / MODEL_FILE
    if not file.is_file():  # which is said where the options are used
        return []
    model = read_info(file).model.model_dump(mode="json")
    return [
        Setting(("model", name), model[name], f"model.{name} of {place}") for name in NETWORK_OPTIONS if name in model
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
