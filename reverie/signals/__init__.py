"""What a model learns from. Adding a signal: a file with its config and class, and its config in this union."""

from reverie.signals.base import Measured, Signal
from reverie.signals.continuation import ContinuationConfig
from reverie.signals.contrastive import ContrastiveConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.forward import ForwardPredictionConfig
from reverie.signals.inverse import InverseConfig
from reverie.signals.overshooting import OvershootingConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import RewardConfig

SignalConfig = (
    ReconstructionConfig
    | RewardConfig
    | ContinuationConfig
    | DivergenceConfig
    | OvershootingConfig
    | ForwardPredictionConfig
    | InverseConfig
    | ContrastiveConfig
)

__all__ = ["Measured", "Signal", "SignalConfig"]
