"""Dreamer V1: a Gaussian RSSM, and a policy trained by gradients through its imagination (Hafner et al. 2020).

Sizes:
- `tiny`: a few thousand parameters, for tests.
- `small`: `laptop` for images of at most 16 pixels, with the networks for MinAtar.
- `laptop`: learns on two CPU cores. On `Pendulum-v1` (the demo) from 32x32 pixels, on `MinAtar/...` from its 10x10
  images; elsewhere from 64x64 (`presets.online_preset` says why).
- `paper`: the network and schedule of the published code (danijar/dreamer), where dense layers have 400 units; the text
  says 300. Outside of DeepMind Control episodes can end. There it has the published settings for discrete actions:
  horizon 10, divergence weighted by 0.1, a continuation head. Atari also has the tanh of rewards, colors, an end at a
  lost life, and only the actions that a game knows.

Departures at size `paper`:
- A state's value is the return that follows it (`learners/actor_critic.py`). A trajectory has 15 returns where the
  published code has 14: the reward of the last step is a term of its own.
- The actor and the value imagine with the model after its step, the published ones before it: one update newer.
- A window does not know the action before it. One of its 50 transitions is learned with an action of zero.
- The last step of an episode can be in a window, which an index of the published code leaves out. So terminal rewards
  are learned.
- Outside of DeepMind Control the exploration is constant, 0.3. The published one falls from 0.4 within 200,000 updates,
  so it sees more at the start.
- Weights and sums have 32 bits, the published ones 16 in part. It is slower and rounds less.
"""

from dataclasses import replace
from typing import cast

from reverie.agents.policies import PolicyConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.image import ImageConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.recipes.presets import Protocol, online_preset, published_protocol
from reverie.runs.config import OnlineConfig
from reverie.signals import SignalConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import ContinuationConfig, RewardConfig

SIZES = ("tiny", "small", "laptop", "paper")
DEFAULT_ENV = {
    "tiny": "Pendulum-v1", "small": "MinAtar/Breakout-v1", "laptop": "Pendulum-v1",
    "paper": "dm_control/walker-walk-v0",
}  # fmt: skip
DIVERGENCE = DivergenceConfig(free=3.0, variant="mean")
ATARI = ("grayscale=false", "life_loss=true", "full_actions=false")
"""What V1's published protocol of Atari changes in V2's, which is the default of `envs/atari.py`."""
Networks = tuple[WorldModelConfig, ActorCriticConfig]


def dreamer_v1(size: str, env_id: str | None) -> OnlineConfig:
    network, run = online_preset(size, env_id or DEFAULT_ENV[size])
    build = {"tiny": tiny, "pendulum": pendulum, "minatar": minatar, "pixels": pixels, "paper": paper}[network]
    protocol = published_protocol(run.env.id)
    model, behavior = build(protocol)
    if network == "paper" and protocol.family == "atari":
        run = replace(run, env=replace(run.env, kwargs=ATARI))
    return replace(run, recipe="dreamer_v1", model=model, behavior=behavior)


def world_model(
    image: ImageConfig, dense: MLPConfig, dynamics: RSSMConfig, divergence: DivergenceConfig,
    reward: MLPConfig, continuation: ContinuationConfig | None, weights: dict[str, float],
) -> WorldModelConfig:  # fmt: skip
    """Return a world model with a decoder, a reward head and, unless it is None, a continuation head.

    `image` and `dense` are the encoder and decoder of images and of vectors. A loss without a weight has weight 1.
    """
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(image, dense),
        "reward": RewardConfig(reward),
        "divergence": divergence,
    }
    if continuation is not None:
        signals["continuation"] = continuation
    all_weights = {name: weights.get(name, 1.0) for name in signals}
    return WorldModelConfig(EncoderConfig(image, dense), dynamics, signals, all_weights)


def networks(
    depth: int, deter: int, stoch: int, hidden: int, units: int, layers: tuple[int, int, int], continuation: bool
) -> Networks:
    """Return world model and behavior; `layers` are those of the reward, value and actor networks."""
    reward, value, actor = (MLPConfig(number, units) for number in layers)
    dynamics = RSSMConfig(deter, hidden, GaussianConfig(stoch))
    end = ContinuationConfig(value) if continuation else None
    conv, dense, weights = ConvConfig(depth), MLPConfig(2, units), {"continuation": 10.0}
    model = world_model(conv, dense, dynamics, DIVERGENCE, reward, end, weights)
    return model, ActorCriticConfig(policy=PolicyConfig(actor), value=value)


def paper(protocol: Protocol) -> Networks:
    """Hafner 2020, App. A, and the hyper-parameters of its published code."""
    model, behavior = networks(32, 200, 30, 200, 400, (2, 3, 4), continuation=protocol.terminates)
    learned, acting = (AdamConfig(lr=lr, epsilon_hat=True) for lr in (6e-4, 8e-5))
    model = replace(model, optimizer=learned)
    behavior = replace(behavior, actor_optimizer=acting, value_optimizer=acting)
    if not protocol.terminates:
        return model, behavior
    signals = model.signals | {"continuation": ContinuationConfig(MLPConfig(3, 400), discount=behavior.gamma)}
    if protocol.family == "atari":
        signals |= {"reward": RewardConfig(MLPConfig(2, 400), squash="tanh")}
    model = replace(model, signals=signals, weights=model.weights | {"divergence": 0.1})
    return model, replace(behavior, horizon=10, gamma=1.0)


