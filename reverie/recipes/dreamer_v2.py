"""DreamerV2: categorical latents, balanced divergence, and a policy for discrete actions too (Hafner et al. 2021).

Sizes:
- `tiny`: a few thousand parameters, for tests.
- `small`: `laptop` for images of at most 16 pixels, with the networks for MinAtar.
- `laptop`: learns on two CPU cores. `MinAtar/...` from its 10x10 images, `Pendulum-v1` from 32x32, others from 64x64.
  Outside of MinAtar it keeps Dreamer V1's policy, value and optimizers.
- `paper`: the network and schedule of the published code (danijar/dreamerv2). `ALE/...` gets those of Atari: deter 600,
  REINFORCE, a predicted discount, the tanh of rewards. Everything else gets those of DeepMind Control: deter 200,
  gradients through the dynamics, a truncated normal. Where episodes can end the discount is predicted; discrete actions
  get REINFORCE.

Departures at size `paper`:
- A state's value is the return that follows it (`learners/actor_critic.py`). The actor learns from 15 returns of a
  trajectory where the published code has 14: the reward of the last step is a term of its own.
- The actor and the value imagine with the model after its step, the published ones before it: one update newer.
- The first imagined state counts by its predicted continuation, which the published code takes from the recording. So a
  trajectory from a terminal state is weighted by what the head believes, and not by 0.
- The cell's matrix has no bias before the normalization, which has one of its own: a vector of weights less.
- Checkpoints of Atari are a million frames apart, and the log 40,000, so that a run does not write terabytes.
- Weights and sums have 32 bits, the published ones 16 in part. It is slower and rounds less.
"""

from dataclasses import replace
from typing import cast

from reverie.agents.policies import PolicyConfig
from reverie.dynamics.latents import CategoricalConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.recipes.dreamer_v1 import MINATAR_DENSE, MINATAR_HORIZON, dreamer_v1, world_model
from reverie.recipes.presets import online_preset, published_protocol, whole_replay
from reverie.runs.config import OnlineConfig, TrainingConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reward import ContinuationConfig, RewardConfig

SIZES = ("tiny", "small", "laptop", "paper")
BREAKOUT = "MinAtar/Breakout-v1"
DEFAULT_ENV = {"tiny": "Pendulum-v1", "small": BREAKOUT, "laptop": BREAKOUT, "paper": "ALE/Boxing-v5"}


def dreamer_v2(size: str, env_id: str | None) -> OnlineConfig:
    build = {"tiny": tiny, "small": minatar, "laptop": laptop, "paper": paper}[size]
    return build(env_id or DEFAULT_ENV[size])


def adam(lr: float, epsilon_hat: bool = True) -> AdamConfig:
    """The published optimizer: every step removes a millionth of every weight, whatever the learning rate."""
    return AdamConfig(lr=lr, eps=1e-5, epsilon_hat=epsilon_hat, weight_decay=1e-6, decay_by="fraction")


def divergence(free: float) -> DivergenceConfig:
    """The balanced divergence (Hafner 2021, Sec. 2)."""
    return DivergenceConfig(free=free, variant="mean", balance=0.8)


def network(
    image: ImageConfig, units: int, latent: CategoricalConfig, dense: MLPConfig, end: float, discount: float = 1.0
) -> WorldModelConfig:
    """The world model of given sizes; `end` is the weight of the continuation head, 0 leaves the head out.

    `discount` is what the head learns where the episode goes on.
    """
    dynamics = RSSMConfig(units, units, latent, gate_bias=1.0, cell="layer_norm")
    continuation = ContinuationConfig(dense, discount) if end else None
    return world_model(image, dense, dynamics, divergence(0.0), dense, continuation, {"continuation": end})


def learner(dense: MLPConfig) -> ActorCriticConfig:
    """The learner that both published settings share; it explores by the policy's samples alone."""
    policy = PolicyConfig(dense, min_std=0.1, exploration=0.0, continuous="truncated_normal")
    return ActorCriticConfig(policy, dense, horizon=15, lambda_=0.95, reinforce=None, target_every=100)


PAPER_CONV, PAPER_DENSE = ConvConfig(48, "elu"), MLPConfig(4, 400)


def paper(env_id: str) -> OnlineConfig:
    """The two published settings: one for Atari, one for DeepMind Control and everything else."""
    return atari(env_id) if published_protocol(env_id).family == "atari" else control(env_id)


