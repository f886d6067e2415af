"""Dreamer V1: a Gaussian RSSM, and a policy trained by gradients through its imagination (Hafner et al. 2020).

Reading path: this recipe, `dynamics/rssm.py`, `signals/divergence.py`, `learners/actor_critic.py`, `runs/loop.py`.

Sizes:
- `tiny`: a few thousand parameters, for tests.
- `laptop`: learns on two CPU cores. On `Pendulum-v1` (the demo) from 32x32 pixels, on `MinAtar/...` from its 10x10
  images; elsewhere from 64x64.
- `paper`: the published network and schedule for DeepMind Control, exactly: 64x64 pixels, batches of 50 x 50,
  deter 200, stoch 30, dense layers of 400 as in the published code (the text says 300).
"""

from dataclasses import replace

from reverie.agents.policies import PolicyConfig
from reverie.data.replay import ReplayConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.envs.base import EnvConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.runs.config import EvaluationConfig, OnlineConfig, TrainingConfig
from reverie.signals import SignalConfig
from reverie.signals.continuation import ContinuationConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import RewardConfig

DEFAULT_ENV = {"tiny": "Pendulum-v1", "laptop": "Pendulum-v1", "paper": "dm_control/walker-walk-v0"}


def dreamer_v1(size: str, env_id: str | None) -> OnlineConfig:
    """The config of one size, for one environment."""
    env_id = env_id or DEFAULT_ENV[size]
    if size == "tiny":
        return tiny(env_id)
    if size == "laptop":
        if env_id.startswith("MinAtar/"):
            return grid(env_id)
        return demo() if env_id == "Pendulum-v1" else laptop(env_id)
    return paper(env_id)


def network(
    depth: int,
    deter: int,
    stoch: int,
    hidden: int,
    units: int,
    layers: tuple[int, int, int],
    continuation: bool,
) -> tuple[WorldModelConfig, ActorCriticConfig]:
    """World model and behavior of given sizes; `layers` of the reward, value and actor networks."""
    conv, (reward, value, actor) = ConvConfig(depth), layers
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(conv, MLPConfig(2, units)),
        "reward": RewardConfig(MLPConfig(reward, units)),
        "divergence": DivergenceConfig(free=3.0, variant="mean"),
    }
    if continuation:
        signals["continuation"] = ContinuationConfig(MLPConfig(value, units))
    model = WorldModelConfig(
        encoder=EncoderConfig(conv, MLPConfig(2, units)),
        dynamics=RSSMConfig(deter, hidden, GaussianConfig(stoch)),
        signals=signals,
        weights=dict.fromkeys(signals, 1.0) | ({"continuation": 10.0} if continuation else {}),
    )
    behavior = ActorCriticConfig(policy=PolicyConfig(MLPConfig(actor, units)), value=MLPConfig(value, units))
    return model, behavior


def family(env_id: str, image_size: int) -> EnvConfig:
    """DeepMind Control (action repeat 2, no terminations) and Atari (4) as published; others one frame a decision."""
    repeats = {"dm_control": 2, "ALE": 4}
    return EnvConfig(id=env_id, image_size=image_size, repeat=repeats.get(env_id.partition("/")[0], 1))


def paper(env_id: str) -> OnlineConfig:
    """Hafner 2020, App. A, and the hyper-parameters of its published code.

    Other environments than DeepMind Control get its settings for discrete ones: horizon 10, divergence weighted by
    0.1, a continuation head; the published exploration there, which decays, is constant here.
    """
    control = env_id.startswith("dm_control/")
    model, behavior = network(32, 200, 30, 200, 400, (2, 3, 4), continuation=not control)
    if not control:
        model = replace(model, weights=model.weights | {"divergence": 0.1})
        behavior = replace(behavior, horizon=10)
    return OnlineConfig(
        recipe="dreamer_v1",
        size="paper",
        env=family(env_id, 64),
        model=model,
        behavior=behavior,
        training=TrainingConfig(pretrain=100),
        evaluation=EvaluationConfig(every=10_000, episodes=1),
    )


def small(
    model: WorldModelConfig, behavior: ActorCriticConfig, std: float
) -> tuple[WorldModelConfig, ActorCriticConfig]:
    """What a small budget needs beside a small network; each reason is measured in `docs/log.md`.

    Normalized images, with a likelihood of `std`: the model sees what moves from the first update. Rewards that
    count fifty times: the policy was found in half as many updates. A policy that starts with moderate actions and is
    paid for entropy: it does not run into the flat part of the tanh while the reward model is still wrong. The actor's
    gradient, which grows a hundredfold while it learns, is cut to norm 1. Larger learning rates.
    """
    encoder = replace(model.encoder, normalize=True)
    reconstruction = ReconstructionConfig(encoder.image, encoder.vector, std=std)
    model = replace(
        model,
        encoder=encoder,
        signals=model.signals | {"reconstruction": reconstruction},
        weights=model.weights | {"reward": 50.0},
        optimizer=AdamConfig(lr=2e-3, clip=1000.0),
    )
    policy = replace(behavior.policy, init_std=1.0, min_std=0.1)
    behavior = replace(
        behavior,
        policy=policy,
        entropy=0.3,
        actor_optimizer=AdamConfig(lr=1e-3, clip=1.0),
        value_optimizer=AdamConfig(lr=1e-3),
    )
    return model, behavior


