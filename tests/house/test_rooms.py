"""The structure of the library, read from its imports: arrows point down, no circle, few loose files, budgets kept."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import scripts

import reverie
from reverie.config.choices import PARTS

ROOT = Path(__file__).parents[2]
ORDER = (
    ("cli",),
    ("recipes", "play"),
    ("runs",),
    ("testing",),
    ("evaluation", "learners"),
    ("agents",),
    ("planning",),
    ("models",),
    ("signals",),
    ("dynamics",),
    ("nn", "data"),
    ("envs",),
    ("config",),
    ("math", "(root)"),
)
"""Rooms from the top down: each may import itself and what stands below it, and rooms of one line do not meet."""


@pytest.fixture(scope="module")
def house():
    return scripts.load(ROOT / "bench" / "house.py")


@pytest.fixture(scope="module")
def imports(house):
    return house.imports(ROOT)


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / "reverie" / parts[1]).is_dir() else "(root)"


def rank(name: str) -> int:
    return next(number for number, rooms in enumerate(ORDER) if name in rooms)


def test_every_room_has_a_place(imports):
    rooms = {room(module) for module in imports}
    assert rooms == {name for rooms in ORDER for name in rooms}


def test_arrows_point_down(imports):
    faces = {"reverie", "reverie.__main__"}  # the public surface names everything, and is imported by nobody
    wrong = [
        f"{source} imports {target}"
        for source, targets in imports.items()
        for target in sorted(targets)
        if source not in faces and room(source) != room(target) and rank(room(source)) >= rank(room(target))
    ]
    assert wrong == []


def test_no_circle(house, imports):
    assert house.circles(imports) == []


def test_circles_are_seen(house):
    assert house.circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]
    assert house.circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_few_loose_files(house):
    assert len(list((ROOT / "reverie").glob("*.py"))) <= house.LOOSE


def test_budgets_are_kept(house):
    assert house.over_budget(ROOT) == []


def test_the_library_imports_neither_worlds_nor_studies():
    outside = ("reverie_worlds", "studies", "bench", "tests", "examples")
    for path in (ROOT / "reverie").rglob("*.py"):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]):
                assert words[1].split(".")[0] not in outside, f"{path}: {line}"


def test_a_room_imports_all_its_parts(imports):
    """Else a file that names a part can be read only where something else has imported it."""
    for module in imports:
        if not module.endswith("__main__"):
            importlib.import_module(module)
    for family, parts in PARTS.items():
        own = {part.__module__ for part in parts if part.__module__.startswith("reverie.")}
        package = family.__module__.rpartition(".")[0]
        assert own <= reached(imports, package), f"reverie/{room(family.__module__)}/__init__.py lacks a part"


def reached(imports: dict[str, set[str]], package: str) -> set[str]:
    """Return the modules that importing `package` imports. A module's package comes with it."""
    found, waiting = set(), [package]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += [*imports.get(module, ()), *filter(None, [module.rpartition(".")[0]])]
    return found


def test_an_agent_is_loaded_by_a_fresh_process(tmp_path):
    folder = reverie.train(reverie.recipe("dreamer_v3", "tiny", "CartPole-v1"), tmp_path / "run", progress=False)
    code = f"import reverie; print(reverie.load({str(folder)!r}).config.env.id)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("CartPole-v1\n", "")
