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

_NOT_OF_METHOD = ("seed", "device", "threads", "evaluation", "training")
"""Settings by which two runs of one method may differ, besides the budget and the rhythm of reports."""
_RHYTHM = ("frames", "log_every", "checkpoint_every", "checkpoint_minutes", "execution")


@dataclass(frozen=True)
class _Found:
    """A run's folder, and what it is called."""

    given: str
    """The folder that the user has named, or the name that was given to it."""
    folder: Path
    method: str | None
    """The method by its sweep; None for a run outside one."""
    named: bool
    """Whether the user has given the name."""


def read_curves(folders: Sequence[str | Path] | Mapping[str, str | Path]) -> list[Curve]:
    """Return the curves of all runs in the folders, which are of sweeps, runs, or hold runs.

    A mapping gives names: that of a run is its method, that of a sweep stands before its methods. Without a name the
    method is the recipe. Where that would mix runs that are not seeds of one method, the folder's name is added.
    UserError for a folder that holds nothing to compare, and for a damaged log.
    """
    named = isinstance(folders, Mapping)
    pairs = folders.items() if isinstance(folders, Mapping) else [(str(folder), folder) for folder in folders]
    found = [run for name, folder in pairs for run in _find(name, Path(folder), named)]
    if not found:
        raise UserError("No folder was named: give those of sweeps or runs.")
    seen: dict[Path, _Found] = {}
    for run in found:
        if (place := run.folder.resolve()) in seen:
            raise UserError(f"{run.folder} is named twice, by {seen[place].given} and by {run.given}: name it once.")
        seen[place] = run
    configs = [read_config(run.folder) for run in found]
    methods = _methods(found, configs)
    return [_read(run, config, method) for run, config, method in zip(found, configs, methods)]


def _find(given: str, folder: Path, named: bool) -> list[_Found]:
    """Return the runs of a folder. UserError where there are none, or none with returns."""
    if (folder / "sweep.json").exists():
        places = state.places(state.read_plan(folder))
        runs = [_Found(given, folder / "cells" / name, place[0], named) for name, place in places.items()]
    elif (folder / "config.json").exists():
        runs = [_Found(given, folder, None, named)]
    elif folder.is_dir():
        below = [path for path in sorted(folder.iterdir()) if path.is_dir()]
        inside = [path for path in below if (path / "config.json").exists() or (path / "sweep.json").exists()]
        if not inside:
            raise UserError(f"{folder} is not the folder of a run or a sweep, and holds none: it has no config.json.")
        singles = [_Found(given if named else str(path), path, None, named) for path in inside if not _is_sweep(path)]
        runs = singles + [
            run for path in inside if _is_sweep(path) for run in _find(given if named else str(path), path, named)
        ]
    else:
        raise UserError(f"There is no folder {folder}.")
    useful = [run for run in runs if "frames" in read_config(run.folder)["training"]]
    if not useful:
        raise UserError(
            f"{folder} has no returns to compare, because it was fitted to recorded data: name runs of agents that "
            "learn in an environment."
        )
    return useful


def _is_sweep(folder: Path) -> bool:
    return (folder / "sweep.json").exists()


def read_config(folder: Path) -> dict[str, Any]:
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
    groups = {name: [i for i, other in enumerate(plain) if other == name] for name in plain}
    mixed = {name for name, runs in groups.items() if _is_mixed([(found[i], configs[i]) for i in runs])}
    for name in mixed:
        if any(found[i].named for i in groups[name]):
            raise UserError(
                f"{name} names several runs of one task and seed, or of other settings: give each method its own name."
            )
    short = _short(run.given for run in found)
    apart = [short[run.given] + (f" {run.method}" if run.method else "") for run in found]
    return [other if name in mixed else name for name, other in zip(plain, apart)]


def _is_mixed(runs: Sequence[tuple[_Found, dict[str, Any]]]) -> bool:
    """Return whether runs of one name are not seeds of one method: a place is taken twice, or settings differ."""
    if len({run.given for run, _ in runs}) == 1 and runs[0][0].method is not None:
        return False  # a sweep has each place once
    places = [(config["env"]["id"], config["seed"]) for _, config in runs]
    if len(set(places)) < len(places):
        return True
    settings: dict[str, set[str]] = {}
    for _, config in runs:
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
    return Curve(
        name=run.folder.name,
        method=method,
        env=config["env"],
        seed=config["seed"],
        budget=budget,
        reached=budget if cell.state == "done" else min(budget, max((line["frames"] for line in log), default=0)),
        state=cell.state,
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
