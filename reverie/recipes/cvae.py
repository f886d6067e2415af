"""Conditional variational autoencoder: the digits of a label, or the frames that an action may lead to.

Sohn 2015 ("Learning Structured Output Representation using Deep Conditional Generative Models"). Without `--env.id` it
draws handwritten digits given their label; with one, the next frame given the frame and the action, from random
interaction with that environment.

Sizes as in `vae`.
"""

from reverie.data.digits import DigitsConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.models.cvae import CVAEConfig
from reverie.models.likelihoods import GaussianPixelsConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.recipes.presets import offline_budget, random_frames
from reverie.recipes.vae import DIGIT_UNITS, FRAME_DEPTH, FRAME_STD, digit_budget, digit_optimizer
from reverie.runs.config import OfflineConfig


def cvae(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for the digits (`env_id` None) or for an environment's frames."""
    units = DIGIT_UNITS[size]
    if env_id is None:
        model = CVAEConfig(
            given="vectors",
            image=MLPConfig(1, units, "relu"),
            hidden=MLPConfig(1, units, "relu"),
            latent=GaussianConfig(size=16, min_std=1e-3),
            likelihood=GaussianPixelsConfig(std=0.3, learned=True),
            optimizer=digit_optimizer(size),
        )
        return OfflineConfig("cvae", size, data=DigitsConfig(), model=model, training=digit_budget(size))
    model = CVAEConfig(
        given="past",
        image=ConvConfig(FRAME_DEPTH[size]),
        hidden=MLPConfig(1, units, "elu"),
        latent=GaussianConfig(size=8, min_std=1e-3),
        prior="learned",
        likelihood=GaussianPixelsConfig(std=FRAME_STD),
    )
    return OfflineConfig(
        "cvae", size, data=random_frames(size, env_id), model=model, training=offline_budget(size, length=2)
    )
