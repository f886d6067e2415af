"""What does each planner achieve, for how many evaluations and milliseconds, and does it exploit the model's errors?

Pendulum-v1 from pixels, as in the recipe `planet`. The same planners plan in a trained world model, from its beliefs,
and in the true simulator, from the true state: any difference is due to the model. PlaNet's CEM (1000 candidates, 10
iterations, no warm start) is the reference.

Reading path: this file, `budgets.py`, `trials.py`, `true_pendulum.py`, `studies/planners/report.py`.
"""

import re
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from reverie.agents.agent import Agent, load
from reverie.config.files import encode
from reverie.envs import EnvConfig, make
from reverie.runs.config import OnlineConfig
from studies.kit import Numbers, OnProgress, cached, ensure_trained, online_recipe, report_progress
from studies.planners.budgets import HORIZON, PLANET, Contender, contenders
from studies.planners.trials import (
    Moments,
    milliseconds,
    moments_of,
    play,
    predicted_vs_actual,
    random_sequences,
    with_planner,
)
from studies.planners.true_pendulum import true_agent

SEED = 0


@dataclass(frozen=True)
class Protocol:
    """`frames` of an episode; `moments`: decisions of each at which plans are compared; `rounds` of timing."""

    episodes: int
    frames: int
    moments: tuple[int, ...]
    rounds: int


PROTOCOL = {"tiny": Protocol(2, 12, (2,), 1), "laptop": Protocol(10, 200, (4, 16, 40), 9)}


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Numbers:
    """Train a model, then measure every planner in it and in the true simulator."""
    protocol, config = PROTOCOL[size], to_train(size)
    folder = ensure_trained(config, out / "planet", on_progress)
    trained = load(folder, "cpu")
    weights = zlib.crc32((folder / "agent.safetensors").read_bytes())
    env = replace(config.env, time_limit=protocol.frames, workers=False)
    truth = true_agent(env)
    worlds = [
        World("trained", trained, replace(env, observe=("pixels", "state")), truth, protocol, weights),
        World("true", truth, replace(env, observe=("state",)), truth, protocol, 0),
    ]
    everyone = contenders(size)
    numbers: dict[str, Any] = {
        "size": size,
        "horizon": HORIZON[size],
        "episodes": protocol.episodes,
        "moments": protocol.episodes * len(protocol.moments),
        "threads": 1,
        "reference": max((c for c in everyone if c.family == PLANET), key=lambda c: c.evaluations).name,
    }
    return numbers | {world.name: world.measure(everyone, out / "trials", on_progress) for world in worlds}


def to_train(size: str) -> OnlineConfig:
    """PlaNet's recipe; at size `tiny` with a minimal budget."""
    config = online_recipe("planet", size)
    if size == "tiny":
        budget = replace(config.training, frames=80, prefill=60, round=10, updates=1, checkpoint_every=40)
        config = replace(config, training=budget, env=replace(config.env, time_limit=40))
    return config


@dataclass(frozen=True)
class World:
    """A model to plan in, the environment to act in, and the true simulator."""

    name: str
    agent: Agent
    env: EnvConfig
    truth: Agent
    protocol: Protocol
    weights: int
    """Checksum of the model's weights: measurements of another model are not reused."""

    def measure(self, everyone: list[Contender], folder: Path, on_progress: OnProgress) -> dict[str, Any]:
        """All planners, the cheapest first."""
        start, settings, rows = time.monotonic(), [asdict(self.protocol), self.weights], {}
        moments = cache(self.moments)
        for done, contender in enumerate(sorted(everyone, key=lambda one: one.evaluations)):
            message = f"planning in the {self.name} model: {contender.name}"
            report_progress(on_progress, message, done, len(everyone), "planners", time.monotonic() - start)
            path = folder / f"{self.name}-{re.sub('[^a-z0-9]+', '-', contender.name.lower())}.json"
            measure = partial(self.row, contender, moments)
            rows[contender.name] = cached(path, measure, [*settings, encode(contender.config)])
        configs = [encode(contender.config) for contender in everyone]
        times = cached(folder / f"{self.name}-times.json", lambda: self.times(everyone), [*settings, configs])
        random = cached(folder / f"{self.name}-random.json", lambda: self.random(everyone[0], moments()), settings)
        return {"rows": {name: row | {"milliseconds": times[name]} for name, row in rows.items()}, "random": random}

    def moments(self) -> Moments:
        """From episodes that the agent plays as it was trained, the same for all planners."""
        episodes, carries = play(self.agent, self.env, self.protocol.episodes, SEED)
        return moments_of(episodes, carries, self.protocol.moments)

    def row(self, contender: Contender, moments: Callable[[], Moments]) -> dict[str, Any]:
        """Returns of one planner, and predicted against actual returns of its plans."""
        agent = with_planner(self.agent, contender.config)
        episodes, _ = play(agent, self.env, self.protocol.episodes, SEED)
        returns = [episode.undiscounted_return for episode in episodes]
        plans = predicted_vs_actual(agent, self.truth, moments(), SEED)
        return {
            "family": contender.family,
            "evaluations": contender.evaluations,
            "gradient_evaluations": contender.gradient_evaluations,
            "returns": returns,
            "mean": mean(returns),
            "std": stdev(returns),
            **plans,
        }

    def random(self, contender: Contender, moments: Moments) -> dict[str, float]:
        """Predicted against actual returns of random sequences, as long as those of a planner."""
        agent = with_planner(self.agent, contender.config)
        horizon = agent.actor.initial(1).mean.shape[1]
        return random_sequences(agent, self.truth, moments, horizon, SEED)

    def times(self, everyone: list[Contender]) -> dict[str, float]:
        """Milliseconds a decision, by name."""
        environment = make(self.env)
        try:
            obs = environment.reset(SEED).obs
        finally:
            environment.close()
        agents = {contender.name: with_planner(self.agent, contender.config) for contender in everyone}
        return milliseconds(agents, obs, self.protocol.rounds)
