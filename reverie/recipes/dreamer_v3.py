"""DreamerV3: one set of hyper-parameters for every environment (Hafner et al. 2023).

Symlog inputs, two-hot rewards and values, a wide block-diagonal memory, one optimizer for all parameters. Returns are
scaled by percentiles, all actions get REINFORCE, training sequences begin at stored beliefs. No action is random.

Sizes:
- `tiny`: a few thousand parameters, for tests.
- `laptop`: one set of settings for images of any size, vectors and dicts, discrete and continuous actions, on two CPU
  cores. Its dials are `--training.ratio`, the decisions replayed for each one that is made, and `--training.frames`.
- `1m`, `12m`, `25m`, `50m`, `100m`, `200m`, `400m`: the published networks, named by their parameters, with the
  published schedule of the environment's family. `paper` is 12m, the size of DeepMind Control from pixels.

Presets, which differ in the named sizes: `dreamer_v3` is the present code, `dreamer_v3_published` the one behind the
published curves. That one has a fifth convolution, which keeps the image's size. Its initial weights are not truncated,
and an imagined trajectory starts with the weight of a recorded end. DeepMind Control has an action repeat of 2.

Departures:
- Whole episodes enter the replay, so the newest decisions of a running episode are not learned from.
- Arithmetic has 32 bits, the published one 16.
- Discrete policies have 1 % of a uniform one. The present code configures this and does not apply it; `--behavior.
  policy.unimix 0` is that code's.
- One-hot observations are vectors, not categories. Stored beliefs have 16 bits and are written in the same update.
- Evaluation acts on the most likely action; the published scores are those of sampled training episodes.
"""

from dataclasses import dataclass, replace
from typing import cast

from reverie.agents.policies import PolicyConfig
from reverie.data.replay import ReplayConfig
from reverie.dynamics.block_rssm import BlockRSSMConfig
from reverie.dynamics.latents import CategoricalConfig
from reverie.envs.base import EnvConfig
from reverie.learners.joint_actor_critic import JointActorCriticConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.laprop import LaPropConfig
from reverie.nn.mlp import Init, MLPConfig
from reverie.nn.pooled_conv import PooledConvConfig
from reverie.nn.two_hot import TwoHotConfig
from reverie.recipes.presets import online_preset, published_protocol
from reverie.runs.config import EvaluationConfig, OnlineConfig, TrainingConfig
from reverie.signals import SignalConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import ContinuationConfig, RewardConfig


@dataclass(frozen=True)
class Network:
    """The numbers in which sizes differ."""

    deter: int
    hidden: int
    classes: int
    depth: int
    units: int
    groups: int = 32
    blocks: int = 8


NETWORKS = {
    "tiny": Network(16, 8, 4, 2, 16, groups=4, blocks=2),
    "laptop": Network(256, 64, 4, 4, 64),
    "1m": Network(512, 64, 4, 4, 64),
    "12m": Network(2048, 256, 16, 16, 256),
    "25m": Network(3072, 384, 24, 24, 384),
    "50m": Network(4096, 512, 32, 32, 512),
    "100m": Network(6144, 768, 48, 48, 768),
    "200m": Network(8192, 1024, 64, 64, 1024),
    "400m": Network(12288, 1536, 96, 96, 1536),
}
NETWORKS["paper"] = NETWORKS["12m"]
SIZES = tuple(NETWORKS)
HORIZON, LAPTOP_HORIZON = 333, 100
"""Steps after which a reward counts 1/e: the discount is `1 - 1 / HORIZON`. The value of a longer horizon needs more
updates: it is bootstrapped from 15 imagined steps, which are to reach that far."""
LAPTOP_ENTROPY = 3e-3
"""Weight of the policy's entropy, ten times the published one. At the larger learning rate a policy lost its noise
before it had met all starts. Without noise it cannot learn from its samples (`docs/log.md`)."""
LAPTOP_VECTOR_STD = 0.2
"""Std of the likelihood of vectors; the published one is `sqrt(1/2)`.

A vector has few numbers. With the published std, what they can tell costs more than the free nats, so a new state holds
next to nothing of them (`docs/log.md`)."""
BATCH, LENGTH = 16, 64


