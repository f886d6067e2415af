"""Grids of runs: recipes x tasks x seeds, for `reverie.sweep`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reverie import envs
from reverie.config.overrides import as_text
from reverie.errors import UserError
from reverie.recipes import configure
from reverie.runs.config import RunConfig
from reverie.runs.sweeps.plan import Methods
from reverie.runs.sweeps.suites import choose_tasks, find_protocol, find_suite

NAMED = {"recipe": "--recipes", "seed": "--seeds", "env.id": "--tasks", "data.env.id": "--tasks"}
"""Settings that a grid varies, and the options that name their values."""


def grid(
    recipes: Sequence[str],
    tasks: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    *,
    size: str = "laptop",
    settings: Mapping[str, Any] | None = None,
    prefix: str = "",
) -> dict[str, list[RunConfig]]:
    """Return a config for each recipe, task and seed, by recipe: what `reverie.sweep` takes.

    - `tasks`: ids of environments. Without any, each recipe has its own.
    - `settings`: of every run by dotted path, such as `{"training.frames": 20_000}`.

    Raises `UserError` for unknown recipes, tasks and settings, and for anything that is named twice.
    """
    for kind, named in (("recipe", recipes), ("task", tasks), ("seed", seeds)):
        if twice := [item for item in named if list(named).count(item) > 1]:
            raise UserError(f"The {kind} {twice[0]} is named twice: name it once.")
    for path in settings or {}:
        if path in NAMED:
            raise UserError(f"`{prefix}{path}` is what a sweep varies: name the values by {NAMED[path]}.")
    if not recipes:
        raise UserError("A new sweep needs recipes: name them by --recipes; `reverie recipes` lists them.")
    if not seeds:
        raise UserError("A sweep needs a seed: leave --seeds out for seed 0, or name some, such as 0:3.")
    for task in tasks:
        envs.require_id(task)
    texts = {path: as_text(value) for path, value in (settings or {}).items()}
    configs = {
        recipe: [configure(recipe, size, task, texts, prefix) for task in tasks or (None,)] for recipe in recipes
    }
    return {recipe: [replace(one, seed=seed) for one in each for seed in seeds] for recipe, each in configs.items()}


def suite(
    name: str,
    recipes: Sequence[str],
    seeds: Sequence[int] = (0,),
    *,
    tasks: Sequence[str] = (),
    size: str | None = None,
    reference: str | None = None,
    settings: Mapping[str, Any] | None = None,
    prefix: str = "",
) -> Methods:
    """Return the grid of a named list of tasks, with its published protocol and budget.

    `reference` chooses among protocols. `tasks` are some of the suite's, `settings` replace those of the protocol.
    """
    of_suite, protocol = find_suite(name), find_protocol(name, reference)
    chosen = choose_tasks(name, tuple(tasks))
    merged = {"training.frames": str(of_suite.frames), **protocol.settings, **(settings or {})}
    return grid(recipes, chosen, seeds, size=size or of_suite.size, settings=merged, prefix=prefix)