def laptop(env_id: str) -> OnlineConfig:
    """A quarter of the published convolutions, half of its dense layers; as many updates a frame, of small batches."""
    control = env_id.startswith("dm_control/")
    model, behavior = small(*network(8, 200, 30, 200, 200, (2, 2, 2), continuation=not control), std=8.0)
    return OnlineConfig(
        recipe="dreamer_v1",
        size="laptop",
        env=replace(family(env_id, 64), rendering="fast" if control else "stock"),
        replay=ReplayConfig(capacity=100_000),
        model=replace(model, optimizer=AdamConfig(lr=1e-3, clip=1000.0)),
        behavior=replace(behavior, actor_optimizer=AdamConfig(lr=3e-4, clip=1.0)),
        training=TrainingConfig(
            frames=100_000,
            prefill=5_000,
            round=50,
            updates=10,
            batch=16,
            length=24,
            checkpoint_every=1_000,
        ),
        evaluation=EvaluationConfig(every=10_000, episodes=1),
    )


def demo() -> OnlineConfig:
    """`Pendulum-v1` from 32x32 pixels, in minutes on two cores; rewards (down to -16 a frame) are divided by 16."""
    model, behavior = small(*network(8, 64, 20, 64, 64, (2, 2, 2), continuation=False), std=4.0)
    signals = model.signals | {"reward": RewardConfig(MLPConfig(2, 64), scale=1 / 16)}
    decay = 1_750  # updates, all that 8,000 frames give: what was learned last must not be what was unlearned last
    return OnlineConfig(
        recipe="dreamer_v1",
        size="laptop",
        env=EnvConfig(id="Pendulum-v1", image_size=32, repeat=2),
        replay=ReplayConfig(capacity=20_000),
        model=replace(model, signals=signals, optimizer=replace(model.optimizer, decay=decay)),
        behavior=replace(
            behavior,
            gamma=0.97,
            actor_optimizer=replace(behavior.actor_optimizer, decay=decay),
            value_optimizer=replace(behavior.value_optimizer, decay=decay),
        ),
        training=TrainingConfig(
            frames=8_000,
            prefill=1_000,
            round=100,
            updates=50,
            batch=16,
            length=24,
            log_every=100,
            checkpoint_every=500,
        ),
        evaluation=EvaluationConfig(every=0, final_episodes=10),
    )


GRID, GRID_HORIZON = MLPConfig(2, 128), 10
"""Every network for MinAtar, and how far is imagined there: an update takes a fifth of a second on one core."""


def grid(env_id: str) -> OnlineConfig:
    """MinAtar: dense layers, for its images are no larger than vectors; they end, and actions are discrete.

    Normalized images: what moves is a few of 400 pixels, 0 or 1, and each must outweigh the nats that it costs.
    Rewards that count twenty times, for they are as rare. Otherwise the settings published for discrete actions.
    """
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(GRID, GRID, std=1.0),
        "reward": RewardConfig(GRID),
        "divergence": DivergenceConfig(free=3.0, variant="mean"),
        "continuation": ContinuationConfig(GRID),
    }
    model = WorldModelConfig(
        encoder=EncoderConfig(GRID, GRID, normalize=True),
        dynamics=RSSMConfig(GRID.units, GRID.units, GaussianConfig(30)),
        signals=signals,
        weights=dict.fromkeys(signals, 1.0) | {"reward": 20.0, "continuation": 5.0},
        optimizer=AdamConfig(lr=1e-3),
    )
    behavior = ActorCriticConfig(
        policy=PolicyConfig(GRID, exploration=0.1),
        value=GRID,
        horizon=GRID_HORIZON,
        entropy=3e-3,
        actor_optimizer=AdamConfig(lr=3e-4),
        value_optimizer=AdamConfig(lr=3e-4),
    )
    return OnlineConfig(
        recipe="dreamer_v1",
        size="laptop",
        env=EnvConfig(env_id, image_size=10, time_limit=2_500),
        replay=ReplayConfig(capacity=200_000),
        model=model,
        behavior=behavior,
        training=TrainingConfig(
            frames=60_000,
            prefill=4_000,
            pretrain=200,
            round=100,
            updates=10,
            batch=16,
            length=16,
            log_every=500,
            checkpoint_every=2_500,
        ),
        evaluation=EvaluationConfig(every=5_000, episodes=10, final_episodes=100),
    )


def tiny(env_id: str) -> OnlineConfig:
    """Small enough that a test can train it; too small to learn much."""
    model, behavior = network(2, 16, 4, 16, 16, (1, 1, 1), continuation=True)
    return OnlineConfig(
        recipe="dreamer_v1",
        size="tiny",
        env=EnvConfig(id=env_id, image_size=16, repeat=max(2, family(env_id, 16).repeat)),
        replay=ReplayConfig(capacity=2_000),
        model=model,
        behavior=replace(behavior, horizon=4),
        training=TrainingConfig(
            frames=1_000,
            prefill=400,
            round=50,
            updates=5,
            batch=4,
            length=8,
            log_every=50,
            checkpoint_every=100,
        ),
        evaluation=EvaluationConfig(every=0, final_episodes=1),
    )
