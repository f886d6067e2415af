"""Measure the house: lines by room, circles, loose files, frames to the gradient, untyped places.

    python bench/house.py                      # this checkout
    python bench/house.py --tests              # also the seconds of the quick tests
    python bench/house.py --before a916872     # write bench/results/house.json: that commit beside this checkout
    python bench/house.py --budgets            # what `./check` asks: is a room over its budget of lines?

Lines are lines of Python files, blank ones and docstrings included. A circle is a set of files that import each other
in a loop; imports inside functions and for the type checker count too. Frames are the Python frames of the library
between the command line's `main` and the optimizer's step, both included, in a run of `reverie train dreamer_v1`.
"""

import argparse
import ast
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "bench" / "results" / "house.json"
LONGEST = 400
"""Lines of the longest file that is allowed."""
LOOSE = 8
"""Files at the package's root, at most."""
BUDGET: dict[str, int] = {
    "(root)": 730,
    "agents": 617,
    "cli": 1388,
    "config": 1145,
    "data": 3225,
    "dynamics": 760,
    "envs": 2150,
    "evaluation": 3424,
    "learners": 709,
    "math": 616,
    "models": 700,
    "nn": 1230,
    "planning": 875,
    "play": 1610,
    "recipes": 1619,
    "runs": 6044,
    "signals": 1010,
    "testing": 1555,
}
"""Lines that a room may have. A commit that raises one says why."""
FRAMES_PROGRAM = """
import json, os, sys, traceback
from pathlib import Path
import torch
package = Path(sys.argv[1]).resolve() / "reverie"
seen = []
step = torch.optim.AdamW.step
def recorded(self, *arguments, **named):
    frames = [frame for frame in traceback.extract_stack() if Path(frame.filename).resolve().is_relative_to(package)]
    seen.append([f"{Path(frame.filename).resolve().relative_to(package)}:{frame.name}" for frame in frames])
    if len(seen) == 2:
        print("FRAMES", json.dumps({"model": seen[0], "actor": seen[1]}), flush=True)
        os._exit(0)
    return step(self, *arguments, **named)
torch.optim.AdamW.step = recorded
try:
    from reverie.cli.main import main
except ImportError:
    from reverie.cli import main
main(["train", "dreamer_v1", "--size", "tiny", "--threads", "1", "--device", "cpu", "--run", sys.argv[2]])
"""


def python_files(tree: Path, package: str = "reverie") -> list[Path]:
    """The Python files of a package in a checkout, sorted."""
    return sorted((tree / package).rglob("*.py"))


def room_of(path: Path) -> str:
    """The folder under the package that holds a file, or `(root)`. `path` is relative to the package."""
    return path.parts[0] if len(path.parts) > 1 else "(root)"


def count_lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def lines_by_room(tree: Path) -> dict[str, int]:
    """Lines of each room of the importable package."""
    rooms: dict[str, int] = {}
    for path in python_files(tree):
        room = room_of(path.relative_to(tree / "reverie"))
        rooms[room] = rooms.get(room, 0) + count_lines(path)
    return dict(sorted(rooms.items()))


