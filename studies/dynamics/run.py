"""Which latent model: deterministic, recurrent (RNN), stochastic (SSM), or both in one (RSSM)?

Two worlds. `reverie/Curtain-v0` needs memory and has chance in it: a ball forks at random, falls behind a curtain
and has to be caught. `Pendulum-v1` is seen in pixels, one frame at a time, so speeds have to be
remembered. In each, all four learn from the same recorded random interaction, and as PlaNet agents from what they
collect; everything but the dynamics is the same.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import UInt8

from reverie import recipes, tree
from reverie.agents import agent as agents
from reverie.data.base import Recorded
from reverie.data.interaction import InteractionConfig
from reverie.data.replay import Replay, ReplayConfig
from reverie.dynamics import DynamicsConfig
from reverie.dynamics.deterministic import DeterministicConfig
from reverie.dynamics.forward_models import MLPForwardConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rnn import RNNConfig
from reverie.dynamics.rollout import imagine, observe, prev_action
from reverie.dynamics.rssm import RSSMConfig
from reverie.dynamics.ssm import SSMConfig
from reverie.envs.base import EnvConfig
from reverie.evaluate import figures, prediction
from reverie.evaluate.probes import linear_probe
from reverie.evaluate.returns import evaluate
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import ICEMConfig
from reverie.runs.config import EvaluationConfig, OfflineConfig, OfflineTrainingConfig, OnlineConfig, TrainingConfig
from reverie.runs.offline import load
from reverie.signals import SignalConfig
from reverie.signals.continuation import ContinuationConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import RewardConfig
from reverie.types import Batch
from reverie_worlds import curtain
from studies import Findings, OnProgress
from studies.dynamics.baselines import references
from studies.dynamics.report import text
from studies.kit import trained

MODELS = ("RSSM", "SSM", "RNN", "Deterministic")
WORLDS = ("curtain", "pendulum")
COLUMNS = curtain.STEPS + 1
"""Of an episode behind the curtain."""
FORK, LANDING = curtain.FORK_STEP, curtain.STEPS
"""The columns in which the ball has just forked, and in which it lands."""
HIDES = curtain.HIDDEN_ROWS[0] - curtain.START_ROW
"""The first column in which the ball is hidden."""
CONTEXT = {"curtain": FORK, "pendulum": 5}
"""Columns that are seen before the open-loop prediction: on the curtain, all before the fork."""
LENGTH = {"curtain": COLUMNS, "pendulum": 35}
STEPS_AHEAD = {world: LENGTH[world] - CONTEXT[world] for world in WORLDS}
SEQUENCES = {"curtain": 100, "pendulum": 16}


def study(out: Path, size: str, on_progress: OnProgress) -> Findings:
    """Both worlds, into `out`."""
    numbers: dict[str, Any] = {"size": size, "references": references(100 if size == "tiny" else 2_000)}
    for world in WORLDS:
        fits = {name: trained(fit(world, name, size), out / f"{world}-{name}-fit", on_progress) for name in MODELS}
        models = {name: cast(WorldModel, load(folder, "cpu")) for name, folder in fits.items()}
        seen, batch = data(fit(world, "RSSM", size), fits["RSSM"], world)
        numbers[world] = {name: judged(model, batch, CONTEXT[world]) for name, model in models.items()}
        if world == "curtain":
            for name, found in models.items():
                numbers[world][name]["memory"] = remembered(found, seen, batch)
        draw(out, world, numbers[world])
        figures.image(out / f"{world}.png", futures(models, batch, CONTEXT[world]))
    for world in WORLDS:
        for name in MODELS:
            config = agent(world, name, size)
            folder = trained(config, out / f"{world}-{name}-agent", on_progress)
            played = agents.load(folder, "cpu")
            returns = evaluate(played, config.env, config.evaluation.final_episodes, config.seed).returns
            numbers[world][name]["returns"] = returns
    return Findings(numbers, text(numbers))


def dynamics(world: str) -> dict[str, DynamicsConfig]:
    """The four, of about equal size."""
    latent = GaussianConfig(16 if world == "curtain" else 20)
    return {
        "RSSM": RSSMConfig(64, 64, latent, gate_bias=1.0),
        "SSM": SSMConfig(128, latent),
        "RNN": RNNConfig(64, 64, latent.size, gate_bias=1.0),
        "Deterministic": DeterministicConfig(latent.size, MLPForwardConfig(MLPConfig(2, 64))),
    }


def model(world: str, name: str, size: str) -> WorldModelConfig:
    """All that is the same, around one of the four; no free nats, so that every nat of the bound counts."""
    if world == "pendulum":
        base = recipes.build("planet", size).model
        assert isinstance(base, WorldModelConfig)
    else:
        mlp, small = MLPConfig(2, 128), MLPConfig(1, 64)
        signals: dict[str, SignalConfig] = {
            "reconstruction": ReconstructionConfig(mlp, mlp, std=0.5),
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
    """Of a model, whether it is fitted or learns by acting."""
    return 4 if size == "tiny" else {"curtain": 5_000, "pendulum": 1_500}[world]


def env(world: str, size: str) -> EnvConfig:
    """As the model sees it."""
    if world == "curtain":
        return EnvConfig("reverie/Curtain-v0", ("state",), image_size=curtain.SIZE)
    own = cast(OnlineConfig, recipes.build("planet", size)).env
    return replace(own, time_limit=2 * LENGTH[world] * own.repeat) if size == "tiny" else own


def fit(world: str, name: str, size: str) -> OfflineConfig:
    """One model on recorded random interaction, the same for all."""
    episodes = {"tiny": (20, 5), "laptop": (2_000, 200)}[size]
    train, test = (count * COLUMNS for count in episodes)
    if world == "pendulum":
        train, test = {"tiny": (200, 200), "laptop": (4_000, 1_000)}[size]
    data = InteractionConfig(env(world, size), train, test)
    batch, length = {"curtain": (64, COLUMNS), "pendulum": (16, 24)}[world]
    count = updates(world, size)
    budget = OfflineTrainingConfig(count, batch, length, evaluate_every=count)
    return OfflineConfig("state_space", size, data=data, model=model(world, name, size), training=budget)


def agent(world: str, name: str, size: str) -> OnlineConfig:
    """One model as a PlaNet agent. Without warm starts, so that no plan remembers what the model has forgotten."""
    base = cast(OnlineConfig, recipes.build("planet", size))
    if world == "pendulum":
        training = replace(base.training, frames={"tiny": 440, "laptop": base.training.frames}[size])
        quick = base.behavior if size == "tiny" else PlanningConfig(ICEMConfig())
        return replace(base, env=env(world, size), model=model(world, name, size), behavior=quick, training=training)
    planner = ICEMConfig(horizon=curtain.STEPS, candidates=64, elites=10, iterations=3, init_std=1.0)
    frames, count = {"tiny": 200, "laptop": 6_000}[size], updates(world, size)
    rounds = 2 if size == "tiny" else 20
    training = TrainingConfig(
        frames=frames,
        prefill=frames // 6,
        round=frames * 5 // 6 // rounds,
        updates=count // rounds,
        batch=64,
        length=COLUMNS,
    )
    if size == "tiny":
        planner = ICEMConfig(horizon=3, candidates=8, elites=2, iterations=1)
    return replace(
        base,
        env=env(world, size),
        replay=ReplayConfig(capacity=frames + COLUMNS),
        model=model(world, name, size),
        behavior=PlanningConfig(planner, num_samples=2, warm_start=False, exploration=0.3),
        training=training,
        evaluation=EvaluationConfig(final_episodes={"tiny": 2, "laptop": 100}[size]),
    )


def data(config: OfflineConfig, folder: Path, world: str) -> tuple[Batch, Batch]:
    """Sequences that the models have learned from, and held-out ones; none with an episode's border in it."""
    recorded: Recorded = config.data.build(folder, config.seed, torch.device("cpu"), torch.Generator())
    recorded.load(lambda said: None)

    def whole(part: Replay, most: int) -> Batch:
        batch = part.sequential(LENGTH[world], 10 * most)
        kept = ~batch.is_first[:, 1:].any(1)
        return tree.map(lambda x: x[kept][:most], batch)

    return whole(recorded.train, 10 * SEQUENCES[world]), whole(recorded.test, SEQUENCES[world])


