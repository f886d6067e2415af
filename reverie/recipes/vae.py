"""Variational autoencoder: digits, or the frames of any environment, from a simple noise.

Kingma & Welling 2014 ("Auto-Encoding Variational Bayes"). Without `--env.id` it learns the 8x8 handwritten digits that
scikit-learn ships; with one, frames of random interaction with that environment. `--model.latent.size 2` draws the
learned manifold.

Reading path:
    reverie/recipes/vae.py          this file: what is put together
    reverie/models/generative.py      the bound in its two halves, and the estimate that checks it
    reverie/models/vae.py       encoder, prior, decoder
    reverie/runs/update.py               one update
    reverie/runs/loop.py                the training loop

Sizes: `laptop` ends within minutes on two cores. `paper` is wide: no table of the paper has these images. The pixels of
digits have a Gaussian whose std is learned (Rybkin 2021), those of frames a fixed one; it decides what is worth a nat
(`docs/log.md`).
"""

from reverie.data.digits import DigitsConfig
from reverie.data.interaction import InteractionConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.envs.base import EnvConfig
from reverie.models.likelihoods import GaussianPixelsConfig
from reverie.models.vae import VAEConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.runs.config import OfflineConfig, OfflineTrainingConfig


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
    return OfflineConfig("vae", size, data=frames(size, env_id), model=model, training=budget(size, length=1))


DIGIT_UNITS = {"tiny": 16, "laptop": 256, "paper": 500}
FRAME_STD = 0.3
"""Of rendered frames, which have no noise: a learned one shrinks until the prior no longer meets the posteriors."""
FRAME_DEPTH = {"tiny": 2, "laptop": 8, "paper": 32}


def frames(size: str, env_id: str) -> InteractionConfig:
    """Random interaction: DeepMind Control with the published action repeat 2 and fast rendering."""
    control = env_id.startswith("dm_control/")
    env = EnvConfig(
        env_id,
        image_size=16 if size == "tiny" else 64 if size == "paper" or control else 32,
        repeat=2 if control else 1,
        rendering="fast" if control and size != "paper" else "stock",
    )
    train = {"tiny": 200, "laptop": 4_000, "paper": 50_000}[size]
    return InteractionConfig(env, train, train // 10)


def digit_budget(size: str) -> OfflineTrainingConfig:
    """1,500 images are soon learned by heart: `docs/log.md` has the held-out bound falling from 1,000 updates on."""
    return budget(size, length=1) if size == "tiny" else OfflineTrainingConfig(1_500, 64, 1, evaluate_every=250)


def digit_optimizer(size: str) -> AdamConfig:
    """Against that: weight decay, and a rate that falls over all updates."""
    return AdamConfig(lr=1e-3, weight_decay=0.1, decay=digit_budget(size).updates)


def budget(size: str, length: int) -> OfflineTrainingConfig:
    """Updates and batches; `length` 2 where the step before is needed."""
    if size == "tiny":
        return OfflineTrainingConfig(60, 16, length, log_every=20, checkpoint_every=20, evaluate_every=30)
    if size == "laptop":
        return OfflineTrainingConfig(3_000 if length == 1 else 2_000, 64, length, evaluate_every=500)
    return OfflineTrainingConfig(100_000, 100, length, log_every=500, checkpoint_every=5_000, evaluate_every=5_000)
