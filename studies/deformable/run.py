"""Which latent space is good to act in? Rope and cloth are taken to goal images by what one action would lead to.

The table of Yan, Vangipuram, Abbeel & Pinto 2020 (CFM), with our physics. All methods learn from the same random
interaction, with the same encoder and, at size `laptop`, for about the same time; all act by ranking a hundred legal
actions. Two bounds go beside them: acting at random, and an oracle, which ranks the same actions by the true simulator
and the true distance.

Reading path: this file, `studies/deformable/report.py`, `recipes/latent_prediction.py`, `evaluation/goals.py`.
"""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from reverie import recipes
from reverie.agents import agent as agents
from reverie.data.dataset import DatasetConfig
from reverie.data.recording import collect
from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.ssm import SSMConfig
from reverie.envs.base import EnvConfig
from reverie.evaluation.goals import Pursuit, at_random, by_agent, by_oracle, filmstrip, pursue
from reverie.files import atomic_write
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.progress import Progress
from reverie.recipes.latent_prediction import DEPTH, EPOCHS, TRANSITIONS, latent_prediction, published_cfm
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.contrastive import ContrastiveConfig, Negatives
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from studies import Findings, OnProgress
from studies.deformable.report import draw, shown, text
from studies.kit import trained

SIZES = ("tiny", "laptop", "paper")


@dataclass(frozen=True)
class Condition:
    """One half-row of the table: a thing, what it is taken to, and whether look and physics change at every step."""

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
PARTS = tuple(condition.name for condition in CONDITIONS)
SMALL = (Condition("reverie/Rope-v0", ("horizontal",), "none"),)
METHODS = ("autoencoder", "ssm", "joint", "pixel_forward", "naive", "cfm_published", "cfm_one_way", "cfm")
RANDOMIZED = ("autoencoder", "joint", "cfm")
"""The methods of size `laptop` where look and physics change at every step."""
SEEDS = {"cfm": 3, "cfm_one_way": 3, "joint": 3}
"""How often a method is trained on the rope where nothing is randomized; the others, and all elsewhere, once."""
SLOW = ("autoencoder", "pixel_forward")
"""They draw images, which takes twice as long: at size `laptop` they get half the updates."""
EPISODES = {"tiny": 2, "laptop": 100, "paper": 100}
ORACLE_EPISODES = {"rope": 40, "cloth": 5, "rope-randomized": 10, "cloth-randomized": 5}
"""A hundred true simulations a decision are slow."""
PIXEL_EPISODES = 25
"""So are a hundred images drawn a decision: at size `laptop`."""


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Findings:
    """Every condition (or `parts`) and method; what is in `out` already is not collected, trained or played again."""
    conditions = SMALL if size == "tiny" else [one for one in CONDITIONS if not parts or one.name in parts]
    numbers: dict[str, Any] = {"size": size, "episodes": EPISODES[size], "conditions": {}}
    for condition in conditions:
        dataset = recorded(condition, out / f"data-{condition.name}", size, on_progress)
        found = bounds(condition, out / f"bounds-{condition.name}.json", size, on_progress)
        for method in methods(size, condition):
            for seed in range(seeds(method, condition, size)):
                folder = out / f"{condition.name}-{method}-{seed}"
                trained(config(method, size, condition, dataset, seed), folder, on_progress)
                found.setdefault(method, {})[str(seed)] = played(condition, folder, episodes(method, size), on_progress)
        numbers["conditions"][condition.name] = found
        for goal in shown(condition.goals):
            shutil.copy(out / f"{condition.name}-cfm-0" / f"goal-{goal}.png", out / f"{condition.name}-cfm-{goal}.png")
    draw(out, numbers)
    return Findings(numbers, text(numbers))


def methods(size: str, condition: Condition) -> tuple[str, ...]:
    """What is compared; at size `paper` CFM is the published one."""
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
    """How many times a trained method is sent to each goal."""
    return PIXEL_EPISODES if (method, size) == ("pixel_forward", "laptop") else EPISODES[size]


