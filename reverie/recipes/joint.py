"""Forward and inverse model jointly, each the mean over its dimensions (Yan 2020, Sec. 5, baseline; Agrawal 2016).

It differs from `inverse` by the weight of the forward model alone.

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/inverse.py`,
`signals/latent_prediction.py`, `planning/random_shooting.py`.
"""

from reverie.nn.mlp import MLPConfig
from reverie.recipes.latent_prediction import DIMENSIONS, latent_prediction
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.inverse import InverseConfig
from reverie.signals.latent_prediction import LatentPredictionConfig


def joint(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment."""
    signals: dict[str, SignalConfig] = {
        "inverse": InverseConfig(MLPConfig(3, 128, "relu")),
        "prediction": LatentPredictionConfig(),
    }
    weights = {"inverse": 0.5, "prediction": 1 / DIMENSIONS[size]}
    return latent_prediction("joint", size, env_id, signals, weights, clip=1.0)
