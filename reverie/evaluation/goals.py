"""Acting towards goal images: how near an agent comes, beside acting at random and beside an oracle.

A goal environment observes `goal`, an image like `pixels`, and `progress`: distance to the goal in the environment's
unit, overlap of the masks, success (`envs.deformable`). Episodes have the environment's own length and start where no
recorded one does. Closed loop, one decision at a time, among candidates that the environment calls legal (Yan 2020,
Sec. 4: a hundred of them).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8

from reverie.agents.agent import Agent, with_goal
from reverie.data.collector import Collector
from reverie.data.episodes import Episode
from reverie.envs import EnvConfig, Environment, Obs, make
from reverie.envs.base import own_sampler
from reverie.envs.conversions import uniform_actions
from reverie.envs.vector import SerialEnvironments
from reverie.errors import UserError
from reverie.evaluation import films
from reverie.planning.actor import PlanningActor, PlanningNoise
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.types import ActNoise

GOAL_STREAM = 2
"""Of seeds: neither training (0) nor the evaluation of returns (1)."""
CANDIDATES, SHOWN = 100, 6

Choose = Callable[[Obs, Float[np.ndarray, "B N A"]], Float[np.ndarray, "B A"]]
"""Observations (with `goal`) of B episodes and N legal actions in each, to the actions to take."""


@runtime_checkable
class Foresees(Protocol):
    """An unwrapped environment that can try actions and undo them."""

    def foresee(self, actions: Float[np.ndarray, "N A"]) -> Float[np.ndarray, " N"]:
        """Return the distance to the goal that each action would lead to. The state stays as it is."""
        ...


@dataclass(frozen=True)
class Pursuit:
    """N episodes towards a goal. `progress` (N, decisions + 1, 3): distance, overlap, success, the start first."""

    goal: str
    progress: Float[np.ndarray, "N D 3"]
    episodes: list[Episode]

    def measures(self) -> dict[str, float]:
        """Means over episodes; `distance` is the one after the last action, `deviation` its standard deviation."""
        distance = self.progress[:, :, 0]
        return {
            "start": float(distance[:, 0].mean()),
            "distance": float(distance[:, -1].mean()),
            "deviation": float(distance[:, -1].std()),
            "best": float(distance.min(1).mean()),
            "iou": float(self.progress[:, -1, 1].mean()),
            "success": float(self.progress[:, -1, 2].mean()),
        }


def pursue(
    env: EnvConfig, goal: str, player: "Callable[[list[Environment]], Choose]", episodes: int, seed: int
) -> Pursuit:
    """Play `episodes` episodes at once, the same ones for every player. UserError where the world gives no goals."""
    config = goal_environment(env, goal, episodes)
    worlds: list[Environment] = []

    def made(one: EnvConfig) -> Environment:
        worlds.append(make(one))
        return worlds[-1]

    environments = SerialEnvironments(config, made)
    collector = Collector(environments, seed, GOAL_STREAM)
    choose, rng = player(worlds), np.random.default_rng([seed, GOAL_STREAM])

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        seeds = [int(rng.integers(2**31)) for _ in worlds]
        return choose(obs, np.stack([candidates(world, seed) for world, seed in zip(worlds, seeds)]))

    finished: list[Episode] = []
    try:
        while not finished:
            finished = collector.step(act)
    finally:
        environments.close()
    if len(finished) != episodes:
        raise UserError(
            f"{config.id} ends episodes early: only worlds with episodes of one length are judged by goals."
        )
    return Pursuit(goal, np.stack([[step.obs["progress"] for step in one.steps] for one in finished]), finished)


def candidates(environment: Environment, seed: int) -> Float[np.ndarray, "N A"]:
    """Draw N actions: by the environment's own `sample_actions` if it has it, else uniform."""
    sample = own_sampler(environment)
    if sample is None:
        return uniform_actions(environment.spec.action, CANDIDATES, np.random.default_rng(seed))
    return sample(CANDIDATES, seed)


def goal_environment(env: EnvConfig, goal: str, count: int) -> EnvConfig:
    """The environment that an agent was trained in, as one that shows `goal` and measures progress."""
    kwargs = tuple(text for text in env.kwargs if not text.startswith("goal="))
    observe = tuple(dict.fromkeys((*env.observe, "goal", "progress")))
    kwargs += (f"goal={goal}",) if goal else ()
    return replace(env, observe=observe, kwargs=kwargs, time_limit=None, count=count, workers=False)


