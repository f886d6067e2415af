"""The world model: encoder + dynamics + named learning signals.

Batch -> observe -> Trace -> losses {name: (B, T)} -> update
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.dynamics import DynamicsConfig
from reverie.dynamics.base import HasFeatureStd
from reverie.dynamics.rollout import observe, prev_action
from reverie.dynamics.rssm import RSSMConfig
from reverie.errors import UserError
from reverie.math.spectra import scale_metrics
from reverie.nn.encoder import Encoder, EncoderConfig
from reverie.nn.normalize import Normalize
from reverie.nn.optimizer import AdamConfig
from reverie.signals import HasMetrics, SignalConfig
from reverie.spaces import EnvSpec
from reverie.types import Batch, Metrics, Trace


@dataclass(frozen=True)
class WorldModelConfig:
    """Parts and loss weights; the names of `signals` and `weights` must be the same."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    dynamics: DynamicsConfig = field(default_factory=RSSMConfig)
    signals: dict[str, SignalConfig] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    optimizer: AdamConfig = field(default_factory=lambda: AdamConfig(lr=6e-4))

    def build(self, spec: EnvSpec) -> "WorldModel":
        return WorldModel(self, spec)


class WorldModel(nn.Module):
    """Learns how the world moves from sequences of observations, actions and rewards."""

    dynamics: Any
    """A `Dynamics`."""
    signals: Any
    """A module dict of `Signal`s by name."""

    def __init__(self, config: WorldModelConfig, spec: EnvSpec) -> None:
        super().__init__()
        if config.signals.keys() != config.weights.keys():
            odd = sorted(config.signals.keys() ^ config.weights.keys())
            raise UserError(
                f"Every signal needs a weight of the same name: model.signals and model.weights differ in {odd}."
            )
        taken = sorted(name for name in config.signals if hasattr(nn.ModuleDict, name))
        if taken:
            raise UserError(f"A signal cannot be named {taken[0]}, which PyTorch keeps for itself: call it otherwise.")
        self.weights, self.normalizes = config.weights, config.encoder.normalize
        self.action_size = spec.action.size
        self.normalize = Normalize(spec)
        self.encoder = Encoder(config.encoder, spec)
        self.dynamics = config.dynamics.build(self.encoder.size_out, spec.action.size)
        self.signals = nn.ModuleDict(
            {name: part.build(spec, self.dynamics.feature_size) for name, part in config.signals.items()}
        )

    def noise(self, batch: int, length: int, generator: torch.Generator) -> Float[Tensor, "B T Z"]:
        """Standard noise of one trace."""
        return self.dynamics.noise(batch, length, generator=generator)

    def calibrate(self, batch: Batch) -> None:
        """Fit what is set once, from data, before the first update."""
        if self.normalizes:
            self.normalize.calibrate(batch.obs)

    def trace(self, batch: Batch, noise: Float[Tensor, "B T Z"] | None) -> Trace:
        """Encode the batch and filter it by the dynamics. A sequence starts from the initial belief."""
        obs = self.normalize(batch.obs)
        embed = self.encoder(obs)
        start = self.dynamics.initial(batch.action.shape[0])
        prior, posterior = observe(self.dynamics, start, prev_action(batch.action), embed, batch.is_first, noise)
        features = self.dynamics.features(posterior)
        return Trace(batch, obs, embed, prior, posterior, features, self.dynamics, noise)

    def see(self, obs: dict[str, Tensor]) -> Float[Tensor, "B F"]:
        """Features of prepared observations, each seen on its own: what is known after the first step of an episode."""
        embed = self.encoder(obs)[:, None]
        batch, first = embed.shape[0], torch.ones(embed.shape[:2], dtype=torch.bool, device=embed.device)
        start = self.dynamics.initial(batch)
        action = embed.new_zeros(batch, 1, self.action_size)
        _, posterior = observe(self.dynamics, start, action, embed, first, None)
        return self.dynamics.features(posterior)[:, 0]

    def losses(self, trace: Trace) -> dict[str, Float[Tensor, "B T"]]:
        """Each signal's loss a step, unweighted."""
        return {name: signal.loss(trace) for name, signal in self.signals.items()}

    def total(self, losses: dict[str, Float[Tensor, "B T"]]) -> Float[Tensor, ""]:
        """The weighted sum of the losses' means."""
        return torch.stack([self.weights[name] * loss.mean() for name, loss in losses.items()]).sum()

    def metrics(self, trace: Trace, losses: dict[str, Tensor]) -> Metrics:
        """Losses, what signals measure, the divergence before free nats, and the signs of collapse."""
        with torch.no_grad():
            found = {f"loss/{name}": loss.mean() for name, loss in losses.items()}
            found["divergence"] = trace.dynamics.divergence(trace.posterior, trace.prior).mean()
            found["embed/std"] = trace.embed.flatten(0, 1).std(0).mean()
            for name, signal in self.signals.items():
                if isinstance(signal, HasMetrics):
                    found |= {f"{name}/{metric}": value for metric, value in signal.metrics(trace).items()}
            vectors = trace.features.flatten(0, 1)
            parted = isinstance(trace.dynamics, HasFeatureStd)
            features = scale_metrics(vectors, trace.dynamics.spread(vectors) if parted else None)
            return found | {f"features/{name}": value for name, value in features.items()}
