"""What only `compare` knows: the options of `train` behind `--`, and what becomes of them in every variant."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import typer

from saticl.config import CompareConfig, TrainConfig
from saticl.config.compare import Options, Variant
from saticl.errors import InvalidOptions, UnknownName
from saticl.flags.bridge import SETTINGS, command
from saticl.flags.leaves import tree
from saticl.flags.pages import BEHIND
from saticl.flags.resolve import Setting, from_document, from_file, resolve
from saticl.flags.training import NETWORK_OPTIONS, resolve_training
from saticl.methods import find

RESERVED = {
    "name": "the names are those of --method and `variants`",
    "seed": "write --seeds before `--`",
    "output_folder": "write --dst before `--`",
    "data_root": "write --data-root before `--`",
    "task.name": "write --task before `--`",
    "task.step": "all steps are trained",
    "task.step_checkpoint": "write --share-base before `--`",
    "trainer.resume": "runs are always continued",
    "extend": "whole runs are compared",
    "add": "whole runs are compared",
}
"""Options of `train` that a comparison sets itself, and what to do instead."""

ROTATION: Options = {"aug.factor": 0.1, "aug.factor_icl": 0.1}
"""What +cd stands for."""

FILES = "config"
"""In a variant: files of options to start from."""


def resolve_comparing(settings: Sequence[Setting]) -> CompareConfig:
    """The tree of `compare`, with all that every `train` is told in its `train`; the variants are known to be right.

    Raises:
        SaticlError: what the user can correct, before anything is trained.
    """
    words = [str(word) for setting in settings for word in _words(setting)]
    config = resolve(CompareConfig, [setting for setting in settings if not _words(setting)])
    told = _told(words)
    common = _named(_of_document(config.train, "train")) | _named(told)
    config = config.model_copy(update={"train": common})
    variants = variants_of(config)
    _refuse_twice(config, [setting for setting in told if setting.source.startswith("--")])
    names = [variant.name for variant in variants]
    if config.baseline is not None and config.baseline not in names:
        raise UnknownName("variant", config.baseline, names, " among those that are compared")
    return config


def variants_of(config: CompareConfig) -> list[Variant]:
    """What is compared, in order: methods, then variants.

    Raises:
        SaticlError: an option that `train` would refuse, two variants that are the same, or networks that cannot
            share a step 0.
    """
    variants = [Variant(name, _options(config, name, own)) for name, own in _differing(config).items()]
    if not variants:
        raise InvalidOptions("There is nothing to compare: add --method, or `variants` in a file for --config.")
    for index, variant in enumerate(variants):
        for other in variants[:index]:
            if variant.options == other.options:
                raise InvalidOptions(f"{variant.name} has the same options as {other.name}: leave one of them out.")
    if config.share_base:
        _require_one_network(variants)
    return variants


def _differing(config: CompareConfig) -> dict[str, Options]:
    """By what each variant differs from the others."""
    differing: dict[str, Options] = {}
    for label in config.method:
        method, plus, suffix = label.partition("+")
        if plus and suffix.lower() != "cd":
            raise InvalidOptions(f"{label!r} is not understood: only +cd, rotation distillation, can be added.")
        spec = find(method)
        rotation = ROTATION if plus else {}
        differing[spec.name + ("+cd" if plus else "")] = {"method": spec.reference, **rotation}
    for name, own in config.variants.items():
        if name in differing:
            raise InvalidOptions(f"{name} is both a --method and one of the variants: give the variant another name.")
        differing[name] = own
    return differing


def _options(config: CompareConfig, name: str, own: Options) -> TrainConfig:
    """All options of a variant, the stronger last: for all runs, from its files, its own, and the comparison's."""
    data_root = None if config.data_root is None else str(config.data_root.absolute())
    return resolve_training(
        [
            Setting(("tracking", "uri"), "none", "tracking.uri"),
            *_of_document(config.train, "train"),
            *_of_variant(name, own),
            Setting(("data_root",), data_root, "--data-root"),
            Setting(("output_folder",), str(config.dst.absolute() / "runs"), "--dst"),
            Setting(("task", "name"), config.task[0] if config.task else "", "--task"),
            Setting(("task", "step"), "all", "--task"),
            Setting(("trainer", "resume"), True, "--trainer.resume"),
        ]
    )


def _of_variant(name: str, own: Options) -> list[Setting]:
    """What its files say, then what stands beside them."""
    given = own.get(FILES, [])
    files = given if isinstance(given, list) else [given]
    settings = [setting for file in files for setting in from_file(Path(str(file)), tree(TrainConfig))]
    beside = {key: value for key, value in own.items() if key != FILES}
    return [*_free(settings), *_of_document(beside, f"variants.{name}")]


def _of_document(document: Mapping[str, object], source: str) -> list[Setting]:
    settings = from_document({**document}, source, tree(TrainConfig))
    for setting in settings:
        _refuse_reserved(setting)
    return settings


def _told(words: Sequence[str]) -> list[Setting]:
    """What the words behind `--`, and the environment, tell every `train`."""
    told: list[Setting] = []
    called: list[bool] = []

    def run(settings: Sequence[Setting], print_config: bool) -> None:
        if print_config:
            raise InvalidOptions("--print-config stands before `--`: it prints the options of the comparison.")
        told.extend(settings)
        called.append(True)

    app = typer.Typer(add_completion=False)
    app.command(context_settings=SETTINGS)(command(TrainConfig, run))
    typer.main.get_command(app)(args=list(words), prog_name="train", standalone_mode=False)
    if not called:  # --help was asked for, and is printed
        raise typer.Exit
    for setting in told:
        if setting.source.startswith("--"):
            _refuse_reserved(setting)
            if setting.path == ("method",):
                raise InvalidOptions("--method stands before `--`: it says what is compared.")
    return [setting for setting in _free(told) if setting.path != ("method",)]


def _free(settings: Sequence[Setting]) -> list[Setting]:
    """Without those that a comparison sets itself, which in files and variables are the weaker ones."""
    return [setting for setting in settings if ".".join(setting.path) not in RESERVED]


def _refuse_reserved(setting: Setting) -> None:
    name = ".".join(setting.path)
    if name in RESERVED:
        raise InvalidOptions(f"{setting.source} cannot be set for a comparison: {RESERVED[name]}.")


def _refuse_twice(config: CompareConfig, typed: Sequence[Setting]) -> None:
    """What was typed is never overridden."""
    for name, own in _differing(config).items():
        paths = {setting.path for setting in _of_variant(name, own)}
        for setting in typed:
            if setting.path in paths:
                raise InvalidOptions(
                    f"{setting.source} stands behind `--` for all runs, but {name} has a value of its own: leave it "
                    "out, or write the variants into a file."
                )


def _require_one_network(variants: Sequence[Variant]) -> None:
    first, *others = variants
    for variant in others:
        for name in NETWORK_OPTIONS:
            ours, theirs = getattr(variant.options.model, name), getattr(first.options.model, name)
            if ours != theirs:
                raise InvalidOptions(
                    f"--share-base starts {variant.name} from step 0 of {first.name}, but model.{name} is {theirs} in "
                    f"{first.name} and {ours} in {variant.name}: compare one network, or leave out --share-base."
                )


def _words(setting: Setting) -> tuple[object, ...]:
    """What stands behind `--`, if this setting is that."""
    return setting.value if setting.path == (BEHIND,) and isinstance(setting.value, tuple) else ()


def _named(settings: Sequence[Setting]) -> Options:
    return {".".join(setting.path): setting.value for setting in settings}  # type: ignore[misc]
