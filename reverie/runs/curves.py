"""Read the curves of runs from folders: of sweeps, of single runs, or with runs in them. Nothing is written.

Runs may be living: a line of a log that is being written is left out. Nothing here imports torch, and settings are
read as they stand in `config.json`, so that runs of other versions and of missing plug-ins can be compared too.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reverie.errors import UserError
from reverie.evaluation.comparison.parts import Curve, Pairs
from reverie.runs.logger import read_metrics
from reverie.runs.sweeps import state

_NOT_OF_METHOD = ("seed", "device", "threads", "log", "evaluation", "training")
"""Settings by which two runs of one method may differ, besides the budget and the rhythm of reports."""
_RHYTHM = ("frames", "log_every", "checkpoint_every", "checkpoint_minutes", "execution")
_WHOLE = 0.99
"""Part of the budget from which a run that goes on no more has spent it: the log ends with the last episode."""


@dataclass(frozen=True)
class _Found:
    """A run's folder, and what it is called."""

    folder: Path
    given: str
    """The name that the user gave to its method, or the folder that the user named."""
    named: bool
    method: str | None = None
    """The method by its sweep; None for a run outside one."""


def read_curves(folders: Sequence[str | Path]) -> list[Curve]:
    """Return the curves of all runs in the folders, which are of sweeps, of runs, or hold runs.

    `NAME=FOLDER` gives a name: that of a run is its method, that of a sweep with several methods stands before theirs.
    Without a name the method is the recipe. Where that would mix runs that are not seeds of one method, it is the
    folder. UserError for a folder that holds nothing to compare, and for a damaged log.
    """
    found = [run for folder in folders for run in _find(*_parse(folder))]
    seen: dict[Path, _Found] = {}
    for run in found:
        if (place := run.folder.resolve()) in seen:
            raise UserError(f"{run.folder} is named twice, by {seen[place].given} and by {run.given}: name it once.")
        seen[place] = run
    if not found:
        raise UserError("No folder was named: give those of sweeps or runs.")
    configs = [_read_config(run.folder) for run in found]
    return [_read(*each) for each in zip(found, configs, _methods(found, configs))]


def _parse(folder: str | Path) -> tuple[str, Path, bool]:
    """Return name, folder, and whether the name was given. A folder with `=` in its own name is one."""
    name, equals, rest = str(folder).partition("=")
    if equals and name and not Path(folder).exists():
        return name, Path(rest), True
    return str(folder), Path(folder), False


def _find(given: str, folder: Path, named: bool) -> list[_Found]:
    """Return the runs of a folder. UserError where there are none, or none with returns."""
    if _is_sweep(folder):
        places = state.places(state.read_plan(folder))
        runs = [_Found(folder / "cells" / name, given, named, method) for name, (method, _, _) in places.items()]
    elif (folder / "config.json").exists():
        runs = [_Found(folder, given, named)]
    elif folder.is_dir():
        below = [path for path in sorted(folder.iterdir()) if path.is_dir()]
        inside = [path for path in below if (path / "config.json").exists() or _is_sweep(path)]
        if not inside:
            raise UserError(f"{folder} is not the folder of a run or a sweep, and holds none: it has no config.json.")
        names = [given if named else str(path) for path in inside]
        singles = [_Found(path, name, named) for name, path in zip(names, inside) if not _is_sweep(path)]
        of_sweeps = [_find(name, path, named) for name, path in zip(names, inside) if _is_sweep(path)]
        runs = [*singles, *(run for runs in of_sweeps for run in runs)]
    else:
        raise UserError(f"There is no folder {folder}.")
    useful = [run for run in runs if "frames" in _read_config(run.folder)["training"]]
    if not useful:
        raise UserError(
            f"{folder} has no returns to compare, because it was fitted to recorded data: name runs of agents that "
            "learn in an environment."
        )
    return useful


def _is_sweep(folder: Path) -> bool:
    return (folder / "sweep.json").exists()


