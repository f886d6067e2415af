"""CFM, the contrastive forward model: tell what an action leads to from other frames, by distance (Yan et al. 2020).

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/contrastive.py`,
`planning/rank.py`.

Sizes: those of `latent_prediction`. `paper` has the published negatives: the current frames of the rest of the batch.
`tiny` and `laptop` take several frames of each trajectory, and tell a prediction from those too: telling trajectories
apart is easy, and was all that the published negatives taught from a tenth of the data.
"""

from reverie.config import FitConfig
from reverie.recipes.latent_prediction import latent_prediction
from reverie.signals import SignalConfig
from reverie.signals.contrastive import ContrastiveConfig


def cfm(size: str, env_id: str | None) -> FitConfig:
    """The config of one size, for one environment."""
    if size == "paper":
        signals: dict[str, SignalConfig] = {"contrastive": ContrastiveConfig("distance", negatives=("current",))}
        return latent_prediction("cfm", size, env_id, signals, {"contrastive": 1.0})
    signals = {"contrastive": ContrastiveConfig("distance", negatives=("next", "current", "trajectory"))}
    return latent_prediction("cfm", size, env_id, signals, {"contrastive": 1.0})
