"""DreamerV2: categorical latents, balanced divergence, and a policy for discrete actions too (Hafner et al. 2021).

Sizes:
- `tiny`: a few thousand parameters, for tests.
- `laptop`: learns on two CPU cores. `MinAtar/...` from its 10x10 images, `Pendulum-v1` from 32x32, others from 64x64.
  Outside of MinAtar it keeps Dreamer V1's policy, value and optimizers.
- `paper`: the published network and schedule, exactly. `ALE/...` gets those of Atari: deter 600, REINFORCE, a predicted
  discount, the tanh of rewards. Everything else gets those of DeepMind Control: deter 200, gradients through the
  dynamics, a truncated normal. Where episodes can end the discount is predicted; discrete actions get REINFORCE.

Departures:
- A state's value is the return that follows it (`learners/actor_critic.py`).
- Sequences are drawn uniformly. The published code draws the ends of Atari's episodes more often.
- The first imagined state counts by its predicted continuation, which the published code takes from the recording.
- Evaluation acts on the most likely classes. The published one samples them.
- The cell's matrix has no bias before the normalization, which has one of its own.
"""

from dataclasses import replace
from typing import cast

from reverie.agents.policies import PolicyConfig
from reverie.data.replay import ReplayConfig
from reverie.dynamics.latents import CategoricalConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.recipes.dreamer_v1 import MINATAR_DENSE, MINATAR_HORIZON, dreamer_v1
from reverie.recipes.presets import online_preset, published_protocol
from reverie.runs.config import EvaluationConfig, OnlineConfig, TrainingConfig
from reverie.signals import SignalConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import ContinuationConfig, RewardConfig

DEFAULT_ENV = {"tiny": "Pendulum-v1", "laptop": "MinAtar/Breakout-v1", "paper": "ALE/Boxing-v5"}
DECAY = 1e-6
"""Weight decay: the part of every weight that each step removes."""


def dreamer_v2(size: str, env_id: str | None) -> OnlineConfig:
    """The config of one size, for one environment."""
    env_id = env_id or DEFAULT_ENV[size]
    build = {"tiny": tiny, "laptop": laptop, "paper": paper}[size]
    return build(env_id)


def adam(lr: float, clip: float = 100.0) -> AdamConfig:
    """The published optimizer; its weight decay is not multiplied by the learning rate, PyTorch's is."""
    return AdamConfig(lr=lr, eps=1e-5, clip=clip, weight_decay=DECAY / lr)


def network(
    image: ImageConfig, deter: int, hidden: int, latent: CategoricalConfig, dense: MLPConfig, continuation: float
) -> WorldModelConfig:
    """The world model of given sizes; `continuation` is the weight of its head, 0 leaves the head out."""
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(image, dense),
        "reward": RewardConfig(dense),
        "divergence": DivergenceConfig(free=0.0, variant="mean", balance=0.8),
    }
    weights = dict.fromkeys(signals, 1.0)
    if continuation:
        signals["continuation"], weights["continuation"] = ContinuationConfig(dense), continuation
    dynamics = RSSMConfig(deter, hidden, latent, gate_bias=1.0, cell="layer_norm")
    return WorldModelConfig(EncoderConfig(image, dense), dynamics, signals, weights)


def learner(dense: MLPConfig) -> ActorCriticConfig:
    """The learner that both published settings share; it explores by the policy's samples alone."""
    policy = PolicyConfig(dense, min_std=0.1, exploration=0.0, continuous="truncated_normal")
    return ActorCriticConfig(policy, dense, horizon=15, lambda_=0.95, reinforce=None, target_every=100)


PAPER_CONV, PAPER_DENSE = ConvConfig(48, "elu"), MLPConfig(4, 400)


def paper(env_id: str) -> OnlineConfig:
    """The two published settings: one for Atari, one for DeepMind Control and everything else."""
    return atari(env_id) if published_protocol(env_id).family == "atari" else control(env_id)


