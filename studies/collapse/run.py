"""What keeps a latent space from collapsing? One forward model, and what else is learned from its encodings.

A constant encoding predicts itself without error. Each method adds something else to predict, or to keep apart; all
have the same encoder, the same data of random interaction and the same number of updates. Every measure of
`evaluation/representation.py` is taken on held-out data before the first update and on the way; at the end the rope is
taken to goal images, since a latent space is for acting.

Reading path: this file, `studies/collapse/report.py`, `evaluation/representation.py`, `recipes/latent_prediction.py`.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

from reverie import recipes
from reverie.agents import agent as agents
from reverie.data.dataset import DatasetConfig
from reverie.data.recording import collect
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.evaluation.goals import at_random, by_agent, pursue
from reverie.evaluation.representation import judge, measure
from reverie.files import atomic_write
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.planning.objectives import GoalConfig
from reverie.progress import Progress
from reverie.recipes.latent_prediction import latent_prediction, published_cfm
from reverie.runs.config import OfflineConfig
from reverie.runs.logger import read_metrics
from reverie.runs.offline import load_model as load
from reverie.signals.contrastive import ContrastiveConfig, Negatives
from studies import Findings, OnProgress
from studies.collapse.report import draw, text
from studies.kit import trained


@dataclass(frozen=True)
class World:
    """Where the data come from; goals that the finished models are sent to, if it gives any."""

    name: str
    env: EnvConfig
    goals: tuple[str, ...] = ()
    truth: str = "state"
    """The privileged observation that probes are asked for; one that a single image can show."""


ROPE = World("rope", EnvConfig("reverie/Rope-v0"), ("horizontal", "random"))
REACHER = World(
    "reacher",
    EnvConfig("dm_control/reacher-easy-v0", repeat=4, time_limit=200, rendering="fast"),
    truth="position",
)
PARTS = (ROPE.name, REACHER.name)
METHODS = (
    "naive",
    "residual",
    "autoencoder",
    "inverse",
    "contrastive_bilinear",
    "contrastive_dot",
    "contrastive_distance",
    "cfm_published",
    "cfm",
    "vicreg",
    "sigreg",
)
TRANSITIONS = {"tiny": 220, "laptop": 22_000}
UPDATES = {"tiny": 20, "laptop": 1_500}
EVALUATIONS = {"tiny": 2, "laptop": 10}
EPISODES = {"tiny": 2, "laptop": 100}
ALL: tuple[Negatives, ...] = ("next", "current", "trajectory")


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Findings:
    """Every method on every world (or `parts`); what is in `out` already is not collected, trained or judged again."""
    worlds = (ROPE,) if size == "tiny" else [one for one in (ROPE, REACHER) if not parts or one.name in parts]
    methods = ("naive", "cfm") if size == "tiny" else METHODS
    numbers: dict[str, Any] = {"size": size, "updates": UPDATES[size], "episodes": EPISODES[size], "worlds": {}}
    for world in worlds:
        try:
            dataset = recorded(world, out / f"data-{world.name}", size, on_progress)
        except UserError as error:
            if world is ROPE:
                raise
            numbers.setdefault("left_out", {})[world.name] = str(error)  # no OpenGL here, or no dm_control
            continue
        found = {method: judged(world, method, size, dataset, out, on_progress) for method in methods}
        numbers["worlds"][world.name] = {"random": chance(world, size, out), "methods": found}
    draw(out, numbers)
    return Findings(numbers, text(numbers))


def recorded(world: World, folder: Path, size: str, on_progress: OnProgress) -> DatasetConfig:
    """Random interaction, a tenth of it held out, with the true state for whoever judges."""
    collect(
        world.env,
        folder,
        TRANSITIONS[size],
        held_out=0.1,
        privileged=(world.truth,),
        on_progress=lambda progress: on_progress(folder.name, replace(progress, message=f"collecting {folder.name}")),
    )
    return DatasetConfig(str(folder))


def config(method: str, world: World, size: str, dataset: DatasetConfig) -> OfflineConfig:
    """One method on one dataset. Windows of several steps for all, but for CFM as published: independent pairs."""
    base = model_of(method, world.env.id, size)
    budget = replace(
        base.training,
        updates=UPDATES[size],
        evaluate_every=UPDATES[size] // EVALUATIONS[size],
        log_every=UPDATES[size] // 20,
        checkpoint_every=UPDATES[size] // 2,
    )
    return replace(base, data=dataset, training=budget, goals=())


def model_of(method: str, env_id: str, size: str) -> OfflineConfig:
    """The recipe of a method, or what of one is changed."""
    if method == "naive":
        base = cast(OfflineConfig, recipes.build("naive", size, env_id))
        model = cast(WorldModelConfig, base.model)
        return replace(base, model=replace(model, dynamics=replace(cast(Any, model.dynamics), residual=False)))
    if method == "residual":
        return cast(OfflineConfig, recipes.build("naive", size, env_id))
    if method.startswith("contrastive_"):
        similarity = cast(Any, method.removeprefix("contrastive_"))
        contrast = ContrastiveConfig(similarity, negatives=("next",))
        objective = GoalConfig("distance" if similarity == "distance" else "learned")
        return latent_prediction(
            "contrastive", size, env_id, {"contrastive": contrast}, {"contrastive": 1.0}, objective=objective
        )
    if method == "cfm_published":
        return published_cfm(size, env_id)
    return cast(OfflineConfig, recipes.build(method, size, env_id))


def judged(
    world: World, method: str, size: str, dataset: DatasetConfig, out: Path, on_progress: OnProgress
) -> dict[str, Any]:
    """All that was measured of one method: on the way, at the end, and towards goals; kept in its `judged.json`."""
    folder = out / f"{world.name}-{method}"
    made = config(method, world, size, dataset)
    trained(made, folder, on_progress)
    path = folder / "judged.json"
    if path.exists():
        return json.loads(path.read_text())
    model, made = cast(WorldModel, load(folder, "cpu")), replace(made, device="cpu")
    data = dataset.build(folder, made.seed, torch.device("cpu"), torch.Generator())
    data.load(lambda _: None)
    end = measure(model, data, made.training.length, judge(made.env, data))
    way = [
        {name: x for name, x in line.items() if isinstance(x, float | int)}
        for line in read_metrics(folder, "evaluation")
    ]
    found: dict[str, Any] = {
        "end": end.values,
        "spectrum": end.spectrum.tolist(),
        "way": way,
        "alarms": [{"updates": line["updates"], "text": line["text"]} for line in read_metrics(folder, "alarm")],
        "control": {},
    }
    for goal in world.goals:
        message = f"{folder.name} towards {goal}"
        on_progress(message, Progress("episodes", 0, 1, 0, 0, 0.0, 0, message=message))
        pursuit = pursue(world.env, goal, by_agent(agents.load(folder, "cpu")), EPISODES[size], 0)
        found["control"][goal] = pursuit.measures()
    atomic_write(path, json.dumps(_without_nan(found), indent=1).encode())
    return json.loads(path.read_text())


def _without_nan(found: Any) -> Any:
    """None for what is no number, which JSON has not."""
    if isinstance(found, dict):
        return {name: _without_nan(one) for name, one in found.items()}
    if isinstance(found, list):
        return [_without_nan(one) for one in found]
    return None if isinstance(found, float) and found != found else found


def chance(world: World, size: str, out: Path) -> dict[str, Any]:
    """Acting at random towards every goal."""
    path = out / f"{world.name}-random.json"
    if not path.exists():
        found = {goal: pursue(world.env, goal, at_random, EPISODES[size], 0).measures() for goal in world.goals}
        atomic_write(path, json.dumps(found, indent=1).encode())
    return json.loads(path.read_text())
