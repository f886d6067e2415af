"""The world model: encoder + dynamics + named learning signals.

Batch -> observe -> Trace -> losses {name: (B, T)} -> update
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.dynamics import DynamicsConfig
from reverie.dynamics.base import Dynamics, HasFeatureStd
from reverie.dynamics.rollout import observe, prev_action
from reverie.dynamics.rssm import RSSMConfig
from reverie.errors import UserError
from reverie.math.spectra import scale_metrics
from reverie.nn.encoder import Encoder, EncoderConfig
from reverie.nn.normalize import Normalize
from reverie.nn.optimizer import AdamConfig
from reverie.signals import SignalConfig
from reverie.signals.base import (
    ContinuationHead,
    HasMetrics,
    ReconstructionHead,
    RewardHead,
    Signal,
    SimilarityHead,
)
from reverie.spaces import EnvSpec
from reverie.types import Batch, Metrics, Trace


@dataclass(frozen=True)
class WorldModelConfig:
    """Parts and loss weights; `signals` and `weights` must have the same keys."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    dynamics: DynamicsConfig = field(default_factory=RSSMConfig)
    signals: dict[str, SignalConfig] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    optimizer: AdamConfig = field(default_factory=lambda: AdamConfig(lr=6e-4))

    def build(self, spec: EnvSpec) -> "WorldModel":
        return WorldModel(self, spec)


H = TypeVar("H")
MISSING_HEAD: dict[type, str] = {
    RewardHead: "This model predicts no reward: add a reward signal to the model, such as `Reward`.",
    ContinuationHead: "This model predicts no end of an episode: add the signal `Continuation` to the model.",
    ReconstructionHead: "This model decodes no observations: add the signal `Reconstruction` to the model.",
    SimilarityHead: "This model has no contrastive signal to compare by: take --objective.similarity distance.",
}
"""What to say where a head is missing."""


