"""`reverie sweep` and `suite`: many runs in one folder."""

import textwrap
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reverie.cli import names
from reverie.cli.commands import common
from reverie.cli.parsing import Argument, Settings, Texts, command
from reverie.errors import UserError
from reverie.runs.sweeps import state, suites

if TYPE_CHECKING:
    from reverie.runs.sweeps.plan import Methods


def _seeds(text: str) -> list[int]:
    """Parse a seed, or a range without its end: `0:3` is 0, 1 and 2."""
    first, colon, end = text.partition(":")
    if first.isdecimal() and (end.isdecimal() if colon else not end):
        return list(range(int(first), int(end))) if colon else [int(first)]
    raise ArgumentTypeError(f"a seed is a whole number, and 0:3 is 0, 1 and 2, but `{text}` was given")


_GRID = (
    Argument("--recipes", "methods that `reverie recipes` lists", "NAME", many=True),
    Argument("--seeds", "seeds: 0 1 2, or 0:3 (default: 0)", "N", many=True, type=_seeds),
    Argument("--frames", "frames of every cell (default: the recipe's or the suite's)", "N", type=common.COUNT),
    common.CONFIG[-1],
)
_HOW = (
    Argument("--jobs", "cells at once, at most (default: what cores or GPUs allow)", "N", type=common.COUNT),
    Argument("--per-gpu", "cells that share a GPU (default: 1)", "N", type=common.COUNT, default=1),
    Argument("--on", "ray, or a cluster's address such as ray://HOST:10001 (default: this machine)", "ray"),
    Argument("--print-commands", "make the cells, and print a command for each, for a job array", action="store_true"),
)
_SETTINGS = Settings(
    "Every other option is a setting of all cells, as in `reverie train`: --threads 2, --training.batch 32.\n"
    "The same command goes on after any end, and so does `reverie sweep FOLDER`. More seeds or tasks are added.\n"
    "The exit code is 1 where a cell has failed; the next command tries it again."
)


@command(
    "reverie sweep runs/first --recipes dreamer_v1 planet --tasks Pendulum-v1 CartPole-v1 --seeds 0:3 --frames 20000",
    Argument("FOLDER", "folder of the sweep, new or begun"),
    *_GRID,
    Argument("--tasks", "environments that `reverie envs` lists (default: each recipe's own)", "ID", many=True),
    Argument("--size", "tiny, laptop or paper (default: laptop)", "SIZE"),
    Argument("--status", "only show the state of the cells", action="store_true"),
    *_HOW,
    settings=_SETTINGS,
)
def sweep(arguments: Namespace, settings: Texts) -> int:
    """Train recipes x tasks x seeds as cells of one folder, or go on with them."""
    folder = Path(arguments.folder)
    if arguments.status:
        return _show(state.cells(folder))
    named = [f"--{name}" for name in ("tasks", "seeds", "size", "frames", "device") if getattr(arguments, name)]
    if arguments.recipes:
        return _run(folder, arguments, _grid(arguments, settings), None)
    if named or settings:
        raise UserError(f"{', '.join([*named, *(f'--{path}' for path in settings)])} needs --recipes: name them too.")
    state.read_plan(folder)  # says at once that there is no sweep
    return _run(folder, arguments, None, None)


@command(
    "reverie suite dmc20 runs/dmc --recipes dreamer_v2 --seeds 0:3 --size paper --frames 500000",
    Argument("SUITE", "name of the list of tasks (default: show all)", nargs="?"),
    Argument("FOLDER", "folder of the sweep (default: only show the suite)", nargs="?"),
    *_GRID,
    Argument("--tasks", "some of the suite's tasks (default: all)", "ID", many=True),
    Argument("--size", "tiny, laptop or paper (default: the suite's)", "SIZE"),
    Argument("--reference", "published method whose protocol is taken (default: the suite's first)", "NAME"),
    *_HOW,
    settings=_SETTINGS,
)
def suite(arguments: Namespace, settings: Texts) -> int:
    """Train on a named list of tasks with its published protocol, or show it."""
    if arguments.suite is None:
        width = max(map(len, suites.SUITES))
        print("\n".join(f"{name:<{width}}  {one.description}" for name, one in suites.SUITES.items()))
        return 0
    protocol = suites.find_protocol(arguments.suite, arguments.reference)
    if arguments.folder is None:
        return _describe(arguments.suite)
    return _run(Path(arguments.folder), arguments, _grid(arguments, settings, protocol.settings), arguments.suite)


def _describe(name: str) -> int:
    """Print the protocols, references and tasks of a suite."""
    found = suites.find_suite(name)
    print(f"{found.description}; size {found.size}")
    for reference, protocol in found.protocols.items():
        print(f"\nprotocol {reference}")
        print(textwrap.fill(protocol.source, initial_indent="  ", subsequent_indent="  "))
        print("\n".join(f"  --{path} {text}" for path, text in protocol.settings.items()))
        print(f"  published: {', '.join(protocol.references) or 'nothing'}")
    print("\ntasks\n" + "\n".join(f"  {task}" for task in found.tasks))
    return 0


def _grid(arguments: Namespace, settings: Texts, protocol: Mapping[str, str] | None = None) -> "Methods":
    """Return the configs that the options name. Wrong settings are refused before torch is imported."""
    named = {"training.frames": arguments.frames, "device": arguments.device}
    texts = settings | {path: str(value) for path, value in named.items() if value is not None}
    if not arguments.use:
        for recipe in arguments.recipes:
            names.refuse_wrong(recipe, {**(protocol or {}), **texts})
    from reverie.recipes import grid

    seeds = [seed for part in arguments.seeds for seed in part] or [0]
    recipes, tasks = arguments.recipes, arguments.tasks
    if protocol is None:
        return grid.grid(recipes, tasks, seeds, size=arguments.size or "laptop", settings=texts, prefix="--")
    options = {"tasks": tasks, "size": arguments.size, "reference": arguments.reference, "settings": texts}
    return grid.suite(arguments.suite, recipes, seeds, **options, prefix="--")


def _run(folder: Path, arguments: Namespace, methods: "Methods | None", suite: str | None) -> int:
    """Run the sweep, or print its commands."""
    from reverie.runs.sweeps.sweep import commands, sweep

    if arguments.print_commands:
        print("\n".join(commands(folder, methods, suite)))
        return 0
    how = {"on": arguments.on, "jobs": arguments.jobs, "per_gpu": arguments.per_gpu}
    return _show(sweep(folder, methods, **how, suite=suite, progress=True))


def _show(cells: list[state.Cell]) -> int:
    """Print a line for each cell and one for the whole. Return 1 where a cell has failed."""
    from reverie.runs.sweeps import board

    print("\n".join([*map(board.line, cells), board.summary(cells)]))
    return int(any(cell.state == "failed" for cell in cells))