def by_agent(agent: Agent) -> Callable[[list[Environment]], Choose]:
    """The agent, sent to each episode's goal; a planner that ranks single actions ranks the legal ones."""
    if list(agent.config.spec.obs) != ["pixels"]:
        raise UserError(
            f"Goals are images, and this agent sees {sorted(agent.config.spec.obs)}: train on pixels alone."
        )
    planner = agent.config.actor.planner if isinstance(agent.actor, PlanningActor) else None  # pyrefly: ignore
    ranks = isinstance(planner, RandomShootingConfig) and planner.horizon == 1

    def player(_: list[Environment]) -> Choose:
        sent: Agent | None = None
        carry: Any = None
        device = next(agent.parameters()).device

        def choose(obs: Obs, legal: Float[np.ndarray, "B N A"]) -> Float[np.ndarray, "B A"]:
            nonlocal sent, carry
            sent = with_goal(agent, {"pixels": obs["goal"]}) if sent is None else sent
            proposed = PlanningNoise(torch.from_numpy(legal)[:, :, None].to(device), None)
            carry, action = sent.act(carry, obs, noise=ActNoise(None, proposed, None) if ranks else None)
            return action

        return choose

    return player


def at_random(_: list[Environment]) -> Choose:
    """The first legal action."""
    return lambda obs, legal: legal[:, 0]


def by_oracle(worlds: list[Environment]) -> Choose:
    """Choose the action that the true simulator takes nearest to the goal: the bound of greedy one-step control."""
    unwrapped = [getattr(world, "unwrapped", None) for world in worlds]
    simulators = [simulator for simulator in unwrapped if isinstance(simulator, Foresees)]
    if len(simulators) != len(worlds):
        raise UserError("This world cannot foresee what an action leads to, so it has no oracle.")

    def choose(obs: Obs, legal: Float[np.ndarray, "B N A"]) -> Float[np.ndarray, "B A"]:
        return np.stack([actions[one.foresee(actions).argmin()] for one, actions in zip(simulators, legal)])

    return choose


def filmstrip(path: Path, pursuit: Pursuit, columns: int = 6) -> Path:
    """Write a PNG with a row an episode: the start, then frames evenly spread over it, and the goal behind the gap."""
    steps = films.spread(0, len(pursuit.episodes[0].steps), columns)
    episodes = pursuit.episodes[:SHOWN]
    rows = [
        [*(episode.steps[step].obs["pixels"] for step in steps), episode.steps[0].obs["goal"]] for episode in episodes
    ]
    labels = [
        f"episode {number}\ndistance {distance[0]:.2f}\nto {distance[-1]:.2f}"
        for number, distance in enumerate(pursuit.progress[: len(episodes), :, 0], start=1)
    ]
    times = [*(f"step {step}" for step in steps), "goal"]
    drawn = films.mosaic(rows, gap_after=len(steps), row_labels=labels, column_labels=times)
    return films.write_image(path, drawn)


def pursue_beside_random(
    agent: Agent, env: EnvConfig, goal: str, episodes: int, seed: int
) -> tuple[Pursuit, dict[str, float]]:
    """The agent's episodes towards `goal`, and their measures; `random` is the distance that random actions end at."""
    pursuit = pursue(env, goal, by_agent(agent), episodes, seed)
    chance = pursue(env, goal, at_random, episodes, seed).measures()
    return pursuit, pursuit.measures() | {"random": chance["distance"]}


def image_distances(episodes: list[Episode], name: str, goal: UInt8[np.ndarray, "H W C"]) -> dict[str, float]:
    """Root-mean-square difference (of 255) between the images `name` and `goal`, means over episodes.

    `start` of the first image, `end` of the last, `best` of the nearest.
    """
    each = [
        [float(np.sqrt(np.square(step.obs[name].astype(np.float32) - goal).mean())) for step in episode.steps]
        for episode in episodes
    ]
    ends = {"start": [one[0] for one in each], "end": [one[-1] for one in each], "best": [min(one) for one in each]}
    return {name: float(np.mean(values)) for name, values in ends.items()}


def sentences(measures: dict[str, dict[str, float]], episodes: int) -> list[str]:
    """The figures for people, a line a goal."""
    return [
        f"goal {goal}: distance {one['start']:.2f} at the start, {one['distance']:.2f} (standard deviation "
        f"{one['deviation']:.2f}) after the last action, {one['best']:.2f} at best; at random {one['random']:.2f}; "
        f"overlap {one['iou']:.2f}, success {100 * one['success']:.0f} % of {episodes} episodes"
        for goal, one in measures.items()
    ]
