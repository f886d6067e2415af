"""Autoencoders of single images: 8x8 handwritten digits, or with `--env.id` the frames of an environment.

The digits are those of scikit-learn, the frames those of random interaction.

Sizes: `laptop` ends within minutes on two cores. `paper` is wide: no table of the papers has these images. The pixels
of digits have a Gaussian whose std is learned (Rybkin 2021), those of frames a fixed one. The std decides which details
are worth a nat (`docs/log.md`).
"""

from reverie.data.digits import DigitsConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.models import GenerativeConfig
from reverie.models.cvae import CVAEConfig
from reverie.models.likelihoods import GaussianPixelsConfig
from reverie.models.vae import VAEConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.recipes.presets import offline_budget, random_frames
from reverie.runs.config import OfflineConfig, OfflineTrainingConfig

UNITS = {"tiny": 16, "laptop": 256, "paper": 500}
DEPTH = {"tiny": 2, "laptop": 8, "paper": 32}
DIGIT_LATENT, DIGIT_PIXELS = GaussianConfig(size=16, min_std=1e-3), GaussianPixelsConfig(std=0.3, learned=True)
FRAME_LATENT, FRAME_PIXELS = GaussianConfig(size=8, min_std=1e-3), GaussianPixelsConfig(std=0.3)
"""Rendered frames have no noise, and with a learned std the prior misses the posteriors."""


def vae(size: str, env_id: str | None) -> OfflineConfig:
    """Variational autoencoder: digits, or the frames of any environment, from a simple noise.

    Kingma & Welling 2014 ("Auto-Encoding Variational Bayes"). `--model.latent.size 2` draws the learned manifold.
    """
    if env_id is None:
        image = MLPConfig(1 if size == "tiny" else 2, UNITS[size], "relu")
        model = VAEConfig(image, DIGIT_LATENT, DIGIT_PIXELS, optimizer=digit_optimizer(size))
        return of_digits("vae", size, model)
    model = VAEConfig(ConvConfig(DEPTH[size]), FRAME_LATENT, FRAME_PIXELS)
    return of_frames("vae", size, env_id, model, length=1)


def cvae(size: str, env_id: str | None) -> OfflineConfig:
    """Conditional variational autoencoder: the digits of a label, or the frames that an action may lead to.

    Sohn 2015 ("Learning Structured Output Representation using Deep Conditional Generative Models"). The condition of a
    frame is the frame before and the action.
    """
    if env_id is None:
        image = MLPConfig(1, UNITS[size], "relu")
        optimizer = digit_optimizer(size)
        model = CVAEConfig(image, DIGIT_LATENT, DIGIT_PIXELS, optimizer=optimizer, given="vectors", hidden=image)
        return of_digits("cvae", size, model)
    image, hidden = ConvConfig(DEPTH[size]), MLPConfig(1, UNITS[size], "elu")
    model = CVAEConfig(image, FRAME_LATENT, FRAME_PIXELS, given="past", hidden=hidden, prior="learned")
    return of_frames("cvae", size, env_id, model, length=2)


def of_digits(recipe: str, size: str, model: GenerativeConfig) -> OfflineConfig:
    """Return the config of a model of digits."""
    return OfflineConfig(recipe, size, data=DigitsConfig(), model=model, training=digit_budget(size))


def digit_budget(size: str) -> OfflineTrainingConfig:
    """Return a short budget: 1,500 images overfit from 1,000 updates on (`docs/log.md`)."""
    if size == "tiny":
        return offline_budget(size, 60, 16, length=1)
    return OfflineTrainingConfig(1_500, 64, 1, evaluate_every=250)


def digit_optimizer(size: str) -> AdamConfig:
    """Return an optimizer against overfitting: weight decay, and a learning rate that falls over all updates."""
    return AdamConfig(lr=1e-3, weight_decay=0.1, decay=digit_budget(size).updates)


def of_frames(recipe: str, size: str, env_id: str, model: GenerativeConfig, length: int) -> OfflineConfig:
    """Return the config of a model of frames; `length` 2 where the model needs the previous step."""
    laptop = (3_000 if length == 1 else 2_000, 64)
    updates, batch = {"tiny": (60, 16), "laptop": laptop, "paper": (100_000, 100)}[size]
    training = offline_budget(size, updates, batch, length)
    return OfflineConfig(recipe, size, data=random_frames(size, env_id), model=model, training=training)
