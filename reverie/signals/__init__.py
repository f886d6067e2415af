"""What a model learns from. Adding a signal: a file with its config, a `SignalConfig`, and its class."""

from reverie.signals import (
    contrastive,
    divergence,
    latent_prediction,
    next_embedding,
    reconstruction,
    redundancy_reduction,
    regularization,
    reward,
)
from reverie.signals.base import Signal, SignalConfig

__all__ = [
    "Signal", "SignalConfig", "contrastive", "divergence", "latent_prediction", "next_embedding", "reconstruction",
    "redundancy_reduction", "regularization", "reward",
]  # fmt: skip
