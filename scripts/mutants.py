"""Would the tests notice? Change the package in small ways, one at a time, and run the tests of the changed function.

    scripts/test.sh --mutants                                 the rooms below, 20 mutants of each module
    scripts/test.sh --mutants losses saticl/tiles/index.py    rooms, or single modules of them
    scripts/test.sh --mutants --sample 0 tasks                all mutants; --sample N --seed S: N per module, by lot

mutmut makes the mutants and knows which test calls which function (docs/decisions/0016). It works on a copy of the
repository in build/mutants, so that nothing else sees them. A table is printed; build/mutants/report.json holds the
diffs of the survivors. Mutants that change nothing anyone could see are listed, with the reason, in
tests/equivalent_mutants.json, and are not counted.
"""

import argparse
import ast
import contextlib
import json
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
WORK = REPOSITORY / "build" / "mutants"
EQUIVALENT = REPOSITORY / "tests" / "equivalent_mutants.json"

ROOMS = {
    "losses": ("saticl/losses", "tests/unit/losses"),
    "metrics": ("saticl/metrics", "tests/unit/metrics"),
    "tasks": ("saticl/tasks.py", "tests/unit/test_tasks.py"),
    "tiles": ("saticl/tiles", "tests/unit/tiles"),
    "methods": ("saticl/methods", "tests/unit/methods", "tests/contract/test_methods.py"),
    "engine": ("saticl/engine", "tests/unit/engine"),
    "inference": ("saticl/inference", "tests/unit/inference"),
    "export": ("saticl/export", "tests/unit/export"),
}
"""Room: where its modules are, then the tests that belong to it."""

OPENED = {"full_precision", "property", "cached_property", "contextmanager", "torch.no_grad()"}
"""Decorators whose functions are mutated too; those of class methods need no help."""

UNSEEN = re.compile(r",? *(strict|device|encoding|non_blocking)=(\"[\w-]+\"|[\w.]+)|, *(?=\))")
"""Arguments of which no test on a CPU can see whether they are there, where text is UTF-8 anyway."""

SETTINGS = """
[tool.mutmut]
source_paths = ["saticl"]
only_mutate = {modules}
pytest_add_cli_args_test_selection = {tests}
also_copy = ["run.py", "configs", "docs", "scripts", "README.md"]
timeout_multiplier = 4.0
timeout_constant = 5.0
track_dependencies = false
use_git_change_detection = false
use_setproctitle = false
"""
"""What mutmut reads, at the end of the copy's pyproject.toml."""


@dataclass
class Count:
    """What became of the mutants of one module."""

    killed: int = 0
    survived: int = 0
    untested: int = 0
    timed_out: int = 0
    """Ended by mutmut: an endless loop, or nothing but a loaded machine. Not counted as killed."""
    equivalent: int = 0
    survivors: dict[str, str] = field(default_factory=dict)
    """Name of a mutant that no test noticed: its diff."""

    def add(self, other: "Count") -> None:
        """Take over the counts of another."""
        self.killed += other.killed
        self.survived += other.survived
        self.untested += other.untested
        self.timed_out += other.timed_out
        self.equivalent += other.equivalent

    @property
    def total(self) -> int:
        """All but the equivalent ones."""
        return self.killed + self.survived + self.untested + self.timed_out

    def row(self, name: str) -> str:
        """A line of the table; a mutant of a function that no test calls is a survivor too."""
        share = f"{100 * self.killed / self.total:5.1f} %" if self.total else "      -"
        rest = f"{self.untested:4} untested  {self.timed_out:4} timed out  {self.equivalent:4} equivalent"
        return f"{name:34} {self.killed:5} / {self.total:<5} {share}  {rest}"


def modules_of(room: str) -> list[str]:
    """The modules of a room that hold code, relative to the repository."""
    place = REPOSITORY / ROOMS[room][0]
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    return [str(file.relative_to(REPOSITORY)) for file in files]


def chosen(words: list[str]) -> dict[str, list[str]]:
    """Rooms and modules that were asked for, as modules by room."""
    wanted: dict[str, list[str]] = {}
    for word in words or list(ROOMS):
        rooms = [room for room in ROOMS if word == room or word in modules_of(room)]
        if not rooms:
            sys.exit(f"There is no room or module {word!r}: choose {', '.join(ROOMS)}, or a file in one of them.")
        wanted.setdefault(rooms[0], []).extend(modules_of(word) if word in ROOMS else [word])
    return wanted


def drawn(folder: Path, module: str, sample: int, seed: int) -> list[str]:
    """Names of a module's mutants, at most `sample` of them; 0: all."""
    from mutmut.mutation.file_mutation import mutate_file_contents  # installed for this run only
    from mutmut.utils.format_utils import get_mutant_name

    with contextlib.chdir(
        folder
    ):  # mutmut wants its settings, and those of a checkout of another name it cannot guess
        mutated = mutate_file_contents(module, Path(module).read_text(encoding="utf-8"))
    names = [get_mutant_name(Path(module), name) for name in mutated.mutant_names]
    if 0 < sample < len(names):
        names = random.Random(f"{seed} {module}").sample(names, sample)
    return names