def recorded(condition: Condition, folder: Path, size: str, on_progress: OnProgress) -> DatasetConfig:
    """Random interaction, a tenth of it held out, in which the same starts lie for every method."""
    transitions = TRANSITIONS[size] * 11 // 10
    name = folder.name
    collect(
        condition.env,
        folder,
        transitions,
        held_out=0.1,
        privileged=("state",),
        workers=1 if size == "tiny" else 2,
        on_progress=lambda progress: on_progress(name, replace(progress, message=f"collecting {name}")),
    )
    return DatasetConfig(str(folder))


def config(method: str, size: str, condition: Condition, dataset: DatasetConfig, seed: int) -> OfflineConfig:
    """One method on one dataset."""
    if method == "ssm":
        base = state_space(size, condition.world)
    elif method == "cfm_published":
        base = published_cfm(size, condition.world)
    elif method == "cfm_one_way":
        base = one_way(size, condition.world)
    else:
        base = cast(OfflineConfig, recipes.build(method, size, condition.world))
    training = replace(base.training, evaluate_every=0)  # what counts here is where the agent arrives
    if size == "laptop" and method in SLOW:
        training = replace(training, updates=training.updates // 2)
    return replace(base, data=dataset, seed=seed, training=training, goals=(), threads=0)


def one_way(size: str, world: str) -> OfflineConfig:
    """Our CFM with hard negatives alone: no reverse question, no weight on the squared error."""
    signals: dict[str, SignalConfig] = {"contrastive": ContrastiveConfig("distance", negatives=get_args(Negatives))}
    return latent_prediction("cfm", size, world, signals, {"contrastive": 1.0})


def state_space(size: str, world: str) -> OfflineConfig:
    """PlaNet's stochastic path without reward, and acting in its samples' means.

    Normalizing divides the rope's images by 0.087, so `std` 8 is about the published unit variance of raw pixels. At
    1 an image tells 13,000 nats and the prior learns nothing (docs/log.md).
    """
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(ConvConfig(DEPTH[size]), std=8.0),
        "divergence": DivergenceConfig(free=1.0),
    }
    base = latent_prediction("state_space", size, world, signals, dict.fromkeys(signals, 1.0), clip=100.0)
    sizes = SSMConfig(16, GaussianConfig(4)) if size == "tiny" else SSMConfig(200, GaussianConfig(30))
    training = base.training
    if size == "paper":
        training = replace(training, batch=32, length=9, updates=EPOCHS * TRANSITIONS[size] // (32 * 8))
    return replace(base, model=replace(cast(WorldModelConfig, base.model), dynamics=sizes), training=training)


def bounds(condition: Condition, path: Path, size: str, on_progress: OnProgress) -> dict[str, Any]:
    """Acting at random and by the oracle, kept in `path`."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    few = min(ORACLE_EPISODES[condition.name], EPISODES[size])
    for name, player, episodes in (("random", at_random, EPISODES[size]), ("oracle", by_oracle, few)):
        for goal in condition.goals:
            of_player = found.setdefault(name, {}).setdefault("0", {})
            if goal not in of_player:
                _say(on_progress, f"{condition.name}: {name} towards {goal}")
                pursuit = pursue(condition.env, goal, player, episodes, 0)
                of_player[goal] = measured(pursuit)
                atomic_write(path, json.dumps(found, indent=1).encode())
    return found


def played(condition: Condition, folder: Path, episodes: int, on_progress: OnProgress) -> dict[str, Any]:
    """The agent of a folder towards every goal, kept in its `pursuits.json`, with a film strip each."""
    path = folder / "pursuits.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for goal in condition.goals:
        if goal not in found:
            _say(on_progress, f"{folder.name} towards {goal}")
            agent = agents.load(folder)
            pursuit = pursue(condition.env, goal, by_agent(agent), episodes, 0)
            found[goal] = measured(pursuit)
            filmstrip(folder / f"goal-{goal}.png", pursuit)
            atomic_write(path, json.dumps(found, indent=1).encode())
    return found


def measured(pursuit: Pursuit) -> dict[str, Any]:
    """What is kept of a pursuit: its measures, and the mean distance after each action."""
    steps = np.round(pursuit.progress[:, :, 0].mean(0), 4).tolist()
    return pursuit.measures() | {"episodes": len(pursuit.episodes), "distance_by_action": steps}


def _say(on_progress: OnProgress, message: str) -> None:
    on_progress(message, Progress("episodes", 0, 1, 0, 0, 0.0, 0, message=message))
