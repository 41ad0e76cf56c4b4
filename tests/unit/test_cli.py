"""The program as a user meets it: exit codes, one sentence per mistake, what it prints, what it imports."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from saticl import __version__, cli
from saticl import config as trees
from saticl.datasets import BUILT_IN
from saticl.errors import NonFiniteLoss
from saticl.flags import guard
from saticl.flags.leaves import tree
from saticl.methods import METHODS
from saticl.options import FrozenOptions

REPOSITORY = Path(__file__).resolve().parents[2]
COMMANDS: dict[str, type[FrozenOptions]] = {
    "prepare": trees.PrepareConfig,
    "train": trees.TrainConfig,
    "test": trees.TestConfig,
    "import": trees.ImportConfig,
    "export": trees.ExportConfig,
    "demo": trees.DemoConfig,
}
REQUIRED = {
    "prepare": ["--src=s", "--dst=d"],
    "train": ["--data-root=d"],
    "test": ["--run=r"],
    "import": ["--checkpoint=c", "--architecture=smp-unet", "--encoder=tu-resnet18", "--classes=a,b"],
    "export": ["--run=r"],
    "demo": ["--dst=d"],
}
MODULES = {"import": "import_model"}
"""Modules of commands whose name is a word of Python."""


@pytest.fixture(autouse=True)
def no_options_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SATICL_") or name in ("RANK", "LOCAL_RANK")]:
        monkeypatch.delenv(name)


def invoke(*words: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command line, run in this process."""
    result = CliRunner().invoke(cli.app, words, env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def launch(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python run.py ...` as a process of its own."""
    return subprocess.run(
        [sys.executable, "run.py", *words],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def replace(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[BaseModel], None]], None]:
    """Put a function in the place of a command's work, whose module needs torch."""

    def put(name: str, work: Callable[[BaseModel], None]) -> None:
        module = ModuleType(f"saticl.commands.{name}")
        setattr(module, name, work)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return put


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_gets_the_resolved_options(
    name: str, replace: Callable[[str, Callable[[BaseModel], None]], None]
) -> None:
    seen: list[BaseModel] = []
    replace(MODULES.get(name, name), seen.append)

    code, out, err = invoke(name, *REQUIRED[name])

    assert (code, out, err) == (0, "", "")
    assert [type(options) for options in seen] == [COMMANDS[name]]


@pytest.mark.parametrize("name", COMMANDS)
def test_printed_options_are_a_configuration_that_gives_the_same_options(name: str, tmp_path: Path) -> None:
    code, printed, _ = invoke(name, *REQUIRED[name], "--print-config")
    file = tmp_path / "config.yaml"
    file.write_text(printed, encoding="utf-8")

    again = invoke(name, "--config", str(file), "--print-config")

    assert code == 0
    assert again == (0, printed, "")
    COMMANDS[name].model_validate(yaml.safe_load(printed))


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.name)
def test_the_complete_options_of_every_method_are_accepted_again(spec: object, tmp_path: Path) -> None:
    name = spec.name  # type: ignore[attr-defined]
    _, printed, _ = invoke("train", "--data-root=d", f"--method={name}", "--print-config")
    (tmp_path / "config.yaml").write_text(printed, encoding="utf-8")

    assert invoke("train", "--config", str(tmp_path / "config.yaml"), "--print-config") == (0, printed, "")


def test_files_then_environment_then_flags(tmp_path: Path) -> None:
    for name, text in {"a.yaml": "{data_root: a, seed: 1, trainer: {patience: 1}}", "b.yaml": "seed: 2"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = ["--config", str(tmp_path / "a.yaml"), "--config", str(tmp_path / "b.yaml"), "--print-config"]

    def seed(*words: str, **environment: str) -> object:
        return yaml.safe_load(invoke("train", *files, *words, **environment)[1])["seed"]

    assert seed() == 2
    assert seed(SATICL_SEED="3") == 3
    assert seed("--seed=4", SATICL_SEED="3") == 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train"], "Error: --data-root is required: folder that `prepare` wrote."),
        (["train", "--data-root=d", "--lr=1"], "Error: There is no option --lr. Did you mean --optimizer.lr?"),
        (["train", "--data-root=d", "--seed=x"], "Error: --seed must be an integer of at least 0, not 'x'."),
        (["train", "--data-root=d", "--method=mbi"], "Error: There is no method 'mbi'. Did you mean 'mib'?"),
        (
            ["train", "--data-root=d", "--method=ft", "--kd.alpha=2"],
            "Error: --kd.alpha has no effect on the method ft",
        ),
        (["train", "--config=nowhere.yaml"], "Error: The configuration nowhere.yaml cannot be read: No such file"),
        (["demo", "--dst=d", "--layout=potsdm"], "Error: --layout must be one of potsdam, vaihingen, not 'potsdm'."),
        (["list", "tasks", "--dataset=postdam"], "Error: There is no dataset 'postdam'. Did you mean 'potsdam'?"),
        (["list", "tasks", "--data-root=nowhere"], "Error: nowhere does not exist: run `prepare"),
        (
            ["list", "tasks", "--data-root=a", "--dataset=b"],
            "Error: --dataset and --data-root cannot be used together",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_two(words: Sequence[str], sentence: str) -> None:
    code, out, err = invoke(*words)

    assert (code, out) == (2, "")
    assert err.startswith(sentence)
    assert err.count("\n") == 1


def test_an_unknown_variable_is_a_mistake_too() -> None:
    code, _, err = invoke("train", "--data-root=d", SATICL_TRAINER__BATCHSIZE="3")

    assert code == 2
    assert "SATICL_TRAINER__BATCHSIZE is not an option. Did you mean SATICL_TRAINER__BATCH_SIZE" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trian"], "Error: No such command 'trian'. Did you mean 'train'?\n"),
        (["train", "--name"], "Error: Option '--name' requires an argument.\n"),
        (["train", "--trainer.amp=1"], "Error: Option '--trainer.amp' does not take a value.\n"),
        (["--dbug", "train"], "Error: No such option: --dbug"),
    ],
)
def test_a_mistake_in_the_grammar_is_one_sentence_too(words: Sequence[str], sentence: str) -> None:
    result = launch(*words)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(sentence)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("variable", ["RANK", "LOCAL_RANK"])
def test_only_the_first_process_speaks_and_all_fail(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "GRACE_S", 0.0)
    assert invoke("train", **{variable: "0"})[::2] == (
        2,
        "Error: --data-root is required: folder that `prepare` wrote.\n",
    )
    assert invoke("train", **{variable: "1"}) == (2, "", "")
    assert invoke("train", "--data-root=d", "--print-config", **{variable: "1"}) == (0, "", "")


def test_a_mistake_that_shows_late_is_a_sentence_too(
    replace: Callable[[str, Callable[[BaseModel], None]], None],
) -> None:
    def work(_: BaseModel) -> None:
        raise NonFiniteLoss("The loss is not finite [see the journal].")

    replace("train", work)

    assert invoke("train", "--data-root=d") == (2, "", "Error: The loss is not finite [see the journal].\n")


def test_debug_shows_where_a_mistake_came_up() -> None:
    code, _, err = invoke("--debug", "train")

    assert code == 2
    assert err.startswith("Traceback (most recent call last)")
    assert err.endswith("Error: --data-root is required: folder that `prepare` wrote.\n")


def test_a_bug_is_not_hidden(replace: Callable[[str, Callable[[BaseModel], None]], None]) -> None:
    def work(_: BaseModel) -> None:
        raise ZeroDivisionError

    replace("train", work)

    assert isinstance(CliRunner().invoke(cli.app, ["train", "--data-root=d"]).exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("train", " The same command with --trainer.resume continues from the last state that was saved."),
        ("prepare", " The same command continues where it stopped."),
        ("test", ""),
    ],
)
def test_an_interruption_ends_with_what_can_be_done(
    name: str, advice: str, replace: Callable[[str, Callable[[BaseModel], None]], None]
) -> None:
    def work(_: BaseModel) -> None:
        raise KeyboardInterrupt

    replace(name, work)

    assert invoke(name, *REQUIRED[name]) == (130, "", f"Interrupted.{advice}\n")


