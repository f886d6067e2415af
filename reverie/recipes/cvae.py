"""Conditional variational autoencoder: the digits of a label, or the frames that an action may lead to.

Sohn 2015 ("Learning Structured Output Representation using Deep Conditional Generative Models"). Without `--env.id` it
draws handwritten digits given their label; with one, the next frame given the frame and the action, from random
interaction with that environment.

Reading path:
    reverie/recipes/cvae.py         this file: what is put together
    reverie/models/generative.py      the bound in its two halves, and the estimate that checks it
    reverie/models/cvae.py      the condition, and the three distributions that it enters
    reverie/runs/update.py               one update
    reverie/runs/loop.py                the training loop

Sizes as in `vae`.
"""

from reverie.data.digits import DigitsConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.models.cvae import CVAEConfig
from reverie.models.likelihoods import GaussianPixelsConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.recipes.vae import DIGIT_UNITS, FRAME_DEPTH, FRAME_STD, budget, digit_budget, digit_optimizer, frames
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
    return OfflineConfig("cvae", size, data=frames(size, env_id), model=model, training=budget(size, length=2))
