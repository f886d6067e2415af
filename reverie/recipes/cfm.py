"""CFM, the contrastive forward model: tell what an action leads to from other frames, by distance (Yan et al. 2020).

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/contrastive.py`,
`planning/random_shooting.py`.

Sizes: those of `latent_prediction`. `paper` is as published: each prediction is told from the current frames of the
rest of the batch. `tiny` and `laptop` learn more from a tenth of the data by three changes, each measured in
docs/log.md:

- several frames of each trajectory, and a prediction is told from those too: telling trajectories apart is easy, and
  was all that the published negatives taught;
- each frame is also told from which prediction it came (`symmetric`): what a planner asks of its goal;
- the squared error of the prediction has a small weight. Once right frames are the most alike, the contrastive loss
  falls by stretching the latent more easily than by predicting better; this makes stretching cost.
"""

from dataclasses import replace
from typing import cast

from reverie.models.world_model import WorldModelConfig
from reverie.recipes.latent_prediction import PAIRS, latent_prediction
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.contrastive import ContrastiveConfig
from reverie.signals.latent_prediction import LatentPredictionConfig

PREDICTION = 0.1
"""The weight of the squared error."""


def cfm(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment."""
    if size == "paper":
        signals: dict[str, SignalConfig] = {"contrastive": ContrastiveConfig("distance", negatives=("current",))}
        return latent_prediction("cfm", size, env_id, signals, {"contrastive": 1.0})
    signals = {
        "contrastive": ContrastiveConfig("distance", negatives=("next", "current", "trajectory"), symmetric=True),
        "prediction": LatentPredictionConfig(),
    }
    return latent_prediction("cfm", size, env_id, signals, {"contrastive": 1.0, "prediction": PREDICTION})


def published(size: str, env_id: str | None) -> OfflineConfig:
    """CFM as published, but for the encoder and the budget: independent transitions, its negatives, `W(z, a) z`."""
    paper, own = cfm("paper", env_id), cfm(size, env_id)
    like, model = cast(WorldModelConfig, paper.model), cast(WorldModelConfig, own.model)
    model = replace(model, dynamics=like.dynamics, signals=like.signals, weights=like.weights)
    return replace(own, model=model, training=replace(own.training, batch=PAIRS, length=2))
