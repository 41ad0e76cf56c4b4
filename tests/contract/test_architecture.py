"""The house keeps its shape: layers, homes of third parties, light modules, docstrings, live options, short files."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from saticl import config
from saticl.methods import METHODS

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "saticl"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE = 260

LAYERS = (
    {"", "labels", "types", "errors", "options", "files", "views", "allocator", "sentences"},
    {"losses", "metrics", "transforms", "geo"},
    {"models", "tasks"},
    {"protocol_files"},
    {"protocols"},
    {"tiles", "datasets"},
    {"runs"},
    {"city", "display"},
    {"methods", "cutting", "tracking", "report"},
    {"engine"},
    {"inference"},
    {"export"},
    {"config"},
    {"flags", "commands"},
    {"cli_list"},
    {"cli"},
)
"""Imports go downwards only, or stay in their package; `""` is saticl/__init__.py. Words may use each other."""

HOMES = {
    "rasterio": {"geo", "datasets", "city"},
    "pyogrio": {"geo"},
    "shapely": {"geo"},
    "timm": {"models"},
    "inplace_abn": {"models"},
    "accelerate": {"engine", "inference", "tracking", "commands"},
    "albumentations": {"transforms"},
    "torchvision": {"transforms"},
    "cv2": {"transforms", "tiles", "city"},
    "mlflow": {"tracking"},
    "distributed": {"commands"},
    "matplotlib": {"display", "report"},
    "onnx": {"export"},
    "onnxruntime": {"export"},
    "typer": {"cli", "cli_list", "flags"},
}
"""Where a library may be imported, lazily or not."""

TORCH_FREE = {
    *(
        "",
        "labels",
        "errors",
        "options",
        "files",
        "views",
        "allocator",
        "sentences",
        "geo",
        "city",
        "tasks",
        "protocols",
        "datasets",
    ),
    *("cutting", "runs", "config", "flags", "cli", "cli_list"),
}
"""Parts that answer `--help` and `list`, or cut rasters."""

HEAVY = (
    "torch",
    "timm",
    "accelerate",
    "mlflow",
    "albumentations",
    "matplotlib",
    "rasterio",
    "pyogrio",
    "shapely",
    "onnx",
)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def part(path: Path) -> str:
    """The first word below saticl: `tiles` for saticl/tiles/index.py, `tasks` for saticl/tasks.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0].replace("__init__", "")


def imports(path: Path) -> Iterator[str]:
    """Dotted names of everything a module imports, anywhere in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where one is"
            module = str(node.module)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def level(name: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if name in names)


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.fixture(params=MODULES, ids=name_of)
def module(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_imports_go_downwards(module: Path) -> None:
    own = part(module)
    allowed = set().union(*LAYERS[: level(own)], {own}, LAYERS[0] if own in LAYERS[0] else set())

    used = {name.split(".")[1] for name in imports(module) if name.startswith("saticl.")}
    known = {name for names in LAYERS for name in names}

    assert {name if name in known else "" for name in used} <= allowed


def test_third_parties_stay_at_home(module: Path) -> None:
    for name in imports(module):
        library = name.split(".")[0]
        assert part(module) in HOMES.get(library, {part(module)}), f"{library} belongs to {HOMES[library]}"


def test_light_parts_do_not_name_torch(module: Path) -> None:
    if part(module) in TORCH_FREE:
        assert not any(name.split(".")[0] in ("torch", "torchvision") for name in imports(module))


def test_pure_mathematics_knows_no_options(module: Path) -> None:
    if part(module) in LAYERS[1]:
        used = {name.split(".")[0] for name in imports(module)} | {name.rpartition(".")[0] for name in imports(module)}
        assert not used & {"pydantic", "logging", "random", "saticl.options"}


def test_cutting_shows_nothing(module: Path) -> None:
    if part(module) == "cutting":
        assert not any(name.startswith(("saticl.display", "rich", "logging")) for name in imports(module))


def loaded_after(statement: str) -> set[str]:
    """Heavy libraries in memory after a statement, in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*(set(sys.modules) & {set(HEAVY)!r}))"
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_help_loads_nothing_heavy() -> None:
    assert loaded_after("import saticl.config, saticl.tasks, saticl.methods, saticl.cli") == set()


def test_the_tables_and_the_index_load_no_torch() -> None:
    statement = "import saticl.datasets, saticl.tiles.manifest, saticl.tiles.index, saticl.tiles.selection"

    assert "torch" not in loaded_after(statement)


def public_definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Functions and classes of a module and methods of its classes, private ones and magic methods left out."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            members = (member for member in node.body if isinstance(member, ast.FunctionDef))
            yield from (member for member in members if not member.name.startswith("_"))


def test_everything_public_says_what_it_does(module: Path) -> None:
    inherited = {"forward"}  # torch's name for calling a module: its class says what comes in and out
    lacking = [node.name for node in public_definitions(parsed(module)) if ast.get_docstring(node) is None]

    assert ast.get_docstring(parsed(module)), "the module has no docstring"
    assert set(lacking) <= inherited


def test_files_stay_short(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE, "two ideas are two files"


def test_methods_neither_optimise_nor_touch_files(module: Path) -> None:
    if part(module) != "methods":
        return
    calls = [node.func for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)]

    assert not {call.attr for call in calls if isinstance(call, ast.Attribute)} & {"backward", "step", "cuda"}
    assert "open" not in {call.id for call in calls if isinstance(call, ast.Name)}


def leaves(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted names of all options of a tree."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{above}{name}.")
        else:
            yield above + name


@cache
def words_read() -> frozenset[str]:
    """Every attribute and every string that the package's code uses, outside the option classes themselves."""
    readers = [path for path in MODULES if part(path) not in ("options", "config")]
    nodes = [node for path in readers for node in ast.walk(parsed(path))]
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return frozenset(
        attributes | {node.value for node in nodes if isinstance(node, ast.Constant) and type(node.value) is str}
    )


@pytest.mark.parametrize(
    "tree",
    [
        config.PrepareConfig,
        config.TrainConfig,
        config.TestConfig,
        config.CompareConfig,
        config.ImportConfig,
        config.ExportConfig,
        config.DemoConfig,
    ],
)
def test_no_option_is_dead(tree: type[BaseModel]) -> None:
    dead = [name for name in leaves(tree) if name.rpartition(".")[2] not in words_read()]

    assert dead == []


def test_methods_change_and_read_options_that_exist() -> None:
    options = set(leaves(config.TrainConfig))
    sections = {name.partition(".")[0] for name in options if "." in name}

    for spec in METHODS:
        assert set(spec.defaults) <= options, spec.name
        assert spec.reads <= options | sections, spec.name


def test_every_method_is_in_the_table_of_papers() -> None:
    table = (REPOSITORY / "docs" / "papers.md").read_text(encoding="utf-8")

    for spec in METHODS:
        assert f"| `{spec.name}` |" in table


def test_decision_records_are_numbered_without_gaps() -> None:
    records = sorted(path.name for path in (REPOSITORY / "docs" / "decisions").glob("*.md"))

    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))


def test_the_unit_tests_are_where_the_code_is() -> None:
    rooms = {path.name for path in (REPOSITORY / "tests" / "unit").iterdir() if path.is_dir()} - {"__pycache__"}
    known = {path.name for path in PACKAGE.iterdir() if path.is_dir()} | {"scripts"}

    assert rooms <= known