def tiny(protocol: Protocol) -> Networks:
    """A few thousand parameters, with every part that there is."""
    model, behavior = networks(2, 16, 4, 16, 16, (1, 1, 1), continuation=True)
    return model, replace(behavior, horizon=4)


VECTOR_STD = 0.2
"""Std of the likelihood of a normalized vector: its few numbers weigh as much as the parts of an image that move."""


def for_few_updates(model: WorldModelConfig, behavior: ActorCriticConfig, std: float) -> Networks:
    """Settings for thousands of updates instead of a hundred thousand; `docs/log.md` has each one's measurement.

    - Images are normalized, with a likelihood of `std`, so the model represents moving parts from the first update.
    - Rewards count fifty times: the policy needed half as many updates.
    - The policy starts with moderate actions and an entropy bonus. So it avoids the flat part of the tanh while the
      reward model is still wrong.
    - The actor's gradient, which grows a hundredfold during training, is clipped to norm 1.
    - Learning rates are larger.
    """
    encoder = replace(model.encoder, normalize=True)
    reconstruction = ReconstructionConfig(encoder.image, encoder.vector, std, VECTOR_STD)
    model = replace(
        model,
        encoder=encoder,
        signals=model.signals | {"reconstruction": reconstruction},
        weights=model.weights | {"reward": 50.0},
        optimizer=AdamConfig(lr=2e-3, clip=1000.0),
    )
    policy = replace(behavior.policy, init_std=1.0, min_std=0.1)
    actor, value = AdamConfig(lr=1e-3, clip=1.0), AdamConfig(lr=1e-3)
    return model, replace(behavior, policy=policy, entropy=0.3, actor_optimizer=actor, value_optimizer=value)


def pixels(protocol: Protocol) -> Networks:
    """A quarter of the published convolutions, half of its dense layers.

    Every second step is decoded, and imagination starts at every second state, because both are most of an update.
    """
    small = networks(8, 200, 30, 200, 200, (2, 2, 2), continuation=protocol.terminates)
    model, behavior = for_few_updates(*small, std=8.0)
    reconstruction = replace(cast(ReconstructionConfig, model.signals["reconstruction"]), every=2)
    signals = model.signals | {"reconstruction": reconstruction}
    model = replace(model, signals=signals, optimizer=AdamConfig(lr=1e-3, clip=1000.0))
    return model, replace(behavior, start_every=2, actor_optimizer=AdamConfig(lr=3e-4, clip=1.0))


def pendulum(protocol: Protocol) -> Networks:
    """The demo: smaller still. Rewards, down to -16 a frame, are divided by 16.

    Learning rates fall to a twentieth over the demo's 1,750 updates. At a constant rate the policy unlearned at the end
    what it had learned before.
    """
    model, behavior = for_few_updates(*networks(8, 64, 20, 64, 64, (2, 2, 2), continuation=False), std=4.0)
    signals = model.signals | {"reward": RewardConfig(MLPConfig(2, 64), scale=1 / 16)}
    optimizers = (model.optimizer, behavior.actor_optimizer, behavior.value_optimizer)
    learned, actor, value = (replace(cast(AdamConfig, optimizer), decay=1_750) for optimizer in optimizers)
    model = replace(model, signals=signals, optimizer=learned)
    return model, replace(behavior, gamma=0.97, actor_optimizer=actor, value_optimizer=value)


MINATAR_DENSE, MINATAR_HORIZON = MLPConfig(2, 128), 10
"""Every network for MinAtar, and the number of imagined steps."""


def minatar(protocol: Protocol) -> Networks:
    """MinAtar: dense layers, because its images are no larger than vectors; episodes end, and actions are discrete.

    Images are normalized. A few of 400 pixels change, and each change must outweigh the nats that it costs. Rewards are
    as rare, so they count twenty times. The rest is published for discrete actions.
    """
    dense = MINATAR_DENSE
    dynamics = RSSMConfig(dense.units, dense.units, GaussianConfig(30))
    weights = {"reward": 20.0, "continuation": 5.0}
    model = world_model(dense, dense, dynamics, DIVERGENCE, dense, ContinuationConfig(dense), weights)
    model = replace(model, encoder=replace(model.encoder, normalize=True), optimizer=AdamConfig(lr=1e-3))
    policy, adam = PolicyConfig(dense, exploration=0.1), AdamConfig(lr=3e-4)
    behavior = ActorCriticConfig(
        policy, dense, horizon=MINATAR_HORIZON, entropy=3e-3, actor_optimizer=adam, value_optimizer=adam
    )
    return model, behavior
