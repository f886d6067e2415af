"""What does each planner achieve, for how many evaluations and milliseconds, and does it exploit the model's errors?

Pendulum-v1 from pixels, as the recipe `planet` has it. The same planners plan in a world model that was trained so,
from its beliefs, and in the true simulator, from the true state: what differs is the model's doing. PlaNet's CEM (1000
candidates, 10 iterations, begun anew at every decision) is the reference.
"""

import json
import re
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from reverie import recipes
from reverie.agents.agent import Agent, load
from reverie.config.files import encode
from reverie.envs import EnvConfig, make
from reverie.files import atomic_write
from reverie.progress import Progress
from reverie.runs.config import OnlineConfig
from studies import Findings, OnProgress
from studies.kit import trained
from studies.planners import report
from studies.planners.budgets import HORIZON, PLANET, Contender, contenders
from studies.planners.trials import (
    Moments,
    milliseconds,
    moments_of,
    planned_promise,
    play,
    random_promise,
    with_planner,
)
from studies.planners.true_pendulum import true_agent

SEED = 0


@dataclass(frozen=True)
class Rules:
    """`frames` of an episode; `moments`: the decisions of each at which plans are put to the test; `rounds` timed."""

    episodes: int
    frames: int
    moments: tuple[int, ...]
    rounds: int


RULES = {"tiny": Rules(2, 12, (2,), 1), "laptop": Rules(10, 200, (4, 16, 40), 9)}


def study(out: Path, size: str, on_progress: OnProgress) -> Findings:
    """Train, try every planner in both models, draw and conclude; what was measured already is read from `out`."""
    rules, config = RULES[size], to_train(size)
    folder = trained(config, out / "planet", on_progress)
    learned = load(folder, "cpu")
    weights = zlib.crc32((folder / "agent.safetensors").read_bytes())
    env = replace(config.env, time_limit=rules.frames, workers=False)
    truth = true_agent(env)
    worlds = [
        World("trained", learned, replace(env, observe=("pixels", "state")), truth, rules, weights),
        World("true", truth, replace(env, observe=("state",)), truth, rules, 0),
    ]
    everybody = contenders(size)
    numbers: dict[str, Any] = {
        "size": size,
        "horizon": HORIZON[size],
        "episodes": rules.episodes,
        "moments": rules.episodes * len(rules.moments),
        "threads": 1,
        "reference": max((c for c in everybody if c.family == PLANET), key=lambda c: c.evaluations).name,
    }
    for world in worlds:
        numbers[world.name] = world.measured(everybody, out / "trials", on_progress)
    report.draw(out, numbers)
    return Findings(numbers, report.text(numbers))


def known(path: Path, settings: Any, measure: Callable[[], Any]) -> Any:
    """What `measure` found under the same settings before, or finds now; as JSON has it."""
    settings = json.loads(json.dumps(settings))
    if path.exists() and (saved := json.loads(path.read_text()))["settings"] == settings:
        return saved["found"]
    found = json.loads(json.dumps(measure()))
    atomic_write(path, json.dumps({"settings": settings, "found": found}, indent=1).encode())
    return found


def to_train(size: str) -> OnlineConfig:
    """PlaNet's recipe; the tiny one learns next to nothing."""
    config = recipes.build("planet", size)
    assert isinstance(config, OnlineConfig)
    if size == "tiny":
        budget = replace(config.training, frames=80, prefill=60, round=10, updates=1, checkpoint_every=40)
        config = replace(config, training=budget, env=replace(config.env, time_limit=40))
    return config


@dataclass(frozen=True)
class World:
    """A model to plan in, the environment that it acts in, and the truth to compare its promises with."""

    name: str
    agent: Agent
    env: EnvConfig
    truth: Agent
    rules: Rules
    fingerprint: int
    """Of the model, so that a measurement of another one is not taken for its own."""

    def measured(self, everybody: list[Contender], folder: Path, on_progress: OnProgress) -> dict[str, Any]:
        """All rows, PlaNet's budget last; each is written as soon as it is known."""
        began, total, rules = time.monotonic(), len(everybody), [asdict(self.rules), self.fingerprint]
        moments = cache(self.moments)

        def row(done: int, one: Contender) -> dict[str, Any]:
            message = f"planning in the {self.name} model: {one.name}"
            on_progress("", Progress("planners", done, total, 0, 0, time.monotonic() - began, 0, message=message))
            return self.row(one, moments())

        rows = {}
        for done, one in enumerate(sorted(everybody, key=lambda one: one.evaluations)):
            path = folder / f"{self.name}-{re.sub('[^a-z0-9]+', '-', one.name.lower())}.json"
            rows[one.name] = known(path, [rules, encode(one.config)], partial(row, done, one))
        configs = [encode(one.config) for one in everybody]
        times = known(folder / f"{self.name}-times.json", [rules, configs], lambda: self.times(everybody))
        chance = known(folder / f"{self.name}-random.json", rules, lambda: self.unchosen(moments(), everybody[0]))
        return {"rows": {name: {**row, "milliseconds": times[name]} for name, row in rows.items()}, "random": chance}

    def moments(self) -> Moments:
        """From episodes that the agent plays as it was trained, the same for all planners."""
        episodes, carries = play(self.agent, self.env, self.rules.episodes, SEED)
        return moments_of(episodes, carries, self.rules.moments)

    def row(self, one: Contender, moments: Moments) -> dict[str, Any]:
        """Returns and promises of one planner."""
        agent = with_planner(self.agent, one.config)
        episodes, _ = play(agent, self.env, self.rules.episodes, SEED)
        returns = [episode.undiscounted_return for episode in episodes]
        found = planned_promise(agent, self.truth, moments, SEED)
        return {
            "family": one.family,
            "evaluations": one.evaluations,
            "climbing": one.climbing,
            "returns": returns,
            "mean": mean(returns),
            "std": stdev(returns),
            **asdict(found),
            "excess": found.excess,
        }

    def unchosen(self, moments: Moments, one: Contender) -> dict[str, float]:
        """What the model says of random sequences, as long as those of a planner."""
        agent = with_planner(self.agent, one.config)
        found = random_promise(agent, self.truth, moments, one.config.planner.horizon, SEED)
        return {**asdict(found), "excess": found.excess}

    def times(self, everybody: list[Contender]) -> dict[str, float]:
        """Milliseconds a decision, by name."""
        environment = make(self.env)
        try:
            obs = environment.reset(SEED).obs
        finally:
            environment.close()
        agents = {one.name: with_planner(self.agent, one.config) for one in everybody}
        return milliseconds(agents, obs, self.rules.rounds)