@dataclass(frozen=True)
class Schedule:
    """How published agents play and learn in the environments of one family."""

    frames: int = 1_000_000
    ratio: float = 512
    environments: int = 1
    repeat: int | None = None
    """Frames of a decision; None for those of the family's protocol."""
    image_size: int | None = None


SCHEDULES = {
    "dm_control": Schedule(1_000_000, 512, 16),
    "atari": Schedule(200_000_000, 32, 16, image_size=96),
}
"""Published schedules by family; others have that of Crafter."""
PRESENT = SCHEDULES | {"dm_control": Schedule(1_000_000, 256, 16, repeat=1)}


def dreamer_v3(size: str, env_id: str | None) -> OnlineConfig:
    """DreamerV3 as its present code has it."""
    network, env_id = NETWORKS[size], env_id or default_env(size)
    if size in ("tiny", "laptop"):
        return {"tiny": tiny, "laptop": laptop}[size](network, env_id)
    schedule = PRESENT.get(published_protocol(env_id).family, Schedule())
    return run("dreamer_v3", size, env_id, schedule, world_model(network), behavior(network))


def dreamer_v3_published(size: str, env_id: str | None) -> OnlineConfig:
    """DreamerV3 with the settings behind its published curves."""
    network, env_id = NETWORKS[size], env_id or default_env(size)
    if size in ("tiny", "laptop"):
        return replace(dreamer_v3(size, env_id), recipe="dreamer_v3_published")
    conv = PooledConvConfig(network.depth, (1, 2, 3, 4, 4), full_size=True, units=network.units, init="normal")
    model = world_model(network, conv, "normal")
    learner = replace(behavior(network, "normal"), start="recorded")
    schedule = SCHEDULES.get(published_protocol(env_id).family, Schedule())
    return run("dreamer_v3_published", size, env_id, schedule, model, learner)


def default_env(size: str) -> str:
    return "Pendulum-v1" if size in ("tiny", "laptop") else "dm_control/walker-walk-v0"


def world_model(
    network: Network, conv: PooledConvConfig | None = None, init: Init = "truncated_normal"
) -> WorldModelConfig:
    """Hafner 2023: the losses of images and vectors are squared errors, which are normal with a std of `sqrt(1/2)`."""

    def dense(layers: int, output_scale: float = 1.0) -> MLPConfig:
        return dense_layers(network, layers, init, output_scale)

    conv = conv or PooledConvConfig(network.depth, units=network.units, blocks=network.blocks)
    decoder = replace(conv, deter=network.deter)
    latent = CategoricalConfig(network.groups, network.classes, unimix=0.01)
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(decoder, dense(3), std=0.5**0.5, vector_std=0.5**0.5, shared=True),
        "reward": RewardConfig(TwoHotConfig(dense(1, output_scale=0.0))),
        "continuation": ContinuationConfig(dense(1), discount=1 - 1 / HORIZON),
        "prior": DivergenceConfig(free=1.0, variant="element", balance=1.0),
        "posterior": DivergenceConfig(free=1.0, variant="element", balance=0.0),
    }
    return WorldModelConfig(
        EncoderConfig(conv, dense(3), linear_output=False),
        BlockRSSMConfig(network.deter, network.hidden, latent, network.blocks, init=init),
        signals,
        weights={name: 0.1 if name == "posterior" else 1.0 for name in signals},
        optimizer=LaPropConfig(),
    )


def behavior(network: Network, init: Init = "truncated_normal") -> JointActorCriticConfig:
    """The continuation head carries the discount, so the learner's own is 1."""
    actor, critic = (dense_layers(network, 3, init, output_scale) for output_scale in (0.01, 0.0))
    policy = PolicyConfig(actor, min_std=0.1, exploration=0.0, continuous="clipped_normal", unimix=0.01)
    return JointActorCriticConfig(policy, TwoHotConfig(critic), gamma=1.0)


