"""Acting towards goal images: how near an agent comes, beside random actions and an oracle.

A goal environment observes `goal`, an image like `pixels`, and `progress` (`reverie_worlds.deformable`): the distance
to the goal in the environment's unit, the overlap of the masks, and success. Episodes have the environment's own
length. Each decision is closed loop, among 100 actions that the environment calls legal (Yan 2020, Sec. 4).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

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
from reverie.planning.actor import PlanningConfig, PlanningNoise
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.types import ActNoise

GOAL_STREAM = 2
"""The stream of seeds: training has 0, the evaluation of returns has 1."""
CANDIDATES, SHOWN = 100, 6

Choose = Callable[[Obs, Float[np.ndarray, "B N A"]], Float[np.ndarray, "B A"]]
"""Observations (with `goal`) of B episodes and N legal actions in each, to the actions to take."""
Player = Callable[[list[Environment]], Choose]


@dataclass(frozen=True)
class Pursuit:
    """N episodes towards a goal. `progress` (N, decisions + 1, 3): distance, overlap, success, the start first."""

    progress: Float[np.ndarray, "N D 3"]
    episodes: list[Episode]

    def measures(self) -> dict[str, float]:
        """Return means over episodes, and `deviation`, the standard deviation of the last `distance`."""
        distance = self.progress[:, :, 0]
        return {
            "start": float(distance[:, 0].mean()),
            "distance": float(distance[:, -1].mean()),
            "deviation": float(distance[:, -1].std()),
            "best": float(distance.min(1).mean()),
            "iou": float(self.progress[:, -1, 1].mean()),
            "success": float(self.progress[:, -1, 2].mean()),
        }


def pursue(env: EnvConfig, goal: str, player: Player, episodes: int, seed: int) -> Pursuit:
    """Play `episodes` episodes at once, the same ones for every player. UserError for a world without goals."""
    config = goal_environment(env, goal, episodes)
    worlds = [make(config) for _ in range(episodes)]
    environments = SerialEnvironments(config, partial(next, iter(worlds)))
    collector = Collector(environments, seed, GOAL_STREAM)
    choose, rng = player(worlds), np.random.default_rng([seed, GOAL_STREAM])

    def act(obs: Obs, is_first: np.ndarray) -> np.ndarray:
        return choose(obs, np.stack([_legal_actions(world, int(rng.integers(2**31))) for world in worlds]))

    finished: list[Episode] = []
    try:
        while not finished:
            finished = collector.step(act)
    finally:
        environments.close()
    if len(finished) != episodes:
        raise UserError(f"{config.id} ends episodes early: only worlds with episodes of one length can measure goals.")
    return Pursuit(np.stack([[step.obs["progress"] for step in one.steps] for one in finished]), finished)


def goal_environment(env: EnvConfig, goal: str, count: int) -> EnvConfig:
    """Return the environment of an agent's training as `count` ones that show `goal` and measure progress."""
    kwargs = tuple(text for text in env.kwargs if not text.startswith("goal="))
    observe = tuple(dict.fromkeys((*env.observe, "goal", "progress")))
    kwargs += (f"goal={goal}",) if goal else ()
    return replace(env, observe=observe, kwargs=kwargs, time_limit=None, count=count, workers=False)


def _legal_actions(environment: Environment, seed: int) -> Float[np.ndarray, "N A"]:
    """Draw `CANDIDATES` actions: by the environment's own `sample_actions` if it has it, else uniform."""
    if (sample := own_sampler(environment)) is not None:
        return sample(CANDIDATES, seed)
    return uniform_actions(environment.spec.action, CANDIDATES, np.random.default_rng(seed))


