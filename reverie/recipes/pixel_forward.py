"""Pixel-space forward model: predict the next image, act by comparing images (Yan 2020, Sec. 5, baseline).

Departure: the image is drawn from the code alone, without the published network's shortcuts from encoder to decoder.

Reading path: this recipe, `recipes/latent_prediction.py`, `dynamics/deterministic.py`, `signals/pixel_prediction.py`,
`planning/random_shooting.py`.
"""

from reverie.dynamics.forward_models import MLPForwardConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.planning.objectives import PixelGoalConfig
from reverie.recipes.latent_prediction import DEPTH, DIMENSIONS, latent_prediction
from reverie.runs.config import OfflineConfig
from reverie.signals import SignalConfig
from reverie.signals.pixel_prediction import PixelPredictionConfig


def pixel_forward(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for one environment."""
    signals: dict[str, SignalConfig] = {"pixel_forward": PixelPredictionConfig(ConvConfig(DEPTH[size]))}
    return latent_prediction(
        "pixel_forward",
        size,
        env_id,
        signals,
        {"pixel_forward": 1.0},
        forward=MLPForwardConfig(MLPConfig(2, 200, "relu")),
        objective=PixelGoalConfig(),
        dimensions=8 * DIMENSIONS[size],  # a code need not be small, for nothing is compared in it
    )