def dense_layers(network: Network, layers: int, init: Init, output_scale: float) -> MLPConfig:
    return MLPConfig(layers, network.units, "silu", "rms", init, output_scale)


def run(
    recipe: str, size: str, env_id: str, schedule: Schedule, model: WorldModelConfig, learner: JointActorCriticConfig
) -> OnlineConfig:
    """Return a run of one of the published sizes. The replay has the published capacity, or that of the budget."""
    protocol = published_protocol(env_id)
    repeat, image_size = schedule.repeat or protocol.repeat, schedule.image_size or protocol.image_size
    env = EnvConfig(env_id, image_size=image_size, repeat=repeat, count=schedule.environments, workers=True)
    capacity = min(5_000_000, schedule.frames // repeat * 11 // 10)
    training = TrainingConfig(
        schedule.frames, prefill=0, pretrain=1, ratio=schedule.ratio, starts=1_024, batch=BATCH, length=LENGTH
    )
    return OnlineConfig(
        recipe, size, env=env, replay=ReplayConfig(capacity, latents=True, online=True), model=model, behavior=learner,
        training=training, evaluation=EvaluationConfig(every=schedule.frames // 20, episodes=1),
    )  # fmt: skip


def laptop(network: Network, env_id: str) -> OnlineConfig:
    """Return the one set of settings for two cores: smaller batches, and thousands of updates instead of a million.

    So the learning rate and the weight of the entropy are larger, and the horizon is shorter. At that rate a policy
    gets worse again now and then, so the rate falls over the last part of the frames.

    The encoder of images has strides, every second step is decoded, and imagination starts at every second step.
    Sequences are short, for they begin at stored beliefs. `docs/log.md` has what each changes.
    """
    protocol = published_protocol(env_id)
    rendering = "fast" if protocol.fast_rendering else "stock"
    env = EnvConfig(env_id, image_size=protocol.image_size, repeat=protocol.repeat, rendering=rendering)
    training = TrainingConfig(
        100_000, prefill=0, pretrain=1, ratio=128, starts=512, batch=16, length=16, checkpoint_every=1_000,
        cooldown=0.4,
    )  # fmt: skip
    conv = PooledConvConfig(network.depth, units=network.units, strided=True)
    model = world_model(network, conv)
    decoded = cast(ReconstructionConfig, model.signals["reconstruction"])
    reconstruction = replace(decoded, every=2, vector_std=LAPTOP_VECTOR_STD)
    continuation = replace(cast(ContinuationConfig, model.signals["continuation"]), discount=1 - 1 / LAPTOP_HORIZON)
    signals = model.signals | {"reconstruction": reconstruction, "continuation": continuation}
    model = replace(model, signals=signals, optimizer=LaPropConfig(lr=1e-3, warmup=100))
    return OnlineConfig(
        "dreamer_v3", "laptop", env=env, replay=ReplayConfig(200_000, latents=True, online=True), model=model,
        behavior=replace(behavior(network), entropy=LAPTOP_ENTROPY, start_every=2), training=training,
        evaluation=EvaluationConfig(every=10_000, episodes=1),
    )  # fmt: skip


def tiny(network: Network, env_id: str) -> OnlineConfig:
    """Small enough that a test can train it; too small to learn much."""
    _, base = online_preset("tiny", env_id)
    training = replace(cast(TrainingConfig, base.training), prefill=0, pretrain=1, ratio=2, starts=50)
    model = replace(world_model(network), optimizer=LaPropConfig(lr=1e-3, warmup=5))
    learner, replay = replace(behavior(network), horizon=4), replace(base.replay, latents=True, online=True)
    return replace(base, recipe="dreamer_v3", replay=replay, model=model, behavior=learner, training=training)
