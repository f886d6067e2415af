"""Naive forward prediction in a latent space, the lesson that it collapses: nothing but the prediction is learned from.

A constant encoding predicts itself without error. With `--model.dynamics.residual true` the change is predicted, which
collapses too.

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/latent_prediction.py`,
`planning/random_shooting.py`.
"""

from reverie.recipes.latent_prediction import latent_prediction
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.latent_prediction import LatentPredictionConfig


def naive(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment."""
    signals: dict[str, SignalConfig] = {"prediction": LatentPredictionConfig()}
    return latent_prediction("naive", size, env_id, signals, {"prediction": 1.0})
