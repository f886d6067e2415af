"""What a model learns from. Adding a signal: a file with its config, a `SignalConfig`, and its class."""

from reverie.signals import (
    continuation,
    contrastive,
    divergence,
    inverse,
    latent_prediction,
    overshooting,
    pixel_prediction,
    reconstruction,
    reward,
    sigreg,
    smoothness,
    vicreg,
)
from reverie.signals.base import HasMetrics, Signal, SignalConfig

__all__ = [
    "HasMetrics",
    "Signal",
    "SignalConfig",
    "continuation",
    "contrastive",
    "divergence",
    "inverse",
    "latent_prediction",
    "overshooting",
    "pixel_prediction",
    "reconstruction",
    "reward",
    "sigreg",
    "smoothness",
    "vicreg",
]