def by_agent(agent: Agent) -> Player:
    """Return a player that acts towards each episode's goal. A planner of single actions ranks the legal ones."""
    if list(agent.config.spec.obs) != ["pixels"]:
        raise UserError(
            f"Goals are images, and this agent sees {sorted(agent.config.spec.obs)}: train on pixels alone."
        )
    actor, device = agent.config.actor, next(agent.parameters()).device
    planner = actor.planner if isinstance(actor, PlanningConfig) else None
    ranks = isinstance(planner, RandomShootingConfig) and planner.horizon == 1

    def player(_: list[Environment]) -> Choose:
        with_goals: Agent | None = None
        carry: Any = None

        def choose(obs: Obs, legal: Float[np.ndarray, "B N A"]) -> Float[np.ndarray, "B A"]:
            nonlocal with_goals, carry
            with_goals = with_goals or with_goal(agent, {"pixels": obs["goal"]})
            candidates = PlanningNoise(torch.from_numpy(legal)[:, :, None].to(device), None)
            carry, action = with_goals.act(carry, obs, noise=ActNoise(None, candidates, None) if ranks else None)
            return action

        return choose

    return player


def at_random(_: list[Environment]) -> Choose:
    """Return a player that takes the first legal action."""
    return lambda obs, legal: legal[:, 0]


def by_oracle(worlds: list[Environment]) -> Choose:
    """Return a player that takes the action after which the true simulator is nearest to the goal.

    It bounds greedy one-step control. UserError unless the worlds have `foresee`, which maps actions (N, A) to the
    distances (N,) that they would lead to, and leaves the state as it is.
    """
    simulators = [getattr(world, "unwrapped", None) for world in worlds]
    if not all(hasattr(simulator, "foresee") for simulator in simulators):
        raise UserError("This world has no method `foresee`, so it has no oracle.")

    def choose(obs: Obs, legal: Float[np.ndarray, "B N A"]) -> Float[np.ndarray, "B A"]:
        return np.stack([actions[one.foresee(actions).argmin()] for one, actions in zip(simulators, legal)])

    return choose


def filmstrip(path: Path, pursuit: Pursuit, columns: int = 6) -> Path:
    """Write a PNG with a row for each episode: `columns` frames from start to end, a gap, and the goal."""
    steps = films.spread(0, pursuit.progress.shape[1], columns)
    rows, labels = [], []
    for number, episode in enumerate(pursuit.episodes[:SHOWN]):
        rows.append([*(episode.steps[step].obs["pixels"] for step in steps), episode.steps[0].obs["goal"]])
        first, last = pursuit.progress[number, [0, -1], 0]
        labels.append(f"episode {number + 1}\ndistance {first:.2f}\nto {last:.2f}")
    times = [*(f"step {step}" for step in steps), "goal"]
    return films.write_image(path, films.mosaic(rows, gap_after=len(steps), row_labels=labels, column_labels=times))


def pursue_beside_random(
    agent: Agent, env: EnvConfig, goal: str, episodes: int, seed: int
) -> tuple[Pursuit, dict[str, float]]:
    """Return the agent's episodes towards `goal` and their measures. `random` is the last distance at random."""
    pursuit = pursue(env, goal, by_agent(agent), episodes, seed)
    chance = pursue(env, goal, at_random, episodes, seed).measures()
    return pursuit, pursuit.measures() | {"random": chance["distance"]}


def image_distances(episodes: list[Episode], name: str, goal: UInt8[np.ndarray, "H W C"]) -> dict[str, float]:
    """Return root-mean-square differences (of 255) of the images `name` from `goal`, means over episodes.

    They are those of the first image (`start`), the last (`end`) and the nearest (`best`).
    """
    ends = []
    for episode in episodes:
        images = np.stack([step.obs[name] for step in episode.steps]).astype(np.float32)
        distance = np.sqrt(np.square(images - goal).mean((1, 2, 3)))
        ends.append((distance[0], distance[-1], distance.min()))
    return dict(zip(("start", "end", "best"), np.mean(ends, 0, dtype=float).tolist()))


def sentences(measures: dict[str, dict[str, float]], episodes: int) -> list[str]:
    """Return one line of text for each goal."""
    return [
        f"goal {goal}: distance {one['start']:.2f} at the start, {one['distance']:.2f} (standard deviation "
        f"{one['deviation']:.2f}) after the last action, {one['best']:.2f} at best; at random {one['random']:.2f}; "
        f"overlap {one['iou']:.2f}, success {100 * one['success']:.0f} % of {episodes} episodes"
        for goal, one in measures.items()
    ]
