"""Flags, files and environment of every option, without running a command."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from shlex import split

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from typer.testing import CliRunner

from saticl import config as trees
from saticl.config import PrepareConfig, TrainConfig
from saticl.errors import InvalidOptions, UnknownName
from saticl.flags.bridge import SETTINGS, command, spelling
from saticl.flags.leaves import Leaf, nearest, title, tree
from saticl.flags.resolve import Setting, check_environment, from_environment, from_file, resolve, unknown_flag
from saticl.flags.training import resolve_training
from saticl.options import KDOptions, ModelOptions, TrackingOptions, TrainerOptions

TREES = [trees.PrepareConfig, trees.TrainConfig, trees.TestConfig, trees.DemoConfig]
TRAIN = tree(TrainConfig)
PAIRS = [(model, leaf) for model in TREES for leaf in tree(model).leaves.values()]


def parse(model: type[BaseModel], *words: str) -> list[Setting]:
    """The settings that a command line makes, as the generated command collects them; raises what it raises."""
    collected: list[Setting] = []

    def run(settings: Sequence[Setting], print_config: bool) -> None:
        assert not print_config
        collected.extend(settings)

    app = typer.Typer()
    app.command(context_settings=SETTINGS)(command(model, run))
    result = CliRunner().invoke(app, words, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return collected


SAMPLES = {"boolean": (True, False), "integer": (77,), "number": (0.25,)}


def other_than_default(leaf: Leaf) -> object:
    """A valid value that the option does not have by itself, where it has any choice."""
    form = next(form for form in leaf.forms if form.get("type") != "null")
    candidates = leaf.choices or SAMPLES.get(form["type"], ("x",))
    if leaf.many:
        return [candidates[0], candidates[-1]]
    return next((value for value in candidates if value != leaf.default), leaf.default)


def words(leaf: Leaf, value: object, *, underscores: bool, joined: bool) -> list[str]:
    name = leaf.negative if value is False else leaf.flag
    name = "--" + name[2:].replace("-", "_") if underscores else name
    if leaf.switch:
        return [name]
    if isinstance(value, list):
        return [word for one in value for word in ([f"{name}={one}"] if joined else [name, str(one)])]
    return [f"{name}={value}"] if joined else [name, str(value)]


def nested(settings: Sequence[Setting]) -> dict[tuple[str, ...], object]:
    return {setting.path: setting.value for setting in settings}


@pytest.mark.parametrize("underscores", [False, True])
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("model", TREES)
def test_every_option_is_reached_in_both_spellings(model: type[BaseModel], joined: bool, underscores: bool) -> None:
    leaves = tree(model).leaves
    wanted = {path: other_than_default(leaf) for path, leaf in leaves.items()}
    line = [words(leaf, wanted[path], underscores=underscores, joined=joined) for path, leaf in leaves.items()]

    options = resolve(model, parse(model, *chain.from_iterable(line))).model_dump(mode="json")

    for path, value in wanted.items():
        found = options
        for name in path:
            found = found[name]
        assert found == value, path


@pytest.mark.parametrize(("model", "leaf"), PAIRS, ids=lambda item: getattr(item, "dotted", ""))
def test_setting_one_option_sets_nothing_else(model: type[BaseModel], leaf: Leaf) -> None:
    value = other_than_default(leaf)

    settings = parse(model, *words(leaf, value, underscores=False, joined=True))

    assert [setting.path for setting in settings] == [leaf.path]


@pytest.mark.parametrize(("model", "leaf"), PAIRS, ids=lambda item: getattr(item, "dotted", ""))
def test_every_option_can_come_from_the_environment(model: type[BaseModel], leaf: Leaf) -> None:
    value = other_than_default(leaf)
    text = ",".join(str(one) for one in value) if isinstance(value, list) else str(value)
    settings = from_environment({leaf.variable: text}, tree(model))
    required = [
        Setting(other.path, "x", "") for other in tree(model).leaves.values() if other.required and other != leaf
    ]

    found = resolve(model, [*required, *settings]).model_dump(mode="json")

    for name in leaf.path:
        found = found[name]
    assert found == value


@pytest.mark.parametrize("line", ["--aug.no-fixed-angles", "--aug.no_fixed_angles", "--no-aug.fixed-angles"])
def test_a_switch_is_turned_off_in_every_spelling(line: str) -> None:
    assert nested(parse(TrainConfig, line)) == {("aug", "fixed_angles"): False}


@pytest.mark.parametrize("line", ["--no-allow-missing", "--no_allow_missing"])
def test_a_switch_at_the_root_is_turned_off(line: str) -> None:
    assert nested(parse(PrepareConfig, line)) == {("allow_missing",): False}


@given(st.lists(st.sampled_from(["--trainer.amp", "--trainer.no-amp"]), min_size=1, max_size=2))
def test_the_later_of_two_opposite_switches_wins(line: list[str]) -> None:
    assert nested(parse(TrainConfig, *line)) == {("trainer", "amp"): line[-1] == "--trainer.amp"}


def test_the_later_of_two_equal_flags_wins() -> None:
    assert nested(parse(TrainConfig, "--seed", "1", "--seed=2")) == {("seed",): "2"}


@given(st.text("ab-_.", min_size=1, max_size=12))
def test_spelling_is_settled_after_one_time(token: str) -> None:
    once = spelling(token)

    assert "_" not in once
    assert spelling(once.removeprefix("no-")) == once.removeprefix("no-")


@pytest.mark.parametrize("given_value", ["iabn_sync", "iabn-sync", "IABN_SYNC"])
def test_a_choice_is_found_in_every_spelling_and_kept_as_declared(given_value: str) -> None:
    config = resolve_training(parse(TrainConfig, "--data-root=d", "--model.norm", given_value))

    assert config.model.norm == "iabn_sync"


def test_values_with_dashes_and_underscores_are_left_alone() -> None:
    settings = parse(TrainConfig, "--name", "rgb-mib_cd", "--model.encoder=tresnet_m", "--comment", "--not a flag")

    assert set(nested(settings).values()) == {"rgb-mib_cd", "tresnet_m", "--not a flag"}


def test_numbers_that_are_choices_are_numbers() -> None:
    config = resolve_training(parse(TrainConfig, "--data-root=d", "--model.output-stride", "16", "--task.step", "2"))

    assert (config.model.output_stride, config.task.step) == (16, 2)
    assert resolve_training(parse(TrainConfig, "--data-root=d", "--task.step", "all")).task.step == "all"


@pytest.mark.parametrize(
    ("given", "method", "weight"),
    [
        ((), "jcd", 0.0),
        (("--extend", "run/step-0"), "cbd", 5.0),
        (("--extend", "run/step-0", "--method", "mib"), "mib", 1.0),
        (("--method", "ft", "--method", "mib"), "mib", 1.0),
        (("--extend", "none"), "jcd", 0.0),
    ],
)
def test_an_extension_has_a_default_method_of_its_own(given: tuple[str, ...], method: str, weight: float) -> None:
    config = resolve_training(parse(TrainConfig, "--data-root=d", *given))

    assert (config.method, config.kd.decoder_factor) == (method, weight)


def test_none_unsets_what_is_no_text_and_is_text_elsewhere() -> None:
    config = resolve_training(parse(TrainConfig, "--data-root=d", "--in-channels=none", "--tracking.uri", "none"))

    assert config.in_channels is None
    assert config.tracking.uri == "none"


def test_none_in_a_file_is_a_name_and_null_is_nothing(tmp_path: Path) -> None:
    config = resolve_training(overlay(tmp_path, "data_root: none\ndataset: none\ntask: {protocols: none}\nname: null"))

    assert config.data_root == Path("none")
    assert config.task.protocols == Path("none")
    assert config.name is None


def test_home_is_found_in_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    assert resolve_training(parse(TrainConfig, "--data-root=~/d")).data_root == Path("/home/somebody/d")


def test_the_command_line_of_the_predecessor_is_understood() -> None:
    line = split("""--data-root D --model.encoder=tresnet_m --task.name 6s --task.step 0 --task.filter-mode=split
        --model.act=ident --model.norm=iabn_sync --trainer.batch-size=8 --trainer.amp --trainer.patience=25
        --optimizer.lr=1e-3 --scheduler.target=cosine --in-channels=3 --aug.factor=0.1 --aug.factor-icl=0.1
        --aug.fixed-angles --name=rgb-mib-cd --comment "all bands, first try" """)

    config = resolve_training(parse(TrainConfig, *line))

    expected = TrainConfig.model_validate(
        {
            "data_root": "D",
            "task": {"name": "6s", "step": 0, "filter_mode": "split"},
            "model": {"encoder": "tresnet_m", "act": "ident", "norm": "iabn_sync", "init_balanced": False},
            "trainer": {"batch_size": 8, "amp": True, "patience": 25},
            "optimizer": {"lr": 1e-3},
            "scheduler": {"target": "cosine"},
            "in_channels": 3,
            "aug": {"factor": 0.1, "factor_icl": 0.1, "fixed_angles": True},
            "name": "rgb-mib-cd",
            "comment": "all bands, first try",
        }
    )
    assert config == expected


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--lr 3", "There is no option --lr. Did you mean --optimizer.lr?"),
        ("--trainer.batchsize=3", "There is no option --trainer.batchsize. Did you mean --trainer.batch-size?"),
        ("--trainer.no-amb", "There is no option --trainer.no-amb. Did you mean --trainer.no-amp"),
        ("--zzz", "There is no option --zzz."),
        ("--kd 3", "--kd is a section, not an option: it holds --kd.decoder-factor"),
        ("stray", "'stray' is not expected here"),
        ("--data-root --name x", "--data-root needs a value, but is followed by --name."),
        ("--data-root=", "--data-root is empty, but must be a path, or none."),
    ],
)
def test_a_word_that_is_no_option_is_refused_in_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(InvalidOptions) as error:
        parse(TrainConfig, *line.split())

    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--data-root d --seed x", "--seed must be an integer of at least 0, not 'x'."),
        ("--data-root d --val-size 2", "--val-size must be a number from 0 to 1, not '2'."),
        ("--data-root d --optimizer.lr 0", "--optimizer.lr must be a number above 0, not '0'."),
        ("--data-root d --task.step foo", "--task.step must be an integer of at least 0, or all, not 'foo'."),
        ("--data-root d --image-size 0", "--image-size must be an integer of at least 1, or none, not '0'."),
        (
            "--data-root d --model.norm ibn",
            "--model.norm must be one of std, abn, iabn, iabn_sync, not 'ibn'. Did you mean iabn?",
        ),
        (
            "--data-root d --seed x --val-size y",
            "--seed must be an integer of at least 0, not 'x'.\n--val-size must be a number from 0 to 1, not 'y'.",
        ),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(line: str, sentence: str) -> None:
    with pytest.raises(InvalidOptions) as error:
        resolve_training(parse(TrainConfig, *line.split()))

    assert str(error.value) == sentence


def overlay(folder: Path, text: str) -> list[Setting]:
    file = folder / "fast.yaml"
    file.write_text(text, encoding="utf-8")
    return from_file(file, TRAIN)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("modle: {encoder: x}", r"There is no option modle, which .*fast.yaml sets. Did you mean model\?"),
        ("batch_size: 4", r"There is no option batch_size, .* Did you mean trainer.batch_size\?"),
        ("trainer: {lr: 1}", r"There is no option trainer.lr, .* Did you mean optimizer.lr\?"),
        ("trainer: {batch-size: 4}", r"There is no option trainer.batch-size, .* Did you mean trainer.batch_size\?"),
        ("model: resnet34", r"model in .*fast.yaml is a section, not an option: it holds model.encoder, "),
        ("- 1", r"The configuration .*fast.yaml must hold sections and options"),
        ("a: [1\nb: 2", r"The configuration .*fast.yaml is not valid YAML: .* in line 2"),
        (
            "seed: 1\nseed: 2",
            r"The configuration .*fast.yaml is not valid YAML: 'seed' is written twice, .* line 2",
        ),
        ("a: !!python/object:os.system {}", r"The configuration .*fast.yaml is not valid YAML: could not determine"),
        ("data_root: ''", r"data_root in .*fast.yaml is empty, but must be a path"),
    ],
)
def test_a_mistake_in_a_file_is_told_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InvalidOptions, match=sentence) as error:
        overlay(tmp_path, text)

    assert "\n" not in str(error.value)


def test_a_bad_value_in_a_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidOptions, match=r"^trainer.batch_size in .*fast.yaml must be an integer .*, not \{'a': 1\}\.$"
    ):
        resolve_training(overlay(tmp_path, "data_root: d\ntrainer: {batch_size: {a: 1}}"))


def test_a_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"comment: \xe9")

    with pytest.raises(InvalidOptions, match="cannot be read: No such file or directory"):
        from_file(tmp_path / "nowhere.yaml", TRAIN)
    with pytest.raises(InvalidOptions, match="cannot be read: Is a directory"):
        from_file(tmp_path, TRAIN)
    with pytest.raises(InvalidOptions, match="is not a text file in UTF-8"):
        from_file(tmp_path / "latin.yaml", TRAIN)


def test_an_empty_file_and_empty_sections_say_nothing(tmp_path: Path) -> None:
    assert overlay(tmp_path, "") == []
    assert overlay(tmp_path, "trainer:\n  # batch_size: 4\n") == []


def test_tasks_that_look_like_numbers_need_no_quotes(tmp_path: Path) -> None:
    config = resolve_training(overlay(tmp_path, "data_root: d\ntask: {name: 321}\noptimizer: {lr: 1e-2}"))

    assert config.task.name == "321"
    assert config.optimizer.lr == 0.01


def test_later_sources_win(tmp_path: Path) -> None:
    """The same option set at each level in turn, weakest first."""
    (tmp_path / "one.yaml").write_text("data_root: d\nmethod: mib\nkd: {decoder_factor: 2}\ntrainer: {patience: 2}")
    (tmp_path / "two.yaml").write_text("kd: {decoder_factor: 3}")
    one, two = (from_file(tmp_path / name, TRAIN) for name in ("one.yaml", "two.yaml"))
    environment = from_environment({"SATICL_KD__DECODER_FACTOR": "4"}, TRAIN)
    flags = parse(TrainConfig, "--kd.decoder-factor=5")
    root = [Setting(("data_root",), "d", ""), Setting(("method",), "mib", "")]

    factors = [
        resolve_training(settings).kd.decoder_factor
        for settings in (root, one, [*one, *two], [*one, *two, *environment], [*one, *two, *environment, *flags])
    ]

    assert KDOptions().decoder_factor == 0
    assert factors == [1, 2, 3, 4, 5]
    assert resolve_training([*one, *two]).trainer.patience == 2


def test_the_default_of_a_method_gives_way_to_the_general_default_when_typed() -> None:
    config = resolve_training(
        parse(TrainConfig, *split("--data-root=d --method=mib --kd.decoder-factor=0 --model.no-init-balanced"))
    )

    assert config.kd.decoder_factor == 0
    assert not config.model.init_balanced


def test_the_method_may_be_chosen_in_a_file_or_the_environment(tmp_path: Path) -> None:
    file = overlay(tmp_path, "data_root: d\nmethod: ft")
    environment = from_environment({"SATICL_METHOD": "mib"}, TRAIN)

    assert resolve_training(file).kd.decoder_factor == 0
    assert resolve_training([*file, *environment]).kd.decoder_factor == 1


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"There is no method 'mbi'\. Did you mean 'mib'"):
        resolve_training(parse(TrainConfig, "--data-root=d", "--method=mbi"))


def test_an_option_that_the_method_does_not_read_is_refused() -> None:
    with pytest.raises(InvalidOptions, match=r"^--kd.alpha has no effect on the method ft: it is read by .*mib"):
        resolve_training(parse(TrainConfig, "--data-root=d", "--method=ft", "--kd.alpha=2"))


@pytest.mark.parametrize("method", ["ssul", "segacil", "dkd", "star", "barm"])
def test_new_rows_that_a_method_starts_itself_take_nothing_from_the_background(method: str) -> None:
    with pytest.raises(InvalidOptions, match=rf"init-balanced has no effect on the method {method}: "):
        resolve_training(parse(TrainConfig, "--data-root=d", f"--method={method}", "--model.init-balanced"))


def test_an_option_that_the_method_does_not_read_passes_at_its_default() -> None:
    config = resolve_training(parse(TrainConfig, "--data-root=d", "--method=ft", "--kd.alpha=1"))

    assert config.kd.alpha == 1


def test_an_empty_section_of_the_tree_is_not_an_option() -> None:
    assert ("trainer",) in TRAIN.sections
    assert ("trainer",) not in TRAIN.leaves


def test_a_typo_in_the_environment_is_refused_and_other_variables_are_left_alone() -> None:
    known = [tree(model) for model in TREES]

    check_environment(["SATICL_TRAINER__BATCH_SIZE", "SATICL_TASK__UNSEEN", "SATICL_PYTHON", "PATH__X"], known)
    with pytest.raises(InvalidOptions, match=r"BATCHSIZE is not an option\. Did you mean SATICL_TRAINER__B"):
        check_environment(["SATICL_TRAINER__BATCHSIZE"], known)


def test_a_section_that_is_written_twice_on_the_way_keeps_both_halves() -> None:
    config = resolve(
        TrainConfig,
        [
            Setting(("data_root",), "d", ""),
            Setting(("trainer", "patience"), 3, ""),
            Setting(("trainer", "batch_size"), 4, ""),
        ],
    )

    assert (config.trainer.patience, config.trainer.batch_size) == (3, 4)


def test_titles_are_the_first_clause_of_the_docstring() -> None:
    assert title(TrainerOptions) == "The training loop"
    assert title(TrackingOptions) == "Where runs are recorded besides journal.jsonl"
    assert title(KDOptions) == "Knowledge distillation from the previous step"
    assert title(ModelOptions) == "The network"


@given(st.sampled_from(list(TRAIN.leaves)))
def test_the_last_word_of_an_option_suggests_it(path: tuple[str, ...]) -> None:
    same = [name for name in TRAIN.names if name.rpartition(".")[2] == path[-1]]

    near = nearest(path[-1], TRAIN.names)

    assert ".".join(path) in near or len(same) > 3


def test_the_error_for_an_unknown_flag_ignores_its_value() -> None:
    assert "secret" not in str(unknown_flag("--trainer.bach-size=secret", TRAIN))


@pytest.mark.parametrize("setting", [("ce.name", "focal"), ("class_weights", "none")])
def test_general_options_that_a_method_has_no_use_for_are_refused(setting: tuple[str, str]) -> None:
    name, value = setting
    settings = [Setting(("data_root",), "d", "--data-root"), Setting(("method",), "lwf-mc", "--method")]

    with pytest.raises(InvalidOptions, match=r"no effect on the method lwf-mc: it is read by ft, "):
        resolve_training([*settings, Setting(tuple(name.split(".")), value, f"--{name}")])
