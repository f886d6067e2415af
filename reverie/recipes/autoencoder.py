"""Autoencoding with a forward model: an encoding must draw its image, and be predicted (Yan 2020, Sec. 5, baseline).

The two weigh as in the published code, where both are means: over pixels in [-1, 1], and over dimensions.

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/reconstruction.py`,
`signals/latent_prediction.py`, `planning/random_shooting.py`.
"""

from reverie.nn.conv import ConvConfig
from reverie.recipes.latent_prediction import DEPTH, DIMENSIONS, latent_prediction
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.latent_prediction import LatentPredictionConfig
from reverie.signals.reconstruction import ReconstructionConfig


def autoencoder(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment."""
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(ConvConfig(DEPTH[size])),
        "prediction": LatentPredictionConfig(),
    }
    weights = {"reconstruction": 8 / (64 * 64 * 3), "prediction": 1 / DIMENSIONS[size]}
    return latent_prediction("autoencoder", size, env_id, signals, weights, clip=1.0)