class WorldModel(nn.Module):
    """Learns how the world moves from sequences of observations, actions and rewards.

    Some signals own a head that planners, policies and evaluations read: `reward`, `continuation`, `decode` and
    `similarity`. A head is found by what the signal can do (the protocols of `signals.base`), not by its name in the
    config. Of several the first in the order of the config is read. Features are `(*b, F)`.
    """

    dynamics: Dynamics
    signals: Mapping[str, Signal]

    def __init__(self, config: WorldModelConfig, spec: EnvSpec) -> None:
        super().__init__()
        if config.signals.keys() != config.weights.keys():
            odd = sorted(config.signals.keys() ^ config.weights.keys())
            raise UserError(
                f"Every signal needs a weight of the same name: model.signals and model.weights differ in {odd}."
            )
        taken = sorted(name for name in config.signals if hasattr(nn.ModuleDict, name))
        if taken:
            raise UserError(f"A signal cannot be named {taken[0]}, which PyTorch reserves: choose another name.")
        self.weights, self.normalizes = config.weights, config.encoder.normalize
        self.action_size = spec.action.size
        self.normalize = Normalize(spec)
        self.encoder = Encoder(config.encoder, spec)
        self.dynamics = config.dynamics.build(self.encoder.size_out, spec.action.size)
        size = self.dynamics.feature_size
        signals = nn.ModuleDict({name: part.build(spec, size) for name, part in config.signals.items()})
        self.signals = cast(Mapping[str, Signal], signals)

    def noise(self, batch: int, length: int, generator: torch.Generator) -> Float[Tensor, "B T Z"]:
        """Draw the standard noise of one trace."""
        return self.dynamics.noise(batch, length, generator=generator)

    def calibrate(self, batch: Batch) -> None:
        """Set the images' mean and scale from data, once, if the config asks for it."""
        if self.normalizes:
            self.normalize.calibrate(batch.obs)

    def trace(self, batch: Batch, noise: Float[Tensor, "B T Z"] | None) -> Trace:
        """Encode the batch and filter it by the dynamics. Every sequence starts from the initial belief."""
        obs = self.normalize(batch.obs)
        embed = self.encoder(obs)
        start = self.dynamics.initial(batch.action.shape[0])
        prior, posterior = observe(self.dynamics, start, prev_action(batch.action), embed, batch.is_first, noise)
        features = self.dynamics.features(posterior)
        return Trace(batch, obs, embed, prior, posterior, features, self.dynamics, noise)

    def encode(self, obs: dict[str, Tensor]) -> Float[Tensor, "B F"]:
        """Encode normalized observations (B, ...) to features, each as the first step of an episode."""
        embed = self.encoder(obs)[:, None]
        batch, first = embed.shape[0], torch.ones(embed.shape[:2], dtype=torch.bool, device=embed.device)
        start = self.dynamics.initial(batch)
        action = embed.new_zeros(batch, 1, self.action_size)
        _, posterior = observe(self.dynamics, start, action, embed, first, None)
        return self.dynamics.features(posterior)[:, 0]

    def head_name(self, head: type) -> str | None:
        """The name of the first signal that is a `head`, a protocol of `signals.base`; None without one."""
        return next((name for name, signal in self.signals.items() if isinstance(signal, head)), None)

    def has(self, head: type) -> bool:
        """Whether some signal is a `head`, a protocol of `signals.base`."""
        return self.head_name(head) is not None

    def head(self, head: type[H]) -> H:
        """The first signal that is a `head`, a protocol of `signals.base`. UserError without one."""
        name = self.head_name(head)
        if name is None:
            raise UserError(MISSING_HEAD[head])
        return cast(H, self.signals[name])

    def reward(self, features: Float[Tensor, "*b F"], in_env_units: bool = False) -> Float[Tensor, "*b"]:
        """The expected reward: scaled and squashed as it was learned, or in the environment's unit."""
        head = self.head(RewardHead)
        reward = head.predict_reward(features)
        return head.to_env_units(reward) if in_env_units else reward

    def to_env_units(self, reward: Tensor) -> Tensor:
        """Rewards or returns from the model's unit to the environment's."""
        return self.head(RewardHead).to_env_units(reward)

    def continuation(self, features: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """The probability that the step is not terminal; 1 if the model does not predict it."""
        if not self.has(ContinuationHead):
            return torch.ones_like(features[..., 0])
        return self.head(ContinuationHead).predict_continuation(features)

    def decode(self, features: Float[Tensor, "*b F"], in_env_units: bool = False) -> dict[str, Tensor]:
        """The mean of each observation: normalized as networks see it, or as the environment gives it.

        Images in the environment's unit are float in [0, 255].
        """
        means = self.head(ReconstructionHead).reconstruct(features)
        return self.normalize.invert(means) if in_env_units else means

    def similarity(self, x: Float[Tensor, "*b F"], y: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        """The learned similarity of predicted features `x` and encoded features `y`."""
        return self.head(SimilarityHead).similarity(x[..., None, :], y[..., None, :])[..., 0, 0]

    def losses(self, trace: Trace) -> dict[str, Float[Tensor, "B T"]]:
        """The loss of each signal and step, unweighted."""
        return {name: signal.loss(trace) for name, signal in self.signals.items()}

    def total(self, losses: dict[str, Float[Tensor, "B T"]]) -> Float[Tensor, ""]:
        """The weighted sum of the losses' means."""
        return torch.stack([self.weights[name] * loss.mean() for name, loss in losses.items()]).sum()

    def metrics(self, trace: Trace, losses: dict[str, Tensor]) -> Metrics:
        """Losses, the signals' metrics, the divergence before free nats, and measures of collapse."""
        with torch.no_grad():
            metrics = {f"loss/{name}": loss.mean() for name, loss in losses.items()}
            metrics["divergence"] = trace.dynamics.divergence(trace.posterior, trace.prior).mean()
            metrics["embed/std"] = trace.embed.flatten(0, 1).std(0).mean()
            for name, signal in self.signals.items():
                if isinstance(signal, HasMetrics):
                    metrics |= {f"{name}/{metric}": value for metric, value in signal.metrics(trace).items()}
            vectors = trace.features.flatten(0, 1)
            std = trace.dynamics.feature_std(vectors) if isinstance(trace.dynamics, HasFeatureStd) else None
            features = scale_metrics(vectors, std)
            return metrics | {f"features/{name}": value for name, value in features.items()}
