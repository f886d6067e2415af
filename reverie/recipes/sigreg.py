"""Forward prediction whose encodings are kept an isotropic Gaussian (SIGReg; LeJEPA, Balestriero & LeCun 2025).

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/latent_prediction.py`,
`signals/sigreg.py`, `planning/random_shooting.py`.
"""

from reverie.recipes.latent_prediction import DIMENSIONS, latent_prediction
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.latent_prediction import LatentPredictionConfig
from reverie.signals.sigreg import SIGRegConfig


def sigreg(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment."""
    signals: dict[str, SignalConfig] = {"prediction": LatentPredictionConfig(), "sigreg": SIGRegConfig()}
    weights = {"prediction": 1 / DIMENSIONS[size], "sigreg": 0.05}
    return latent_prediction("sigreg", size, env_id, signals, weights)
