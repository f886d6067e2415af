"""Variational autoencoder: digits, or the frames of any environment, from a simple noise.

Kingma & Welling 2014 ("Auto-Encoding Variational Bayes"). Without `--env.id` it learns the 8x8 handwritten digits that
scikit-learn ships; with one, frames of random interaction with that environment. `--model.latent.size 2` draws the
learned manifold.

Sizes: `laptop` ends within minutes on two cores. `paper` is wide: no table of the paper has these images. The pixels of
digits have a Gaussian whose std is learned (Rybkin 2021), those of frames a fixed one; it decides what is worth a nat
(`docs/log.md`).
"""

from reverie.data.digits import DigitsConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.models.likelihoods import GaussianPixelsConfig
from reverie.models.vae import VAEConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.recipes.presets import offline_budget, random_frames
from reverie.runs.config import OfflineConfig, OfflineTrainingConfig

DIGIT_UNITS = {"tiny": 16, "laptop": 256, "paper": 500}
FRAME_STD = 0.3
"""The likelihood of rendered frames, which have no noise. A learned std makes the prior miss the posteriors."""
FRAME_DEPTH = {"tiny": 2, "laptop": 8, "paper": 32}


def vae(size: str, env_id: str | None) -> OfflineConfig:
    """The config of one size, for the digits (`env_id` None) or for an environment's frames."""
    if env_id is None:
        model = VAEConfig(
            image=MLPConfig({"tiny": 1, "laptop": 2, "paper": 2}[size], DIGIT_UNITS[size], "relu"),
            latent=GaussianConfig(size=16, min_std=1e-3),
            likelihood=GaussianPixelsConfig(std=0.3, learned=True),
            optimizer=digit_optimizer(size),
        )
        return OfflineConfig("vae", size, data=DigitsConfig(), model=model, training=digit_budget(size))
    model = VAEConfig(
        image=ConvConfig(FRAME_DEPTH[size]),
        latent=GaussianConfig(size=8, min_std=1e-3),
        likelihood=GaussianPixelsConfig(std=FRAME_STD),
    )
    return OfflineConfig(
        "vae", size, data=random_frames(size, env_id), model=model, training=offline_budget(size, length=1)
    )


def digit_budget(size: str) -> OfflineTrainingConfig:
    """1,500 images overfit soon: in `docs/log.md` the held-out bound falls from 1,000 updates on."""
    return offline_budget(size, length=1) if size == "tiny" else OfflineTrainingConfig(1_500, 64, 1, evaluate_every=250)


def digit_optimizer(size: str) -> AdamConfig:
    """Against overfitting: weight decay, and a learning rate that falls over all updates."""
    return AdamConfig(lr=1e-3, weight_decay=0.1, decay=digit_budget(size).updates)
