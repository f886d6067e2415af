"""What a model learns from. Adding a signal: a file with its config and class, and its config in this union."""

from reverie.signals.base import Signal
from reverie.signals.continuation import ContinuationConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.overshooting import OvershootingConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import RewardConfig

SignalConfig = ReconstructionConfig | RewardConfig | ContinuationConfig | DivergenceConfig | OvershootingConfig

__all__ = ["Signal", "SignalConfig"]
