"""What keeps a latent space from collapsing? One forward model, and what else is learned from its encodings.

A constant encoding predicts itself without error. Each method adds a target, or a term that keeps encodings apart. All
have the same encoder, the same data of random interaction and the same number of updates. Every measure of
`evaluation/representation.py` is taken on held-out data, before the first update and during training. At the end each
method acts: it takes the rope to goal images.

Reading path: this file, `studies/collapse/report.py`, `evaluation/representation.py`, `recipes/latent_prediction.py`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from reverie.agents import agent as agents
from reverie.data.dataset import DatasetConfig
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.evaluation.goals import at_random, by_agent, pursue
from reverie.evaluation.representation import judge, measure
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.planning.objectives import GoalConfig
from reverie.recipes.latent_prediction import latent_prediction, published_cfm
from reverie.runs.config import OfflineConfig
from reverie.runs.logger import read_metrics
from reverie.runs.offline import load_model
from reverie.signals.contrastive import ContrastiveConfig
from studies.collapse.report import NAMES
from studies.kit import Numbers, OnProgress, cached, ensure_trained, load_data, offline_recipe, record, report_progress


@dataclass(frozen=True)
class World:
    """An environment, and the goals for the finished models, if it gives any."""

    name: str
    env: EnvConfig
    goals: tuple[str, ...] = ()
    truth: str = "state"
    """The privileged observation that probes predict; a single image must show it."""


ROPE = World("rope", EnvConfig("reverie/Rope-v0"), ("horizontal", "random"))
REACHER = World(
    "reacher",
    EnvConfig("dm_control/reacher-easy-v0", repeat=4, time_limit=200, rendering="fast"),
    truth="position",
)
PARTS = (ROPE.name, REACHER.name)
METHODS = tuple(NAMES)
TRANSITIONS = {"tiny": 220, "laptop": 22_000}
UPDATES = {"tiny": 20, "laptop": 1_500}
EVALUATIONS = {"tiny": 2, "laptop": 10}
EPISODES = {"tiny": 2, "laptop": 100}


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Numbers:
    """Every method on every world, or on those of `parts`. Left out: a world that cannot run on this machine."""
    worlds = (ROPE,) if size == "tiny" else [world for world in (ROPE, REACHER) if not parts or world.name in parts]
    methods = ("naive", "cfm") if size == "tiny" else METHODS
    numbers: dict[str, Any] = {"size": size, "updates": UPDATES[size], "episodes": EPISODES[size], "worlds": {}}
    for world in worlds:
        folder = out / f"data-{world.name}"
        try:
            dataset = record(world.env, folder, TRANSITIONS[size], (world.truth,), on_progress)
        except UserError as error:
            if world is ROPE:
                raise
            numbers.setdefault("left_out", {})[world.name] = str(error)  # no OpenGL here, or no dm_control
            continue
        results = {method: evaluated(world, method, size, dataset, out, on_progress) for method in methods}
        numbers["worlds"][world.name] = {"random": random_actions(world, size, out), "methods": results}
    return numbers


def config(method: str, world: World, size: str, dataset: DatasetConfig) -> OfflineConfig:
    """One method on one dataset. Sequences of several steps, except in CFM as published: independent pairs."""
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
    """The recipe of a method, with what the study changes."""
    if method == "cfm_published":
        return published_cfm(size, env_id)
    if method.startswith("contrastive_"):
        similarity = cast(Any, method.removeprefix("contrastive_"))
        contrast = ContrastiveConfig(similarity, negatives=("next",))
        objective = GoalConfig("distance" if similarity == "distance" else "learned")
        return latent_prediction("contrastive", size, env_id, {"contrastive": (1, contrast)}, objective=objective)
    base = offline_recipe("naive" if method == "residual" else method, size, env_id)
    if method == "naive":
        model = cast(WorldModelConfig, base.model)
        base = replace(base, model=replace(model, dynamics=replace(cast(Any, model.dynamics), residual=False)))
    return base


def evaluated(
    world: World, method: str, size: str, dataset: DatasetConfig, out: Path, on_progress: OnProgress
) -> dict[str, Any]:
    """Train one method, then measure it on held-out data and towards goals."""
    run_config = config(method, world, size, dataset)
    folder = ensure_trained(run_config, out / f"{world.name}-{method}", on_progress)
    return cached(folder / "result.json", lambda: measured(world, run_config, folder, size, on_progress))


def measured(
    world: World, run_config: OfflineConfig, folder: Path, size: str, on_progress: OnProgress
) -> dict[str, Any]:
    """Measures at the end and during training, alarms, and the distance that remains to each goal."""
    model = cast(WorldModel, load_model(folder, "cpu"))
    recorded = load_data(run_config.data, folder, run_config.seed)
    final = measure(model, recorded, run_config.training.length, judge(run_config.env, recorded))
    lines = read_metrics(folder, "evaluation")
    control = {}
    for goal in world.goals:
        report_progress(on_progress, f"{folder.name} towards {goal}")
        control[goal] = pursue(world.env, goal, by_agent(agents.load(folder, "cpu")), EPISODES[size], 0).measures()
    return {
        "final": final.values,
        "spectrum": final.spectrum.tolist(),
        "history": [{name: x for name, x in line.items() if isinstance(x, float | int)} for line in lines],
        "alarms": [{name: line[name] for name in ("updates", "text")} for line in read_metrics(folder, "alarm")],
        "control": control,
    }


def random_actions(world: World, size: str, out: Path) -> dict[str, Any]:
    """Distance that random actions leave to each goal."""

    def measures() -> dict[str, Any]:
        return {goal: pursue(world.env, goal, at_random, EPISODES[size], 0).measures() for goal in world.goals}

    return cached(out / f"{world.name}-random.json", measures)
