"""Published scores by method, benchmark and task, and what counts as a score of 0 and of 1. Nothing here is measured.

A *benchmark* is a set of tasks with what is observed and how they are played: under another protocol a task has other
scores. There are `dmc` (from pixels), `dmc_proprio` (from vectors), `atari` (sticky actions) and `atari100k` (without).
All numbers are in `published.json`, each table with its source.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reverie.envs.gymnasium_registry import parse_kwargs
from reverie.errors import UserError, nearest
from reverie.evaluation.human_scores import SCORES

Scale = tuple[float, float]
"""The returns that are normalized to 0 and to 1."""

CLASSIC: dict[str, Scale] = {
    "Acrobot-v1": (-500.0, -100.0),
    "CartPole-v1": (22.0, 475.0),
    "MountainCar-v0": (-200.0, -110.0),
    "MountainCarContinuous-v0": (-33.0, 90.0),
    "Pendulum-v1": (-1220.0, -200.0),
}
"""Random play (1,000 episodes), and the return at which Gymnasium calls a task solved; Pendulum's is our choice."""


@dataclass(frozen=True)
class Point:
    """A published score at its budget."""

    frames: int
    mean: float
    deviation: float | None
    """The standard deviation over seeds; None where it is not published."""
    seeds: int | None


@functools.cache
def _tables() -> dict[str, dict[str, Any]]:
    return json.loads(Path(__file__).with_suffix(".json").read_text())


def names() -> tuple[str, ...]:
    """Return the methods that have published scores."""
    return tuple(_tables())


def check_name(name: str) -> None:
    """Raise UserError for a method without published scores."""
    if name not in names():
        raise UserError(f"Nothing is published under `{name}`.{nearest(name, names())} There is {', '.join(names())}.")


def title(name: str) -> str:
    """Return how a method is written in text."""
    return _tables()[name]["title"]


def source(name: str, benchmark: str) -> str:
    """Return where the scores are from, and what they are; an empty string where there are none."""
    table = _tables()[name].get(benchmark)
    return "" if table is None else f"{table['source']} ({table['score']} episodes)"


def points(name: str, benchmark: str | None, env_id: str) -> list[Point]:
    """Return the published scores of a method on a task, in the order of their budgets. There may be none."""
    table = _tables()[name].get(benchmark) if benchmark else None
    found = table["tasks"].get(task(env_id), {}) if table else {}
    return sorted((Point(int(frames), *point) for frames, point in found.items()), key=lambda point: point.frames)


def task(env_id: str) -> str:
    """Return the name of a task in `published.json`: `walker_stand` for `dm_control/walker-stand-v0`, or `Pong`."""
    return env_id.rpartition("/")[2].rpartition("-v")[0].replace("-", "_")


def benchmark(env: Mapping[str, Any]) -> str | None:
    """Return the benchmark of an environment, given as in `config.json`; None where nothing published is comparable.

    A time limit of one's own, and an end at a lost life, make other scores.
    """
    settings = parse_kwargs(tuple(env.get("kwargs", ())))
    if env.get("time_limit") is not None or settings.get("life_loss"):
        return None
    family = env["id"].partition("/")[0]
    if family == "dm_control":
        return "dmc" if "pixels" in env.get("observe", ("pixels",)) else "dmc_proprio"
    return None if family != "ALE" else "atari100k" if settings.get("sticky", 0.25) == 0 else "atari"


def scale(env: Mapping[str, Any]) -> Scale | None:
    """Return what is normalized to 0 and 1: 0 and 1000 on DeepMind Control, random and human on Atari.

    Tasks of classic control have `CLASSIC`. None for other tasks, and where less than a whole episode is played.
    """
    if (kind := benchmark(env)) is None:
        return CLASSIC.get(env["id"]) if env.get("time_limit") is None else None
    if kind.startswith("dmc"):
        return 0.0, 1000.0
    reference = SCORES.get(task(env["id"]))
    return None if reference is None else (reference.random, reference.human)
