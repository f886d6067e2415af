"""Inverse model: two encodings must tell the action between them; the forward model counts a tenth (Agrawal 2016).

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/inverse.py`,
`signals/latent_prediction.py`, `planning/random_shooting.py`.
"""

from reverie.nn.mlp import MLPConfig
from reverie.recipes.latent_prediction import DIMENSIONS, latent_prediction
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.inverse import InverseConfig
from reverie.signals.latent_prediction import LatentPredictionConfig


def inverse(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment."""
    signals: dict[str, SignalConfig] = {
        "inverse": InverseConfig(MLPConfig(3, 128, "relu")),
        "prediction": LatentPredictionConfig(),
    }
    weights = {"inverse": 1.0, "prediction": 0.1 / DIMENSIONS[size]}
    return latent_prediction("inverse", size, env_id, signals, weights)