def test_the_augmentation_library_is_kept_from_the_network(
    monkeypatch: pytest.MonkeyPatch, replace: Callable[[str, Callable[[BaseModel], None]], None]
) -> None:
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "")
    monkeypatch.delenv("NO_ALBUMENTATIONS_UPDATE")
    seen: list[str | None] = []
    replace("train", lambda _: seen.append(os.environ.get("NO_ALBUMENTATIONS_UPDATE")))

    invoke("train", "--data-root=d")

    assert seen == ["1"]


def test_version() -> None:
    assert invoke("--version") == (0, f"saticl {__version__}\n", "")


@pytest.mark.parametrize("words", [(), ("list",)])
def test_without_a_command_the_commands_are_shown(words: Sequence[str]) -> None:
    code, out, _ = invoke(*words)

    assert code == 2
    assert "Commands" in out


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option_in_full(name: str, columns: str) -> None:
    code, out, _ = invoke(name, "--help-all" if name == "train" else "--help", COLUMNS=columns)

    assert code == 0
    for leaf in tree(COMMANDS[name]).leaves.values():
        assert f"{leaf.negative if leaf.switch and leaf.default else leaf.flag} " in out
    assert "iabn-sync" not in out
    assert "SATICL_TRAINER__BATCH_SIZE" in " ".join(out.split())


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_short_help_of_train_names_its_main_options_and_where_the_others_are(columns: str) -> None:
    code, out, _ = invoke("train", "--help", COLUMNS=columns)
    text = " ".join(out.split())

    assert code == 0
    assert len(out.splitlines()) < (90 if columns == "80" else 65)
    for path, leaf in tree(trees.TrainConfig).leaves.items():
        assert (f"{leaf.flag} " in out) == (".".join(path) in trees.TrainConfig.main), leaf.flag
    for flag in ("--config", "--print-config", "--help-all", "--help"):
        assert f"{flag} " in out
    assert "--plop." not in out
    assert f"--help-all shows all {len(tree(trees.TrainConfig).leaves)} options" in text
    assert "tracking" in text


