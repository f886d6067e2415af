"""Which latent space is good to act in? Agents take rope and cloth to goal images by one-step planning.

The table of Yan, Vangipuram, Abbeel & Pinto 2020 (CFM), with our physics. All methods learn from the same random
interaction, with the same encoder and, at size `laptop`, for about the same time. All act by ranking a hundred legal
actions. Two bounds: random actions, and an oracle that ranks the same actions by the true simulator and distance.

Reading path: this file, `studies/deformable/report.py`, `recipes/latent_prediction.py`, `evaluation/goals.py`.
"""

import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from reverie.agents import agent as agents
from reverie.data.dataset import DatasetConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rssm import SSMConfig
from reverie.envs.base import EnvConfig
from reverie.evaluation.goals import Pursuit, at_random, by_agent, by_oracle, filmstrip, pursue
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.recipes.latent_prediction import DEPTH, EPOCHS, TRANSITIONS, latent_prediction, published_cfm
from reverie.runs.config import OfflineConfig
from reverie.signals.contrastive import ContrastiveConfig, Negatives
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from studies.kit import Numbers, OnProgress, cached, ensure_trained, offline_recipe, record, report_progress

SIZES = ("tiny", "laptop", "paper")


@dataclass(frozen=True)
class Condition:
    """An environment, its goals, and whether look and physics change at every step."""

    world: str
    goals: tuple[str, ...]
    randomize: str

    @property
    def name(self) -> str:
        thing = self.world.removeprefix("reverie/").removesuffix("-v0").lower()
        return thing if self.randomize == "none" else f"{thing}-randomized"

    @property
    def env(self) -> EnvConfig:
        kwargs = () if self.randomize == "none" else (f"randomize={self.randomize}",)
        return EnvConfig(self.world, kwargs=kwargs)


ROPE, CLOTH = ("horizontal", "vertical", "45", "135", "random"), ("flat", "random")
CONDITIONS = (
    Condition("reverie/Rope-v0", ROPE, "none"),
    Condition("reverie/Cloth-v0", CLOTH, "none"),
    Condition("reverie/Rope-v0", ROPE, "step"),
    Condition("reverie/Cloth-v0", CLOTH, "step"),
)
SMALL = (Condition("reverie/Rope-v0", ("horizontal",), "none"),)
METHODS = ("autoencoder", "ssm", "joint", "pixel_forward", "naive", "cfm_published", "cfm_one_way", "cfm")
RANDOMIZED = ("autoencoder", "joint", "cfm")
"""The methods of size `laptop` where look and physics change at every step."""
PARTS = tuple(name for one in CONDITIONS for name in (one.name, *(f"{one.name}/{method}" for method in METHODS)))
"""Conditions, and single rows of one, such as `cloth/joint`."""
SEEDS = {"cfm": 3, "cfm_one_way": 3, "joint": 3}
"""Seeds of a method on the rope without randomization; elsewhere, and of other methods, one."""
SLOW = ("autoencoder", "pixel_forward")
"""They decode images, which takes twice as long: at size `laptop` they get half the updates."""
EPISODES = {"tiny": 2, "laptop": 100, "paper": 100}
ORACLE_EPISODES = {"rope": 40, "cloth": 5, "rope-randomized": 10, "cloth-randomized": 5}
"""Fewer: a hundred true simulations a step are slow."""
PIXEL_EPISODES = 25
"""Fewer at size `laptop`: a hundred decoded images a step are slow."""


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Numbers:
    """Every condition, or `parts`, and every method; film strips of CFM."""
    numbers: dict[str, Any] = {"size": size, "episodes": EPISODES[size], "conditions": {}}
    for condition in SMALL if size == "tiny" else CONDITIONS:
        name, workers = condition.name, 1 if size == "tiny" else 2
        whole = size == "tiny" or not parts or name in parts
        chosen = [method for method in methods(size, condition) if whole or f"{name}/{method}" in parts]
        if not chosen:
            continue
        transitions = TRANSITIONS[size] * 11 // 10
        dataset = record(condition.env, out / f"data-{name}", transitions, ("state",), on_progress, workers)
        results = bounds(condition, out, size, on_progress) if whole else {}
        for method in chosen:
            for seed in range(seeds(method, condition, size)):
                folder = out / f"{name}-{method}-{seed}"
                ensure_trained(config(method, size, condition, dataset, seed), folder, on_progress)
                result = pursuits(condition, folder, episodes(method, size), on_progress)
                results.setdefault(method, {})[str(seed)] = result
        numbers["conditions"][name] = results
        for goal in (condition.goals[0], condition.goals[-1]) if "cfm" in chosen else ():
            shutil.copy(out / f"{name}-cfm-0" / f"goal-{goal}.png", out / f"{name}-cfm-{goal}.png")
    return numbers


