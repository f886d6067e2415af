"""The world model: encoder + dynamics + named learning signals.

Batch -> observe -> Trace -> losses {name: (B, T)} -> update
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import Checked, between
from reverie.dynamics import DynamicsConfig
from reverie.dynamics.base import Dynamics, HasFeatureStd
from reverie.dynamics.rollout import observe, prev_action
from reverie.dynamics.rssm import RSSMConfig
from reverie.errors import UserError
from reverie.math import ranks
from reverie.math.spectra import scale_metrics
from reverie.models.base import Model
from reverie.nn.encoder import Encoder, EncoderConfig
from reverie.nn.normalize import Normalize
from reverie.nn.optimizer import AdamConfig, OptimizerConfig
from reverie.nn.pooled_conv import PooledConvDecoder
from reverie.signals import SignalConfig
from reverie.signals.base import (
    ContinuationHead,
    HasMetrics,
    HasSquash,
    ReconstructionHead,
    RewardHead,
    RewardTarget,
    Signal,
    SimilarityHead,
)
from reverie.spaces import EnvSpec
from reverie.types import Batch, Metrics, Trace


@dataclass(frozen=True)
class WorldModelConfig(Checked):
    """Parts and loss weights; `signals` and `weights` must have the same keys."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    """Networks from observations to one embedding."""
    dynamics: DynamicsConfig = field(default_factory=RSSMConfig)
    """The latent model that predicts the next state."""
    signals: dict[str, SignalConfig] = field(default_factory=dict)
    """What the model learns from, by a name of your choice."""
    weights: dict[str, float] = field(default_factory=dict, metadata=between(0, 1e9))
    """The weight of each signal's loss."""
    optimizer: OptimizerConfig = field(default_factory=lambda: AdamConfig(lr=6e-4))
    """The optimizer of all parameters."""

    @property
    def least_length(self) -> int:
        """The least number of steps in a sequence of which the model learns."""
        return 2

    def build(self, spec: EnvSpec) -> "WorldModel":
        return WorldModel(self, spec)


H = TypeVar("H")
MISSING_HEAD: dict[type, str] = {
    RewardHead: "This model predicts no reward: add a reward signal to the model, such as `Reward`.",
    RewardTarget: "The model's reward head has no `target`, the unit of recorded rewards: add it, or take"
    " --behavior.replay_weight 0.",
    ContinuationHead: "This model predicts no end of an episode: add the signal `Continuation` to the model.",
    ReconstructionHead: "This model decodes no observations: add the signal `Reconstruction` to the model.",
    SimilarityHead: "This model has no contrastive signal to compare by: take --objective.similarity distance.",
}
"""The message where a head is missing."""