def module_name(tree: Path, path: Path) -> str:
    """`reverie.nn.conv` for its file; a package's `__init__` has the package's name."""
    parts = path.relative_to(tree).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: Path) -> dict[str, set[str]]:
    """For each module of the package, the modules of the package that it imports anywhere in its text."""
    modules = {module_name(tree, path): path for path in python_files(tree)}
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        found[name] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module in modules:
                for alias in node.names:
                    target = f"{node.module}.{alias.name}"
                    found[name].add(target if target in modules else node.module)
            elif isinstance(node, ast.Import):
                found[name] |= {alias.name for alias in node.names if alias.name in modules}
        found[name].discard(name)
    return found


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """Sets of modules that reach each other (Tarjan 1972, strongly connected components), without single modules."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    result: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for target in sorted(arrows[node]):
            if target not in order:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], order[target])
        if low[node] == order[node]:
            index = stack.index(node)
            component, stack[index:] = stack[index:], []
            if len(component) > 1:
                result.append(sorted(component))

    for node in sorted(arrows):
        if node not in order:
            visit(node)
    return result


def occurrences(tree: Path, word: str) -> int:
    """How often a word stands in the package's code, comments and docstrings left out."""
    return sum(isinstance(node, ast.Name) and node.id == word for path in python_files(tree) for node in nodes(path))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def frames(tree: Path) -> dict[str, list[str]]:
    """The library's frames from the command line to the model's and to the actor's gradient step."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", FRAMES_PROGRAM, str(tree), str(Path(folder) / "run")],
            cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, capture_output=True, text=True,
        )  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("FRAMES "):
            return json.loads(line.removeprefix("FRAMES "))
    raise SystemExit(f"The run that measures frames has failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def quick_test_seconds(tree: Path) -> float | None:
    """Wall seconds of `pytest -m "not slow"` on two processes; None where the tree has no such marker."""
    if "slow" not in (tree / "pyproject.toml").read_text():
        return None
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-m", "not slow", "-n", "2", "-p", "no:cacheprovider"]
    subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL)
    return round(time.monotonic() - started, 1)


def measure(tree: Path, tests: bool = False) -> dict[str, Any]:
    """Every figure of one checkout."""
    lengths = {str(path.relative_to(tree)): count_lines(path) for path in python_files(tree)}
    longest = max(lengths, key=lengths.__getitem__)
    steps = frames(tree)
    figures = {
        "lines": sum(lengths.values()),
        "files": len(lengths),
        "median_lines": statistics.median(lengths.values()),
        "longest": {"file": longest, "lines": lengths[longest]},
        "lines_by_room": lines_by_room(tree),
        "loose_files": len(list((tree / "reverie").glob("*.py"))),
        "circles": circles(imports(tree)),
        "frames_to_model_gradient": len(steps["model"]),
        "frames_to_actor_gradient": len(steps["actor"]),
        "frames": steps,
        "Any": occurrences(tree, "Any"),
        "cast": occurrences(tree, "cast"),
        "isinstance": occurrences(tree, "isinstance"),
    }
    return figures | ({"quick_test_seconds": quick_test_seconds(tree)} if tests else {})


def over_budget(tree: Path) -> list[str]:
    """Sentences about rooms over their budget, rooms without one, and files that are too long."""
    complaints = []
    for room, lines in lines_by_room(tree).items():
        if room not in BUDGET:
            complaints.append(f"reverie/{room} has no budget of lines: give it one in bench/house.py.")
        elif lines > BUDGET[room]:
            complaints.append(f"reverie/{room} has {lines} lines and a budget of {BUDGET[room]}: delete, or say why.")
    for path in python_files(tree):
        if (lines := count_lines(path)) > LONGEST:
            complaints.append(f"{path.relative_to(tree)} has {lines} lines, more than {LONGEST}: split it.")
    return complaints


def table(results: dict[str, dict[str, Any]]) -> str:
    """The figures of each checkout beside each other."""
    names = list(results)
    rows = [("", *names)]
    for key in next(iter(results.values())):
        values = [results[name].get(key) for name in names]
        if key == "frames":
            continue
        if key == "lines_by_room":
            rooms = sorted({room for value in values for room in value or {}})
            rows += [(f"  {room}", *(str((value or {}).get(room, "")) for value in values)) for room in rooms]
            continue
        shown = [
            len(value) if key == "circles" else " ".join(map(str, value.values())) if isinstance(value, dict) else value
            for value in values
        ]
        rows.append((key.replace("_", " "), *map(str, shown)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", metavar="COMMIT", help="measure this commit too, and write the result")
    parser.add_argument("--tests", action="store_true", help="time the quick tests, on an idle machine")
    parser.add_argument("--budgets", action="store_true", help="only check lines against the budgets")
    arguments = parser.parse_args()
    if arguments.budgets:
        complaints = over_budget(ROOT)
        print("\n".join(complaints), file=sys.stderr) if complaints else None
        return 1 if complaints else 0
    results = {}
    if arguments.before:
        if not re.fullmatch(r"[\w./-]+", arguments.before):
            parser.error(f"{arguments.before!r} does not name a commit")
        with tempfile.TemporaryDirectory() as folder:
            archive = subprocess.run(["git", "archive", arguments.before], cwd=ROOT, capture_output=True, check=True)
            subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
            results[f"before ({arguments.before})"] = measure(Path(folder), arguments.tests)
    results["now"] = measure(ROOT, arguments.tests)
    print(table(results))
    if arguments.before:
        command = "python bench/house.py " + " ".join(sys.argv[1:])
        RESULT.write_text(json.dumps({"command": command, "results": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