def test_the_main_options_of_a_command_exist() -> None:
    for model in COMMANDS.values():
        assert set(model.main) <= set(tree(model).names)


@pytest.mark.parametrize("name", ["prepare", "test", "demo"])
def test_a_command_with_few_options_has_one_help_page(name: str) -> None:
    code, out, err = invoke(name, "--help-all")

    assert (code, out) == (2, "")
    assert "There is no option --help-all." in err


def test_the_pages_of_help_do_not_change_each_other() -> None:
    short = invoke("train", "--help", COLUMNS="80")[1]
    whole = invoke("train", "--help-all", COLUMNS="80")[1]

    assert invoke("train", "--help", COLUMNS="80")[1] == short
    assert invoke("train", "--help-all", COLUMNS="80")[1] == whole
    assert invoke("train", "-h", COLUMNS="80")[1] == short


@pytest.mark.parametrize("words", [(), ("train",), ("list",), ("list", "tasks")])
def test_help_explains_itself_in_the_words_of_the_page(words: Sequence[str]) -> None:
    out = " ".join(invoke(*words, "--help", COLUMNS="120")[1].split())

    assert "--help -h show this page and stop" in out
    assert "<bool>" not in out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['run.py', 'train', '--help-all']\n"
        "from saticl.cli import main\n"
        "try:\n    main()\n"
        "finally:\n"
        "    heavy = {'torch', 'timm', 'mlflow', 'rasterio', 'albumentations', 'accelerate', 'matplotlib', 'cv2'}\n"
        "    print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert "The training loop" in result.stdout
    assert result.stdout.endswith("loaded: []\n")


def complete(*words: str) -> list[str]:
    """What the shell is offered behind these words."""
    code = "import sys; sys.argv = ['saticl']; from saticl.cli import main; main()"
    environment = {
        **os.environ,
        "_SATICL_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("saticl", *words)),
        "COMP_CWORD": str(len(words)),
    }
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    return result.stdout.split()


def test_the_shell_completes_options_and_choices() -> None:
    assert complete("train", "--task.st") == ["--task.step", "--task.step-checkpoint"]
    assert complete("train", "--model.norm", "iab") == ["iabn", "iabn_sync"]
    assert complete("train", "--plop.fea") == ["--plop.features-factor"]


RANDOM = "bcdefghijklmnopqrstuvw"


def test_the_shell_completes_names_of_methods_datasets_and_tasks(tiny_tiles: Path) -> None:
    assert complete("train", "--method", "l") == ["lwf", "lwf-mc", "lgkd"]
    assert complete("prepare", "--dataset", "") == [adapter.name for adapter in BUILT_IN]
    assert complete("prepare", "--dataset", "gid") == ["gid15", "gid5"]
    assert complete("list", "tasks", "--dataset", "v") == ["vaihingen", "voc"]
    assert complete("list", "tasks", "--dataset", "voc", "15-5") == ["15-5", "15-5s", *(f"15-5s_{c}" for c in RANDOM)]
    assert complete("train", "--task.name", "22") == ["222a"]
    assert complete("train", "--dataset", "ade20k", "--task.name", "50") == ["50", "50-50", "50-20", "50b", "50c"]
    assert complete("train", "--data-root", "/nowhere", "--task.name", "6") == ["6s", "6-2"]
    assert complete("train", "--data-root", str(tiny_tiles), "--task.name", "3") == ["321", "3-1s"]


def test_the_shell_completes_the_tasks_of_a_prepared_folder(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps(fields()), encoding="utf-8")

    assert complete("train", "--data-root", str(tmp_path), "--task.name", "") == ["offline", "1-1"]


def test_completing_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['saticl']\n"
        "from saticl.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print('loaded:', sorted({'torch', 'timm', 'mlflow', 'rasterio'} & set(sys.modules)))"
    )
    line = ["saticl", "train", "--method", "m"]
    environment = {**os.environ, "_SATICL_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(line), "COMP_CWORD": "3"}
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )

    assert result.stdout.split("\n")[:2] == ["mib", "micro"]
    assert result.stdout.endswith("loaded: []\n")