def judged(found: WorldModel, batch: Batch, context: int) -> dict[str, Any]:
    """All that is measured on held-out sequences; lists are by step."""
    from reverie.evaluate.open_loop import predict

    samples = 1 if found.dynamics.noise_size == 0 else prediction.SAMPLES
    loop = predict(found, batch, context)
    sampled = prediction.ahead(found, batch, context, samples)
    return {
        **prediction.bound(found, batch),
        "surprise": prediction.surprise(found, batch, samples).tolist(),
        "ahead_surprise": sampled.surprise.tolist(),
        "ahead_image_error": loop.model_error.tolist(),
        "ahead_reward_error": sampled.reward_error.tolist(),
        "parameters": sum(parameter.numel() for parameter in found.get_submodule("dynamics").parameters()),
    }


@torch.no_grad()
def remembered(found: WorldModel, seen: Batch, held_out: Batch) -> list[float]:
    """By column, how much of where the ball will land a linear probe reads from the belief (R^2, held out)."""

    def beliefs(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        noise = found.noise(batch.action.shape[0], batch.action.shape[1], torch.Generator().manual_seed(0))
        row = batch.obs["state"][:, LANDING, curtain.LANDING_ROW, :, 0].float()
        return found.trace(batch, noise).features, (row * torch.arange(curtain.SIZE)).sum(1) / row.sum(1)

    (features, column), (test_features, test_column) = beliefs(seen), beliefs(held_out)
    return [linear_probe(features[:, t], column, test_features[:, t], test_column) for t in range(COLUMNS)]


def draw(out: Path, world: str, numbers: Mapping[str, Any]) -> None:
    """Lines by step, a color a model."""
    if world == "curtain":
        figures.lines(
            out / "curtain_surprise.png",
            {name: list(enumerate(found["surprise"], start=1)) for name, found in numbers.items()},
            title=f"Nats of surprise, one step ahead: the ball forks at step {FORK}, lands at {LANDING}",
            xlabel="step of the episode",
            ylabel="surprise (nats an image)",
        )
        figures.lines(
            out / "curtain_memory.png",
            {name: list(enumerate(found["memory"])) for name, found in numbers.items()},
            title=f"What the belief knows of where the ball will land: hidden from step {HIDES} on",
            xlabel="step of the episode",
            ylabel="linear probe, R² (held out)",
        )
    for key, unit in (("image_error", "image error (rms, of 255)"), ("reward_error", "reward error (rms)")):
        figures.lines(
            out / f"{world}_{key}.png",
            {name: list(enumerate(found[f"ahead_{key}"], start=1)) for name, found in numbers.items()},
            title=f"{world.capitalize()}: open loop after {CONTEXT[world]} frames",
            xlabel="steps into the imagination",
            ylabel=unit,
        )


@torch.no_grad()
def futures(models: Mapping[str, WorldModel], batch: Batch, context: int) -> UInt8[np.ndarray, "H W C"]:
    """What came (first row), then two imagined futures of each model, sampled where the model can."""
    one = tree.map(lambda x: x[:1], batch)
    steps = np.unique(np.linspace(0, one.action.shape[1] - 1, COLUMNS).round().astype(int)).tolist()
    rows = []
    for found in models.values():
        name = found.normalize.images[0]
        if not rows:
            rows.append([one.obs[name][0, step].numpy() for step in steps])
        led_here, embed = prev_action(one.action), found.encoder(found.normalize(one.obs))
        for seed in (0, 1):
            generator = torch.Generator().manual_seed(seed)
            start, noise = found.dynamics.initial(1), found.dynamics.noise(1, len(led_here[0]), generator=generator)
            first, rest = slice(None, context), slice(context, None)
            seen = observe(
                found.dynamics, start, led_here[:, first], embed[:, first], one.is_first[:, first], noise[:, first]
            )[1]
            last = tree.map(lambda x: x[:, -1], seen)
            states = imagine(found.dynamics, last, led_here[:, rest], noise[:, rest])
            features = torch.cat([found.dynamics.features(seen), found.dynamics.features(states)], 1)
            images = found.decode(features, in_env_units=True)[name][0]
            rows.append([images[step].round().to(torch.uint8).numpy() for step in steps])
    return figures.mosaic(rows, gap_after=sum(step < context for step in steps))
