"""Contrastive prediction as in CPC: tell what followed from what followed elsewhere, bilinearly (van den Oord 2018).

`--model.signals.contrastive.similarity dot` or `distance` compares otherwise.

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/contrastive.py`,
`planning/random_shooting.py`.
"""

from reverie.planning.objectives import GoalConfig
from reverie.recipes.latent_prediction import latent_prediction
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.contrastive import ContrastiveConfig


def contrastive(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment."""
    signals: dict[str, SignalConfig] = {"contrastive": ContrastiveConfig("bilinear", negatives=("next",))}
    objective = GoalConfig("learned")
    return latent_prediction("contrastive", size, env_id, signals, {"contrastive": 1.0}, objective=objective)