def atari(env_id: str) -> OnlineConfig:
    """Hafner 2021, App. D, and the published code's settings for Atari; a decision is four frames."""
    model = network(PAPER_CONV, 600, CategoricalConfig(), PAPER_DENSE, end=5.0, discount=0.999)
    signals = model.signals | {"reward": RewardConfig(PAPER_DENSE, squash="tanh")}
    model = replace(model, signals=signals, weights=model.weights | {"divergence": 0.1}, optimizer=adam(2e-4))
    actor, value = adam(4e-5), adam(1e-4)
    behavior = replace(learner(PAPER_DENSE), gamma=1.0, entropy=1e-3, actor_optimizer=actor, value_optimizer=value)
    training = TrainingConfig(
        200_000_000, 200_000, pretrain=1, round=16, updates=1, batch=16, length=50, log_every=10_000,
        checkpoint_every=250_000,
    )  # fmt: skip
    run = published_run(env_id, model, behavior, training, evaluate_every=1_000_000)
    return replace(run, replay=replace(run.replay, ends=True))


def control(env_id: str) -> OnlineConfig:
    """The published settings for DeepMind Control; discrete actions elsewhere get REINFORCE and a discount head."""
    protocol, adam_behavior = published_protocol(env_id), adam(8e-5)
    gamma, end = ActorCriticConfig().gamma, 5.0 if protocol.terminates else 0.0
    model = network(PAPER_CONV, 200, CategoricalConfig(), PAPER_DENSE, end, discount=gamma)
    model = replace(model, signals=model.signals | {"divergence": divergence(1.0)}, optimizer=adam(3e-4))
    behavior = replace(learner(PAPER_DENSE), entropy=1e-4, actor_optimizer=adam_behavior, value_optimizer=adam_behavior)
    prefill = 1_000 * protocol.repeat
    behavior = replace(behavior, gamma=1.0 if end else gamma)  # the head carries the discount
    training = TrainingConfig(1_000_000, prefill, pretrain=100, round=5, updates=1, batch=16, length=50)
    return published_run(env_id, model, behavior, training, evaluate_every=10_000 * protocol.repeat)


def published_run(
    env_id: str, model: WorldModelConfig, behavior: ActorCriticConfig, training: TrainingConfig, evaluate_every: int
) -> OnlineConfig:
    """The run of size `paper`, with the published replay of the newest two million decisions."""
    _, run = online_preset("paper", env_id)
    return replace(
        run,
        recipe="dreamer_v2",
        replay=whole_replay(training.frames, run.env.repeat, most=2_000_000),
        model=model,
        behavior=behavior,
        training=training,
        evaluation=replace(run.evaluation, every=evaluate_every),
    )


def laptop(env_id: str) -> OnlineConfig:
    """Dreamer V1's config of size `laptop` for this environment, with V2's latent, cell, divergence and REINFORCE."""
    if published_protocol(env_id).family == "minatar":
        return replace(minatar(env_id), size="laptop")
    base = dreamer_v1("laptop", env_id)
    latent = CategoricalConfig(16, 16)
    dynamics = replace(cast(RSSMConfig, base.model.dynamics), latent=latent, gate_bias=1.0, cell="layer_norm")
    model = replace(base.model, dynamics=dynamics, signals=base.model.signals | {"divergence": divergence(1.0)})
    behavior = replace(cast(ActorCriticConfig, base.behavior), reinforce=None)
    return replace(base, recipe="dreamer_v2", model=model, behavior=behavior)


def minatar(env_id: str) -> OnlineConfig:
    """Dreamer V1's config for MinAtar, with V2's latent, cell, divergence, optimizers and REINFORCE."""
    base, dense, optimizer = dreamer_v1("small", env_id), MINATAR_DENSE, adam(3e-4, epsilon_hat=False)
    model = network(dense, dense.units, CategoricalConfig(16, 8), dense, end=base.model.weights["continuation"])
    learned = adam(1e-3, epsilon_hat=False)
    model = replace(model, encoder=base.model.encoder, weights=base.model.weights, optimizer=learned)
    behavior = replace(
        learner(dense), horizon=MINATAR_HORIZON, entropy=3e-3, actor_optimizer=optimizer, value_optimizer=optimizer
    )
    return replace(base, recipe="dreamer_v2", model=model, behavior=behavior)


def tiny(env_id: str) -> OnlineConfig:
    """Small enough that a test can train it; too small to learn much."""
    base, dense = dreamer_v1("tiny", env_id), MLPConfig(1, 16)
    model = network(ConvConfig(2, "elu"), 16, CategoricalConfig(4, 4), dense, end=5.0)
    behavior = replace(learner(dense), horizon=4, reinforce=0.5, entropy=1e-3, target_every=5)
    return replace(base, recipe="dreamer_v2", model=model, behavior=behavior)