def undecorated(source: str) -> str:
    """The same module for mutmut, which leaves functions with a decorator alone: their bodies get a name of their own.

    `@d def f(..)` becomes `def f__body(..)` and `@d def f(*args, **kwargs)` that calls it.
    """
    lines = source.splitlines()
    for scope in [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Module, ast.ClassDef))]:
        for node in scope.body:
            if not isinstance(node, ast.FunctionDef) or not node.decorator_list or node.end_lineno is None:
                continue
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            if not set(decorators) <= OPENED:
                continue
            margin, first = " " * node.col_offset, node.decorator_list[0].lineno - 1
            call = f"{node.name}__body(*args, **kwargs)"
            if isinstance(scope, ast.ClassDef):
                call = f"args[0].{node.name}__body(*args[1:], **kwargs)"
            for index in range(first, node.lineno - 1):
                lines[index] = ""
            lines[node.lineno - 1] = lines[node.lineno - 1].replace(f"def {node.name}(", f"def {node.name}__body(")
            wrapper = [*(f"@{decorator}" for decorator in decorators), f"def {node.name}(*args, **kwargs):"]
            lines[node.end_lineno - 1] += "".join(f"\n{margin}{line}" for line in [*wrapper, f"    return {call}"])
    return "\n".join(lines) + "\n"


def copy_repository(room: str) -> Path:
    """The repository as it is, with settings of mutmut, in a folder of its own."""
    target = WORK / room
    shutil.rmtree(target, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name)
    settings = SETTINGS.format(modules=json.dumps(modules_of(room)), tests=json.dumps(ROOMS[room][1:]))
    with (target / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(settings)
    for module in modules_of(room):
        (target / module).write_text(undecorated((target / module).read_text(encoding="utf-8")), encoding="utf-8")
    return target


def mutmut(folder: Path, *words: str) -> str:
    """What mutmut says."""
    result = subprocess.run(
        [sys.executable, "-m", "mutmut", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        sys.exit(f"mutmut {words[0]} failed in {folder}:\n{result.stdout[-5000:]}\n{result.stderr[-5000:]}")
    return result.stdout


def changed_lines(diff: str) -> str:
    """The lines a mutant takes away and those it puts there, without their indentation."""
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    return "\n".join(line[0] + " " + line[1:].strip() for line in lines)


def is_unseen(change: str) -> bool:
    """Whether only a device, an encoding or the `strict` of a zip changed: no test can tell on one usual machine."""
    before, after = ({UNSEEN.sub("", line[2:]) for line in change.splitlines() if line[0] == sign} for sign in "-+")
    return before == after


def count(folder: Path, module: str, names: list[str]) -> Count:
    """What became of these mutants of a module."""
    from mutmut.stats import status_by_exit_code  # installed for this run only

    known = {entry["change"] for entry in json.loads(EQUIVALENT.read_text(encoding="utf-8")).get(module, [])}
    codes = json.loads((folder / "mutants" / f"{module}.meta").read_text(encoding="utf-8"))["exit_code_by_key"]
    result = Count()
    for name in names:
        status = status_by_exit_code[codes[name]]
        if status not in {"survived", "no tests", "timeout"}:
            result.killed += 1  # a test failed, or the mutant crashed
            continue
        diff = mutmut(folder, "show", name)
        change = changed_lines(diff)
        if change in known or is_unseen(change):
            result.equivalent += 1
            continue
        result.survived += status == "survived"
        result.untested += status == "no tests"
        result.timed_out += status == "timeout"
        result.survivors[name] = diff
    return result


def main() -> int:
    """Run the mutants that were asked for; 1 where a room has fewer killed than `--least` per cent."""
    parser = argparse.ArgumentParser(description="Mutation run of the tests.")
    parser.add_argument("names", nargs="*", metavar="ROOM_OR_MODULE", help="default: all rooms")
    parser.add_argument("--sample", type=int, default=20, help="mutants per module; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--least", type=float, default=0, help="per cent of a room that must be killed")
    options = parser.parse_args()
    report: dict[str, object] = {"sample": options.sample, "seed": options.seed}
    enough = True
    for room, modules in chosen(options.names).items():
        folder = copy_repository(room)
        picked = {module: drawn(folder, module, options.sample, options.seed) for module in modules}
        names = [name for some in picked.values() for name in some]
        mutmut(folder, "run", "--max-children", str(options.jobs), *names)
        total = Count()
        for module, some in picked.items():
            if some:
                one = count(folder, module, some)
                total.add(one)
                print(one.row(module), flush=True)
                for name, diff in one.survivors.items():
                    print(f"    {name}", *changed_lines(diff).splitlines(), sep="\n    ", flush=True)
                report[module] = vars(one)
        print(total.row(room.upper()), flush=True)
        enough &= 100 * total.killed >= options.least * total.total
    (WORK / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