def methods(size: str, condition: Condition) -> tuple[str, ...]:
    """The methods that are compared; at size `paper` CFM is the published one."""
    if size == "tiny":
        return ("naive", "cfm")
    if size == "laptop" and condition.randomize != "none":
        return RANDOMIZED
    if size == "laptop" and condition.world == "reverie/Rope-v0":
        return METHODS
    ours = ("cfm_one_way",) if size == "laptop" else ("cfm_one_way", "cfm_published")
    return tuple(name for name in METHODS if name not in ours)


def seeds(method: str, condition: Condition, size: str) -> int:
    """How many times a method is trained."""
    return SEEDS.get(method, 1) if condition.name == "rope" and size != "tiny" else 1


def episodes(method: str, size: str) -> int:
    """Episodes of a trained method towards each goal."""
    return PIXEL_EPISODES if (method, size) == ("pixel_forward", "laptop") else EPISODES[size]


def config(method: str, size: str, condition: Condition, dataset: DatasetConfig, seed: int) -> OfflineConfig:
    """One method on one dataset."""
    if method == "ssm":
        base = state_space(size, condition.world)
    elif method == "cfm_published":
        base = published_cfm(size, condition.world)
    elif method == "cfm_one_way":
        base = one_way(size, condition.world)
    else:
        base = offline_recipe(method, size, condition.world)
    training = replace(base.training, evaluate_every=0)  # what counts here is where the agent arrives
    if size == "laptop" and method in SLOW:
        training = replace(training, updates=training.updates // 2)
    return replace(base, data=dataset, seed=seed, training=training, goals=(), threads=0)


def one_way(size: str, world: str) -> OfflineConfig:
    """Our CFM with hard negatives alone: one direction, and no squared error."""
    contrast = ContrastiveConfig("distance", negatives=get_args(Negatives))
    return latent_prediction("cfm", size, world, {"contrastive": (1, contrast)})


def state_space(size: str, world: str) -> OfflineConfig:
    """PlaNet's stochastic path without reward; it acts in the means of its samples.

    Normalizing divides the rope's images by 0.087, so `std` 8 is about the published unit variance of raw pixels. At
    1 an image tells 13,000 nats and the prior learns nothing (docs/log.md).
    """
    reconstruct = ReconstructionConfig(ConvConfig(DEPTH[size]), std=8.0)
    signals = {"reconstruction": (1, reconstruct), "divergence": (1, DivergenceConfig(free=1.0))}
    base = latent_prediction("state_space", size, world, signals, clip=100)
    sizes = SSMConfig(16, GaussianConfig(4)) if size == "tiny" else SSMConfig(200, GaussianConfig(30))
    training = base.training
    if size == "paper":
        training = replace(training, batch=32, length=9, updates=EPOCHS * TRANSITIONS[size] // (32 * 8))
    return replace(base, model=replace(cast(WorldModelConfig, base.model), dynamics=sizes), training=training)


def bounds(condition: Condition, folder: Path, size: str, on_progress: OnProgress) -> dict[str, Any]:
    """Results of random actions and of the oracle."""

    def measure(name: str, player: Any, goal: str, count: int) -> dict[str, Any]:
        report_progress(on_progress, f"{condition.name}: {name} towards {goal}")
        return summary(pursue(condition.env, goal, player, count, 0))

    def by_goal(name: str, player: Any, count: int) -> dict[str, Any]:
        return {
            goal: cached(
                folder / f"{condition.name}-{name}-{goal}.json", partial(measure, name, player, goal, count), count
            )
            for goal in condition.goals
        }

    oracle_episodes = min(ORACLE_EPISODES[condition.name], EPISODES[size] // 2)
    return {
        "random": {"0": by_goal("random", at_random, EPISODES[size])},
        "oracle": {"0": by_goal("oracle", by_oracle, oracle_episodes)},
    }


def pursuits(condition: Condition, folder: Path, episodes: int, on_progress: OnProgress) -> dict[str, Any]:
    """Results of the agent in `folder` by goal, with a film strip each."""

    def measure(goal: str) -> dict[str, Any]:
        report_progress(on_progress, f"{folder.name} towards {goal}")
        pursuit = pursue(condition.env, goal, by_agent(agents.load(folder)), episodes, 0)
        filmstrip(folder / f"goal-{goal}.png", pursuit)
        return summary(pursuit)

    return {goal: cached(folder / f"pursuit-{goal}.json", partial(measure, goal), episodes) for goal in condition.goals}


def summary(pursuit: Pursuit) -> dict[str, Any]:
    """Measures of a pursuit, and the mean distance after each action."""
    distances = np.round(pursuit.progress[:, :, 0].mean(0), 4).tolist()
    return pursuit.measures() | {"episodes": len(pursuit.episodes), "distance_by_action": distances}
