"""Which latent model: deterministic, recurrent (RNN), stochastic (SSM), or both in one (RSSM)?

Two worlds. `reverie/Curtain-v0` needs memory and is random: a ball forks at random, falls behind a curtain and has to
be caught. `Pendulum-v1` is observed in single frames, so speeds have to be remembered. In each, all four learn twice:
from the same recorded random interaction, and as PlaNet agents from their own. Only the dynamics differs.

Reading path: this file, `studies/dynamics/report.py`, `dynamics/rssm.py`, `evaluation/prediction.py`.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import UInt8

from reverie import tree
from reverie.agents import agent as agents
from reverie.data.interaction import InteractionConfig
from reverie.data.replay import Replay, ReplayConfig
from reverie.dynamics import DynamicsConfig
from reverie.dynamics.deterministic import DeterministicConfig, MLPForwardConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rollout import imagine, observe, prev_action
from reverie.dynamics.rssm import RNNConfig, RSSMConfig, SSMConfig
from reverie.envs.base import EnvConfig
from reverie.evaluation import films, prediction
from reverie.evaluation.open_loop import predict
from reverie.evaluation.probes import linear_probes
from reverie.evaluation.returns import evaluate
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import ICEMConfig
from reverie.runs.config import EvaluationConfig, OfflineConfig, OfflineTrainingConfig, OnlineConfig, TrainingConfig
from reverie.runs.offline import load_model
from reverie.signals import SignalConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import ContinuationConfig, RewardConfig
from reverie.types import Batch
from reverie_worlds import curtain
from studies.dynamics.baselines import baseline_returns
from studies.dynamics.report import CONTEXT, LANDING
from studies.kit import Numbers, OnProgress, ensure_trained, load_data, online_recipe

MODELS = ("RSSM", "SSM", "RNN", "Deterministic")
WORLDS = ("curtain", "pendulum")
TINY = {"curtain": ("RSSM", "RNN"), "pendulum": ("SSM", "Deterministic")}
"""The models of size `tiny`: each in one world."""
TINY_PLANNER = ICEMConfig(horizon=3, candidates=8, elites=2, iterations=1)
COLUMNS = curtain.STEPS + 1
"""Of an episode behind the curtain."""
LENGTH = {"curtain": COLUMNS, "pendulum": 35}
SEQUENCES = {"curtain": 100, "pendulum": 16}


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Numbers:
    """Both worlds."""
    numbers: dict[str, Any] = {"size": size, "baselines": baseline_returns(100 if size == "tiny" else 2_000)}
    names = TINY if size == "tiny" else dict.fromkeys(WORLDS, MODELS)
    for world in WORLDS:
        configs = {name: fit(world, name, size) for name in names[world]}
        numbers[world] = predictions(out, world, configs, on_progress)[0]
    for world in WORLDS:
        for name in names[world]:
            config, folder = agent(world, name, size), out / f"{world}-{name}-agent"
            numbers[world][name]["returns"] = returns(config, folder, on_progress)
    return numbers


def predictions(
    out: Path, world: str, configs: Mapping[str, OfflineConfig], on_progress: OnProgress
) -> tuple[dict[str, dict[str, Any]], dict[str, WorldModel], Batch]:
    """Fit models to recorded data, measure them on held-out sequences, and draw futures in `WORLD.png`.

    Returns the measurements and the models by name, and the held-out sequences.
    """
    folders = {
        name: ensure_trained(config, out / f"{world}-{name}-fit", on_progress) for name, config in configs.items()
    }
    models = {name: cast(WorldModel, load_model(folder, "cpu")) for name, folder in folders.items()}
    first = next(iter(configs))
    train, test = sequences(configs[first], folders[first], world)
    numbers = {name: measured(model, test, CONTEXT[world]) for name, model in models.items()}
    if world == "curtain":
        for name, model in models.items():
            numbers[name]["position_r2"] = position_probe(model, train, test)
    films.write_image(out / f"{world}.png", futures(models, test, CONTEXT[world]))
    return numbers, models, test


def returns(config: OnlineConfig, folder: Path, on_progress: OnProgress) -> list[float]:
    """Final returns of an agent, trained for it."""
    trained = agents.load(ensure_trained(config, folder, on_progress), "cpu")
    return evaluate(trained, config.env, config.evaluation.final_episodes, config.seed).returns


def dynamics(world: str) -> dict[str, DynamicsConfig]:
    """The four, with latents of the same size."""
    latent = GaussianConfig(16 if world == "curtain" else 20)
    return {
        "RSSM": RSSMConfig(64, 64, latent, gate_bias=1.0),
        "SSM": SSMConfig(128, latent),
        "RNN": RNNConfig(64, 64, latent.size, gate_bias=1.0),
        "Deterministic": DeterministicConfig(latent.size, MLPForwardConfig(MLPConfig(2, 64))),
    }


def model(world: str, name: str, size: str) -> WorldModelConfig:
    """The same world model around one of the four; no free nats, so that every nat of the bound counts."""
    if world == "pendulum":
        base = online_recipe("planet", size).model
    else:
        mlp, small = MLPConfig(2, 128), MLPConfig(1, 64)
        signals: dict[str, SignalConfig] = {
            "reconstruction": ReconstructionConfig(mlp, mlp, std=0.5, vector_std=0.5),
            "reward": RewardConfig(small),
            "continuation": ContinuationConfig(small),
            "divergence": DivergenceConfig(),
        }
        weights = dict.fromkeys(signals, 1.0) | {"reward": 50.0}
        base = WorldModelConfig(EncoderConfig(mlp, mlp), signals=signals, weights=weights)
    signals = base.signals | {"divergence": DivergenceConfig(free=0.0)}
    rate = {"curtain": 3e-3, "pendulum": 2e-3}[world]
    optimizer = AdamConfig(lr=rate, clip=100.0, decay=updates(world, size))
    return replace(base, dynamics=dynamics(world)[name], signals=signals, optimizer=optimizer)


def updates(world: str, size: str) -> int:
    """Updates of a model, offline or as an agent."""
    return 4 if size == "tiny" else {"curtain": 5_000, "pendulum": 1_500}[world]


def env(world: str, size: str) -> EnvConfig:
    """The environment as the model observes it."""
    if world == "curtain":
        return EnvConfig("reverie/Curtain-v0", ("state",), image_size=curtain.SIZE)
    own = online_recipe("planet", size).env
    return replace(own, time_limit=(LENGTH[world] - 1) * own.repeat) if size == "tiny" else own


def fit(world: str, name: str, size: str) -> OfflineConfig:
    """An offline run: one model on random interaction, the same for all."""
    episodes = {"tiny": (20, 5), "laptop": (2_000, 200)}[size]
    train, test = (count * COLUMNS for count in episodes)
    if world == "pendulum":
        train, test = {"tiny": (68, 68), "laptop": (4_000, 1_000)}[size]
    data = InteractionConfig(env(world, size), train, test)
    batch, length = {"curtain": (64, COLUMNS), "pendulum": (16, 24)}[world]
    count = updates(world, size)
    budget = OfflineTrainingConfig(count, batch, length, evaluate_every=count)
    return OfflineConfig("state_space", size, data=data, model=model(world, name, size), training=budget)


def agent(world: str, name: str, size: str) -> OnlineConfig:
    """One model as a PlaNet agent, without warm starts: a plan must not remember what the model has forgotten."""
    base = replace(online_recipe("planet", size), env=env(world, size), model=model(world, name, size))
    if world == "pendulum":
        planner = TINY_PLANNER if size == "tiny" else ICEMConfig()
        training = replace(base.training, frames=280, prefill=200) if size == "tiny" else base.training
        return replace(base, behavior=PlanningConfig(planner), training=training)
    search = ICEMConfig(horizon=curtain.STEPS, candidates=64, elites=10, iterations=3, init_std=1.0)
    planner, frames, rounds = (TINY_PLANNER, 100, 2) if size == "tiny" else (search, 6_000, 20)
    training = TrainingConfig(
        frames=frames,
        prefill=frames // 6,
        round=frames * 5 // 6 // rounds,
        updates=updates(world, size) // rounds,
        batch=64,
        length=COLUMNS,
    )
    return replace(
        base,
        replay=ReplayConfig(capacity=frames + COLUMNS),
        behavior=PlanningConfig(planner, num_samples=2, warm_start=False, exploration=0.3),
        training=training,
        evaluation=EvaluationConfig(final_episodes={"tiny": 2, "laptop": 100}[size]),
    )


def sequences(config: OfflineConfig, folder: Path, world: str) -> tuple[Batch, Batch]:
    """Training sequences and held-out ones; none crosses the end of an episode."""
    recorded = load_data(config.data, folder, config.seed)

    def whole(part: Replay, most: int) -> Batch:
        batch = part.sequential(LENGTH[world], 10 * most)
        inside = ~batch.is_first[:, 1:].any(1)
        return tree.map(lambda x: x[inside][:most], batch)

    return whole(recorded.train, 10 * SEQUENCES[world]), whole(recorded.test, SEQUENCES[world])


def measured(model: WorldModel, batch: Batch, context: int) -> dict[str, Any]:
    """Measures on held-out sequences; lists are by step."""
    samples = 1 if model.dynamics.noise_size == 0 else prediction.SAMPLES
    loop, sampled = predict(model, batch, context), prediction.ahead(model, batch, context, samples)
    return {
        **prediction.bound(model, batch),
        "excess_nll": prediction.surprise(model, batch, samples).tolist(),
        "open_loop_excess_nll": sampled.surprise.tolist(),
        "open_loop_image_error": loop.model_error.tolist(),
        "open_loop_reward_error": sampled.reward_error.tolist(),
        "parameters": sum(parameter.numel() for parameter in model.get_submodule("dynamics").parameters()),
    }


@torch.no_grad()
def position_probe(model: WorldModel, train: Batch, test: Batch) -> list[float]:
    """By column, R² (held out) of a linear probe of the belief for the column of the image in which the ball lands."""

    def beliefs(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        noise = model.noise(batch.action.shape[0], batch.action.shape[1], torch.Generator().manual_seed(0))
        row = batch.obs["state"][:, LANDING, curtain.LANDING_ROW, :, 0].float()
        return model.trace(batch, noise).features, (row * torch.arange(curtain.SIZE)).sum(1) / row.sum(1)

    (features, column), (test_features, test_column) = beliefs(train), beliefs(test)
    targets, test_targets = column[:, None], test_column[:, None]
    return [linear_probes(features[:, t], targets, test_features[:, t], test_targets).item() for t in range(COLUMNS)]


@torch.no_grad()
def futures(models: Mapping[str, WorldModel], batch: Batch, context: int) -> UInt8[np.ndarray, "H W C"]:
    """The recorded frames (first row), then two imagined futures of each model, sampled where the model can."""
    first = tree.map(lambda x: x[:1], batch)
    steps = np.unique(np.linspace(0, first.action.shape[1] - 1, COLUMNS).round().astype(int)).tolist()
    image = next(iter(models.values())).normalize.images[0]
    rows = [list(first.obs[image][0, steps].numpy())]
    for model in models.values():
        rows += [list(future(model, first, context, seed)[steps]) for seed in (0, 1)]
    labels = ["recorded", *(f"{name}\nfuture {number}" for name in models for number in (1, 2))]
    times = [f"t = {step}\n{'seen' if step < context else 'imagined'}" for step in steps]
    seen_columns = sum(step < context for step in steps)
    return films.mosaic(rows, gap_after=seen_columns, row_labels=labels, column_labels=times)


def future(model: WorldModel, batch: Batch, context: int, seed: int) -> UInt8[np.ndarray, "T h w c"]:
    """Frames of the first sequence: reconstructed up to `context`, then imagined."""
    dynamics, image, generator = model.dynamics, model.normalize.images[0], torch.Generator().manual_seed(seed)
    action, embed = prev_action(batch.action), model.encoder(model.normalize(batch.obs))
    start, noise = dynamics.initial(1), dynamics.noise(1, action.shape[1], generator=generator)
    seen, rest = (slice(None), slice(None, context)), (slice(None), slice(context, None))
    posterior = observe(dynamics, start, action[seen], embed[seen], batch.is_first[seen], noise[seen])[1]
    states = imagine(dynamics, tree.map(lambda x: x[:, -1], posterior), action[rest], noise[rest])
    features = torch.cat([dynamics.features(posterior), dynamics.features(states)], 1)
    pixels = model.decode(features, in_env_units=True)[image][0]
    return pixels.round().to(torch.uint8).numpy()