def atari(env_id: str) -> OnlineConfig:
    """Hafner 2021, App. D, and the published code's settings for Atari; frames count four a decision."""
    model = network(PAPER_CONV, 600, 600, CategoricalConfig(), PAPER_DENSE, continuation=5.0)
    signals = model.signals | {"reward": RewardConfig(PAPER_DENSE, squash="tanh")}
    model = replace(model, signals=signals, weights=model.weights | {"divergence": 0.1}, optimizer=adam(2e-4))
    behavior = replace(
        learner(PAPER_DENSE), gamma=0.999, entropy=1e-3, actor_optimizer=adam(4e-5), value_optimizer=adam(1e-4)
    )
    training = TrainingConfig(200_000_000, 200_000, pretrain=1, round=16, updates=1, batch=16, length=50)
    evaluation = EvaluationConfig(every=1_000_000, episodes=1)
    return replace(published_run(env_id, model, behavior, training), evaluation=evaluation)


def control(env_id: str) -> OnlineConfig:
    """The published settings for DeepMind Control; discrete actions elsewhere get REINFORCE and a discount head."""
    continuation = 5.0 if published_protocol(env_id).terminates else 0.0
    model = network(PAPER_CONV, 200, 200, CategoricalConfig(), PAPER_DENSE, continuation)
    signals = model.signals | {"divergence": DivergenceConfig(free=1.0, variant="mean", balance=0.8)}
    model = replace(model, signals=signals, optimizer=adam(3e-4))
    behavior = replace(
        learner(PAPER_DENSE), gamma=0.99, entropy=1e-4, actor_optimizer=adam(8e-5), value_optimizer=adam(8e-5)
    )
    prefill = 1_000 * published_protocol(env_id).repeat
    training = TrainingConfig(prefill=prefill, pretrain=100, round=5, updates=1, batch=16, length=50)
    return published_run(env_id, model, behavior, training)


def published_run(
    env_id: str, model: WorldModelConfig, behavior: ActorCriticConfig, training: TrainingConfig
) -> OnlineConfig:
    """The run of size `paper`, with the published replay of two million decisions."""
    _, run = online_preset("paper", env_id)
    replay = ReplayConfig(capacity=2_000_000)
    return replace(run, recipe="dreamer_v2", replay=replay, model=model, behavior=behavior, training=training)


def laptop(env_id: str) -> OnlineConfig:
    """Dreamer V1's config of size `laptop` for this environment, with V2's latent, cell, divergence and REINFORCE."""
    if published_protocol(env_id).family == "minatar":
        return minatar(env_id)
    base = dreamer_v1("laptop", env_id)
    dynamics = replace(
        cast(RSSMConfig, base.model.dynamics), latent=CategoricalConfig(16, 16), gate_bias=1.0, cell="layer_norm"
    )
    signals = base.model.signals | {"divergence": DivergenceConfig(free=1.0, variant="mean", balance=0.8)}
    model = replace(base.model, dynamics=dynamics, signals=signals)
    behavior = replace(cast(ActorCriticConfig, base.behavior), reinforce=None)
    return replace(base, recipe="dreamer_v2", model=model, behavior=behavior)


def minatar(env_id: str) -> OnlineConfig:
    """Dreamer V1's config for MinAtar, with V2's latent, cell, divergence, optimizers and REINFORCE."""
    base, units = dreamer_v1("laptop", env_id), MINATAR_DENSE.units
    dynamics = RSSMConfig(units, units, CategoricalConfig(16, 8), gate_bias=1.0, cell="layer_norm")
    signals = base.model.signals | {"divergence": DivergenceConfig(free=0.0, variant="mean", balance=0.8)}
    behavior = replace(
        learner(MINATAR_DENSE),
        horizon=MINATAR_HORIZON,
        gamma=0.99,
        entropy=3e-3,
        actor_optimizer=adam(3e-4),
        value_optimizer=adam(3e-4),
    )
    model = replace(base.model, dynamics=dynamics, signals=signals, optimizer=adam(1e-3))
    return replace(base, recipe="dreamer_v2", model=model, behavior=behavior)


def tiny(env_id: str) -> OnlineConfig:
    """Small enough that a test can train it; too small to learn much."""
    base, dense = dreamer_v1("tiny", env_id), MLPConfig(1, 16)
    model = network(ConvConfig(2, "elu"), 16, 16, CategoricalConfig(4, 4), dense, continuation=5.0)
    behavior = replace(learner(dense), horizon=4, reinforce=0.5, entropy=1e-3, target_every=5)
    return replace(base, recipe="dreamer_v2", model=model, behavior=behavior)
