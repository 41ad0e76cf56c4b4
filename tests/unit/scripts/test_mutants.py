"""The mutation run: what it mutates, and which mutants it does not count."""

import json
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "scripts")
        import mutants
    module: ModuleType = mutants
    return module


DECORATED = '''
from contextlib import contextmanager
from functools import cached_property


class Box:
    side = 3

    @property
    def area(self) -> int:
        """Square."""
        return self.side**2

    @cached_property
    def half(self) -> float:
        return self.area / 2

    @staticmethod
    def name() -> str:
        return "box"


@contextmanager
def opened(
    number: int, *, twice: bool = False
):
    yield number * (1 + twice)
'''


def test_a_decorated_function_gets_a_body_of_its_own_and_behaves_as_before(mutants: ModuleType) -> None:
    source = mutants.undecorated(DECORATED)
    module: dict[str, type] = {}
    exec(source, module)

    box = module["Box"]()
    with module["opened"](2, twice=True) as number:
        assert (box.area, box.half, box.name(), number) == (9, 4.5, "box", 4)
    assert all(f"def {name}__body(" in source for name in ("area", "half", "opened"))
    assert "name__body" not in source


def test_every_module_can_be_opened(mutants: ModuleType) -> None:
    for path in (REPOSITORY / "saticl").rglob("*.py"):
        compile(mutants.undecorated(path.read_text(encoding="utf-8")), path.name, "exec")


@pytest.mark.parametrize(
    ("before", "after", "unseen"),
    [
        ("zip(a, b, strict=True)", "zip(a, b, strict=False)", True),
        ("zip(a, b, strict=True)", "zip(a, b, )", True),
        ("torch.zeros(2, device=z.device)", "torch.zeros(2, device=None)", True),
        ("zip(a, b, strict=True)", "zip(a, strict=True)", False),
        ("torch.zeros(2, device=z.device)", "torch.zeros(3, device=z.device)", False),
    ],
)
def test_a_mutant_that_no_test_on_a_cpu_can_see_is_not_counted(
    mutants: ModuleType, before: str, after: str, unseen: bool
) -> None:
    assert mutants.is_unseen(f"- {before}\n+ {after}") is unseen


def test_a_change_is_its_lines_without_margins(mutants: ModuleType) -> None:
    diff = "--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 2\n"

    assert mutants.changed_lines(diff) == "- return 1\n+ return 2"


def test_rooms_and_single_modules_can_be_chosen(mutants: ModuleType) -> None:
    assert mutants.chosen(["tasks"]) == {"tasks": ["saticl/tasks.py"]}
    assert mutants.chosen(["saticl/tiles/index.py"]) == {"tiles": ["saticl/tiles/index.py"]}
    assert set(mutants.chosen([])) == set(mutants.ROOMS)
    with pytest.raises(SystemExit, match="There is no room or module 'lossses'"):
        mutants.chosen(["lossses"])


def test_every_room_has_its_code_and_its_tests(mutants: ModuleType) -> None:
    assert all((REPOSITORY / place).exists() for room in mutants.ROOMS.values() for place in room)


def test_equivalent_mutants_are_of_code_that_is_there_and_say_why() -> None:
    for module, entries in json.loads((REPOSITORY / "tests" / "equivalent_mutants.json").read_text()).items():
        code = (REPOSITORY / module).read_text(encoding="utf-8")
        for entry in entries:
            removed = [line[2:] for line in entry["change"].splitlines() if line.startswith("- ")]
            assert all(line in code for line in removed), f"{module}: {entry['change']}"
            assert entry["why"]


def test_mutants_are_drawn_by_lot_whatever_the_checkout_is_called(
    mutants: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Needs mutmut, which is installed for the mutation run only."""
    pytest.importorskip("mutmut")
    monkeypatch.setattr(mutants, "WORK", tmp_path / "work")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    folder = mutants.copy_repository("tasks")

    every = mutants.drawn(folder, "saticl/tasks.py", 0, seed=0)
    some = mutants.drawn(folder, "saticl/tasks.py", 5, seed=0)

    assert len(some) == 5
    assert set(some) < set(every)
    assert some == mutants.drawn(folder, "saticl/tasks.py", 5, seed=0)
    assert Path.cwd() == tmp_path / "elsewhere"