class WorldModel(Model[Tensor, Trace]):
    """Learns how the world moves from sequences of observations, actions and rewards.

    Planners, policies and evaluations read the heads of signals: `reward`, `continuation`, `decode`, `similarity`. A
    head is the first signal that implements a protocol of `signals.base`, whatever its name. Features are `(*b, F)`.
    """

    dynamics: Dynamics
    signals: Mapping[str, Signal]

    def __init__(self, config: WorldModelConfig, spec: EnvSpec) -> None:
        super().__init__()
        if not config.signals:
            raise UserError(
                "model.signals is empty: a world model needs a signal to learn from, such as a reconstruction."
            )
        if odd := sorted(config.signals.keys() ^ config.weights.keys()):
            raise UserError(
                f"Every signal needs a weight of the same name: model.signals and model.weights differ in {odd}."
            )
        if reserved := sorted(name for name in config.signals if hasattr(nn.ModuleDict, name)):
            raise UserError(f"A signal cannot be named {reserved[0]}, which PyTorch reserves: choose another name.")
        self.weights, self.normalizes = config.weights, config.encoder.normalize
        self.action_size = spec.action.size
        self.normalize = Normalize(spec, config.encoder.bits)
        self.encoder = Encoder(config.encoder, spec)
        self.dynamics = config.dynamics.build(self.encoder.size_out, spec.action.size)
        size = self.dynamics.feature_size
        embed_size = self.encoder.size_out
        parts = {name: part.build_with_embed(spec, size, embed_size) for name, part in config.signals.items()}
        self.signals = cast(Mapping[str, Signal], nn.ModuleDict(parts))
        self._check_decoders()

    def _check_decoders(self) -> None:
        """Raise UserError where a decoder's settings contradict those of another part."""
        deter = getattr(self.dynamics, "deter_size", 0)
        for decoder in self.modules():
            if not isinstance(decoder, PooledConvDecoder):
                continue
            if self.normalizes:
                raise UserError(
                    "PooledConv draws images within fixed bounds, and images that are normalized from data exceed them:"
                    " take --model.encoder.normalize false, or another decoder."
                )
            if decoder.deter not in (0, deter):
                raise UserError(
                    f"The decoder PooledConv has `deter` {decoder.deter}, but the deterministic state of the dynamics "
                    f"has {deter} numbers: set it to {deter} too."
                )

    @property
    def draws_images(self) -> bool:
        """Whether there is an image to see, and a signal that learned to reconstruct it."""
        return self.has(ReconstructionHead) and bool(self.normalize.images)

    def noise(self, batch: int, length: int, generator: torch.Generator) -> Float[Tensor, "B T Z"]:
        return self.dynamics.noise(batch, length, generator=generator)

    def calibrate(self, batch: Batch) -> None:
        """Set the mean and scale of images from data, once, if the config asks for it."""
        if self.normalizes:
            super().calibrate(batch)

    def trace(self, batch: Batch, noise: Float[Tensor, "B T Z"] | None) -> Trace:
        """Encode the batch and filter it by the dynamics, from the batch's context or the initial belief."""
        obs = self.normalize(batch.obs)
        embed = self.encoder(obs)
        if (context := batch.context) is None:
            start, action = self.dynamics.initial(batch.action.shape[0]), prev_action(batch.action)
        else:
            start, action = context.belief, prev_action(batch.action, context.action)
        prior, posterior = observe(self.dynamics, start, action, embed, batch.is_first, noise)
        features = self.dynamics.features(posterior)
        return Trace(batch, obs, embed, prior, posterior, features, self.dynamics, noise)

    def losses(self, trace: Trace) -> dict[str, Float[Tensor, "B T"]]:
        return {name: signal.loss(trace) for name, signal in self.signals.items()}

    @torch.no_grad()
    def metrics(self, trace: Trace, losses: dict[str, Tensor]) -> Metrics:
        """Losses, metrics of the signals, the divergence before free nats, and measures of collapse."""
        metrics = {f"loss/{name}": loss.mean() for name, loss in losses.items()}
        metrics["divergence"] = trace.dynamics.divergence(trace.posterior, trace.prior).mean()
        metrics["embed/std"] = ranks.gather(trace.embed.flatten(0, 1)).std(0).mean()
        for name, signal in self.signals.items():
            if isinstance(signal, HasMetrics):
                metrics |= {f"{name}/{metric}": value for metric, value in signal.metrics(trace).items()}
        vectors = ranks.gather(trace.features.flatten(0, 1))
        std = trace.dynamics.feature_std(vectors) if isinstance(trace.dynamics, HasFeatureStd) else None
        return metrics | {f"features/{name}": value for name, value in scale_metrics(vectors, std).items()}

    def encode(self, obs: dict[str, Tensor]) -> Float[Tensor, "B F"]:
        """Encode normalized observations (B, ...) to features, each as the first step of an episode."""
        embed = self.encoder(obs)[:, None]
        batch, first = embed.shape[0], torch.ones(embed.shape[:2], dtype=torch.bool, device=embed.device)
        action = embed.new_zeros(batch, 1, self.action_size)
        _, posterior = observe(self.dynamics, self.dynamics.initial(batch), action, embed, first, None)
        return self.dynamics.features(posterior)[:, 0]

    def head_name(self, head: type) -> str | None:
        """Return the name of the first signal that is a `head`, a protocol of `signals.base`; None without one."""
        return next((name for name, signal in self.signals.items() if isinstance(signal, head)), None)

    def has(self, head: type) -> bool:
        """Whether some signal is a `head`, a protocol of `signals.base`."""
        return self.head_name(head) is not None

    def head(self, head: type[H]) -> H:
        """Return the first signal that is a `head`, a protocol of `signals.base`. UserError without one."""
        for signal in self.signals.values():
            if isinstance(signal, head):
                return signal
        raise UserError(MISSING_HEAD[head])

    def reward(self, features: Float[Tensor, "*b F"], in_env_units: bool = False) -> Float[Tensor, "*b"]:
        """Predict the expected reward: scaled and squashed as it was learned, or in the environment's unit."""
        head = self.head(RewardHead)
        reward = head.predict_reward(features)
        if not in_env_units:
            return reward
        return head.to_env_units(head.unsquash(reward) if isinstance(head, HasSquash) else reward)

    def to_env_units(self, returns: Tensor) -> Tensor:
        """Convert sums of rewards from the model's unit to the environment's. The squash of each reward remains."""
        return self.head(RewardHead).to_env_units(returns)

    def reward_target(self, reward: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Convert recorded rewards to the unit of `reward`."""
        return self.head(RewardTarget).target(reward)

    @property
    def discount(self) -> float:
        """The discount that `continuation` carries; 1 unless its head has one."""
        return getattr(self.head(ContinuationHead), "discount", 1.0) if self.has(ContinuationHead) else 1.0

    def continuation(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """Predict the probability that the step is not terminal, times `discount`; 1 if no signal learns it."""
        if not self.has(ContinuationHead):
            return torch.ones_like(features[..., 0])
        return self.head(ContinuationHead).predict_continuation(features)

    def decode(self, features: Float[Tensor, "*b F"], in_env_units: bool = False) -> dict[str, Tensor]:
        """Predict the mean of each observation: normalized, or in the environment's unit (images [0, 255] float)."""
        means = self.head(ReconstructionHead).reconstruct(features)
        return self.normalize.invert(means) if in_env_units else means

    def similarity(self, x: Float[Tensor, "*b F"], y: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """Compare predicted features `x` with encoded features `y` by the learned similarity."""
        return self.head(SimilarityHead).similarity(x[..., None, :], y[..., None, :])[..., 0, 0]
