"""What a model learns from. Adding a signal: a file with its config and class, and its config in this union."""

from reverie.signals.base import HasMetrics, Signal
from reverie.signals.continuation import ContinuationConfig
from reverie.signals.contrastive import ContrastiveConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.inverse import InverseConfig
from reverie.signals.latent_prediction import LatentPredictionConfig
from reverie.signals.overshooting import OvershootingConfig
from reverie.signals.pixel_prediction import PixelPredictionConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import RewardConfig
from reverie.signals.sigreg import SIGRegConfig
from reverie.signals.smoothness import SmoothnessConfig
from reverie.signals.vicreg import VICRegConfig

SignalConfig = (
    ReconstructionConfig
    | RewardConfig
    | ContinuationConfig
    | DivergenceConfig
    | OvershootingConfig
    | LatentPredictionConfig
    | InverseConfig
    | ContrastiveConfig
    | PixelPredictionConfig
    | VICRegConfig
    | SIGRegConfig
    | SmoothnessConfig
)

__all__ = ["HasMetrics", "Signal", "SignalConfig"]