def _read_config(folder: Path) -> dict[str, Any]:
    """Return what `config.json` holds. UserError where it is not a run's."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text())
        if not isinstance(config["recipe"] + config.get("env", {"id": ""})["id"], str):
            raise TypeError("a name is not a text")
        return config | {"seed": config["seed"], "training": dict(config["training"])}
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): see to the folder, or leave it out.") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}): restore it from a copy, or leave the folder out.") from error


def _methods(found: Sequence[_Found], configs: Sequence[dict[str, Any]]) -> list[str]:
    """Return the method of each run, so that only seeds of one method share it."""
    several = {run.given for run in found if len({r.method for r in found if r.given == run.given}) > 1}
    plain = []
    for run, config in zip(found, configs):
        own = run.method or config["recipe"]
        plain.append(own if not run.named else f"{run.given} {own}" if run.given in several else run.given)
    mixed = set()
    for name in dict.fromkeys(plain):
        mine = [(run, config) for run, config, other in zip(found, configs, plain) if other == name]
        taken = [(config["env"]["id"], config["seed"]) for _, config in mine]
        twice = len(set(taken)) < len(taken)
        if twice and any(run.named for run, _ in mine):
            raise UserError(f"{name} names two runs of one task and seed: give each method a name of its own.")
        if twice or (not any(run.named for run, _ in mine) and _differ([config for _, config in mine])):
            mixed.add(name)
    short = _short(run.given for run in found)
    apart = [short[run.given] + (f" {run.method}" if run.method else "") for run in found]
    return [other if name in mixed else name for name, other in zip(plain, apart)]


def _differ(configs: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether runs on one task differ in more than their seed."""
    settings: dict[str, set[str]] = {}
    for config in configs:
        settings.setdefault(config["env"]["id"], set()).add(_settings(config))
    return any(len(different) > 1 for different in settings.values())


def _settings(config: Mapping[str, Any]) -> str:
    """Return, as text, the settings that make a method."""
    own = {name: value for name, value in config.items() if name not in _NOT_OF_METHOD}
    training = {name: value for name, value in config["training"].items() if name not in _RHYTHM}
    return json.dumps(own | {"training": training}, sort_keys=True)


def _short(folders: Iterable[str]) -> dict[str, str]:
    """Return the shortest ends of paths that differ from each other."""
    paths = {folder: Path(os.path.abspath(folder)).parts for folder in folders}
    count = 1
    while len({parts[-count:] for parts in paths.values()}) < len(paths):
        count += 1
    return {folder: "/".join(parts[-count:]) for folder, parts in paths.items()}


def _read(run: _Found, config: dict[str, Any], method: str) -> Curve:
    """Return the curve of one run. UserError for a damaged log."""
    log = read_metrics(run.folder) if (run.folder / "metrics.jsonl").exists() else []
    budget = int(config["training"]["frames"])
    cell = state.read_run(run.folder, run.folder.name, (method, config["env"]["id"], config["seed"]))
    evaluations = [
        (line["frames"], line["return"]) for line in log if line["kind"] == "evaluation" and "return" in line
    ]
    if cell.state == "done" and cell.score is not None and (not evaluations or evaluations[-1][0] < budget):
        evaluations.append((budget, cell.score))
    episodes = [(line["frames"], line["return"]) for line in log if line["kind"] == "episode"]
    timing = [(line["frames"], line["seconds"]) for line in log if line["kind"] == "timing"]
    processor, share = _processor(run.folder, config)
    frames, seconds = _pairs(timing)
    reached, whole = max((line["frames"] for line in log), default=0), cell.state == "done"
    if cell.state == "stopped" and reached >= _WHOLE * budget:  # trained without a final evaluation
        whole = True
    return Curve(
        name=run.folder.name,
        method=method,
        env=config["env"],
        seed=config["seed"],
        budget=budget,
        reached=budget if whole else min(budget, reached),
        state="done" if whole else cell.state,
        returns={"training": _pairs(episodes), "evaluation": _pairs(evaluations)},
        evaluates=config.get("evaluation", {}).get("every", 0) > 0,
        hours=(frames, _sum_of_parts(seconds) * share / 3600),
        processor=processor,
        sentence=cell.sentence,
    )


def _pairs(points: Sequence[tuple[float, float]]) -> Pairs:
    frames, values = np.array(points, float).reshape(-1, 2).T
    known = np.isfinite(values)
    return frames[known], values[known]


def _sum_of_parts(seconds: np.ndarray) -> np.ndarray:
    """Return the time since the start of a run. A log counts from the start of each process that went on with it."""
    new = np.flatnonzero(np.diff(seconds) < 0) + 1
    before = np.zeros(len(seconds))
    before[new] = seconds[new - 1]
    return seconds + np.cumsum(before)


def _processor(folder: Path, config: Mapping[str, Any]) -> tuple[Any, int]:
    """Return what a run occupies, and how many of them: a GPU, or its threads of a CPU."""
    try:
        device = json.loads((folder / "versions.json").read_text())["device"]
    except (OSError, ValueError, LookupError, TypeError):
        device = config.get("device", "cpu")
    return ("core", max(1, int(config.get("threads") or 1))) if device in ("cpu", "auto") else ("GPU", 1)