@pytest.mark.parametrize(("program", "offered"), [("/usr/bin/saticl", True), ("run.py", False)])
def test_completion_is_installed_for_the_command_that_people_type(program: str, offered: bool) -> None:
    code = f"import sys; sys.argv = [{program!r}, '--help']; from saticl.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert ("--install-completion" in result.stdout) == offered


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_without_the_command_completion_is_refused_with_what_to_do(option: str) -> None:
    result = launch(option)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"Error: {option} works for the command saticl only: install it with `pip install .` and type "
        f"`saticl {option}`.\n"
    )


def test_lists_are_tables_and_json() -> None:
    _, table, _ = invoke("list", "methods")
    _, printed, _ = invoke("list", "methods", "--json")

    assert [record["method"] for record in json.loads(printed)] == [spec.name for spec in METHODS]
    assert all(spec.name in table for spec in METHODS)


def test_tasks_are_listed_with_the_classes_of_every_step() -> None:
    records = json.loads(invoke("list", "tasks", "--dataset=vaihingen", "--json")[1])
    by_name = {record["task"]: record for record in records}

    assert list(by_name) == ["offline", "222a", "321", "6s", "4-1", "3-1s", "2-1s", "1s"]
    assert by_name["321"]["classes"] == [
        ["building", "tree", "clutter"],
        ["impervious_surfaces", "low_vegetation"],
        ["car"],
    ]
    assert by_name["321"]["steps"] == 3
    assert (by_name["321"]["background"], by_name["4-1"]["background"]) == (None, "clutter")


def fields() -> dict[str, object]:
    """The description of a prepared folder with a task of its own."""
    return {
        "version": "0",
        "dataset": "fields",
        "classes": [{"name": name, "colour": [0, 0, 0]} for name in ("wheat", "maize")],
        "protocols": {"1-1": {"steps": [["maize"], ["wheat"]]}},
        "bands": ["red"],
        "dtype": "uint8",
        "statistics": {"mean": [0], "std": [1]},
        "tile_size": 64,
        "overlap": 0,
        "options": {},
        "scenes": [],
    }


def test_tasks_of_a_prepared_folder_include_its_own_and_offline(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(json.dumps(fields()), encoding="utf-8")

    records = json.loads(invoke("list", "tasks", "--data_root", str(tmp_path), "--json")[1])

    assert [(record["task"], record["classes"]) for record in records] == [
        ("offline", [["wheat", "maize"]]),
        ("1-1", [["maize"], ["wheat"]]),
    ]
    assert {record["dataset"] for record in records} == {"fields"}


def test_datasets_are_listed_with_their_tasks() -> None:
    records = {record["dataset"]: record for record in json.loads(invoke("list", "datasets", "--json")[1])}

    assert {"potsdam", "vaihingen", "folder"} <= set(records)
    assert "6s" in records["potsdam"]["tasks"]
    assert records["folder"]["tasks"] == []
    assert "impervious" in invoke("list", "datasets")[1]


def test_methods_and_datasets_are_found_by_a_pattern() -> None:
    def listed(*words: str) -> list[str]:
        return [next(iter(record.values())) for record in json.loads(invoke("list", *words, "--json")[1])]

    assert listed("methods", "LWF") == ["lwf"]
    assert listed("methods", "lwf*") == ["lwf", "lwf-mc"]
    assert listed("methods", "reconstruction") == ["hciss", "micro"]
    assert listed("datasets", "vaih") == ["vaihingen"]
    assert invoke("list", "methods", "mibb")[0] == 2
    assert invoke("list", "methods", "mibb")[2].startswith("Error: There is no method 'mibb'. Did you mean 'mib'")


def test_a_task_is_shown_without_marks_where_nobody_sees_colours() -> None:
    code, text, _ = invoke("list", "tasks", "--dataset", "potsdam", "6s")

    assert code == 0
    assert "impervious_surfaces" in text
    assert "▌" not in text


def test_encoders_are_listed_by_pattern() -> None:
    code, printed, _ = invoke("list", "encoders", "tresnet_*", "--json")
    records = {record["encoder"]: record["pretrained"] for record in json.loads(printed)}

    assert code == 0
    assert records["tresnet_m"] is True
    assert all(name.startswith("tresnet_") for name in records)
    assert {record["encoder"] for record in json.loads(invoke("list", "encoders", "resnet34", "--json")[1])} >= {
        "resnet34"
    }
    assert invoke("list", "encoders", "no-such-thing")[::2] == (
        2,
        "Error: timm has no encoder that matches 'no-such-thing': try a shorter part of its name.\n",
    )
