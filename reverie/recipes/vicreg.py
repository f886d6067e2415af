"""Forward prediction kept from collapse by variance and covariance (VICReg, Bardes 2022; PLDM, Sobal 2025).

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/latent_prediction.py`,
`signals/vicreg.py`, `planning/random_shooting.py`.
"""

from reverie.recipes.latent_prediction import DIMENSIONS, latent_prediction
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.latent_prediction import LatentPredictionConfig
from reverie.signals.vicreg import VICRegConfig


def vicreg(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment."""
    signals: dict[str, SignalConfig] = {"prediction": LatentPredictionConfig(), "vicreg": VICRegConfig()}
    weights = {"prediction": 25 / DIMENSIONS[size], "vicreg": 1.0}
    return latent_prediction("vicreg", size, env_id, signals, weights)
