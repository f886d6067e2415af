"""What do a variational autoencoder and its bound do? Four small experiments.

1. Simple noise becomes a complex shape: `f(z) = z / 10 + z / |z|` maps a Gaussian to a ring (Doersch 2016, Fig. 2).
2. Handwritten digits from noise, from a latent of two dimensions (the learned manifold), and given their label.
3. The bound against the importance-weighted estimate of ln p(x) by K samples; and probabilistic PCA (`pca.py`), where
   ln p(x) is known.
4. A ball that goes left or right at random (`fork.py`): the mean of two futures is neither. A large `beta` keeps the
   latent from being used, and the conditional model becomes a least-squares regressor.
"""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch

from reverie.data.digits import Digits, DigitsConfig
from reverie.data.interaction import InteractionConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.envs.base import EnvConfig
from reverie.evaluation import films, generation
from reverie.models.cvae import CVAE, CVAEConfig
from reverie.models.generative import GenerativeModel
from reverie.models.likelihoods import GaussianPixelsConfig
from reverie.models.vae import VAE, VAEConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.runs.config import OfflineConfig, OfflineTrainingConfig
from reverie.runs.offline import load_model
from reverie.runs.results import draw_samples
from reverie.types import Batch
from studies.generative import fork, pca
from studies.kit import Numbers, OnProgress, ensure_trained, offline_recipe

SAMPLES = (1, 10, 100, 1000)
REGRESSOR_BETA = 1e4


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Numbers:
    """All four."""
    models = {
        name: cast(GenerativeModel, load_model(ensure_trained(config, out / name, on_progress), "cpu"))
        for name, config in configs(size).items()
    }
    digits = Digits(torch.device("cpu"), torch.Generator())
    digits.load(lambda _: None)
    train, test = (part.sequential(1, len(part)) for part in (digits.train, digits.test))
    forks = {
        "conditional VAE": cast(CVAE, models["fork"]),
        "regressor": cast(CVAE, models["fork-regressor"]),
    }
    draw_samples(out / "digits", 100, 0, out / "digits.png")
    films.write_image(out / "manifold.png", generation.manifold(models["digits-2d"]))
    films.write_image(out / "labels.png", labels(models["digits-label"]))
    films.write_image(out / "fork.png", fork.picture(forks))
    return {
        "size": size,
        "digits": {name: generation.measure(models[name], test) for name in ("digits", "digits-2d", "digits-label")},
        "bound_by_samples": tightness(models["digits"], test),
        "pca": linear_gaussian(models["linear"], train),
        "fork": {name: fork.measure(model) for name, model in forks.items()},
    }


def configs(size: str) -> dict[str, OfflineConfig]:
    """The runs to train, by name."""
    digits, labeled = (offline_recipe(name, size) for name in ("vae", "cvae"))
    flat = replace(cast(VAEConfig, digits.model), latent=GaussianConfig(2, 1e-3))
    long = {"tiny": 20, "laptop": 4_000}[size]
    linear = VAEConfig(
        MLPConfig(0, 1),
        GaussianConfig(5, 1e-3),
        GaussianPixelsConfig(0.1, learned=True),
        optimizer=AdamConfig(lr=1e-2, decay=long),
    )
    fork = CVAEConfig(
        MLPConfig(2, 128, "relu"),
        GaussianConfig(4, 1e-3),
        GaussianPixelsConfig(0.3),  # a learned one shrinks with `wait` and makes a hole between left and right
        hidden=MLPConfig(1, 64, "relu"),
        prior="learned",
        optimizer=AdamConfig(lr=1e-3, decay=long),
    )
    train, test = {"tiny": (200, 40), "laptop": (2_000, 400)}[size]
    world = InteractionConfig(EnvConfig("reverie/Fork-v0", ("state",), image_size=16), train, test)
    budget = OfflineTrainingConfig(long, 100, 1, evaluate_every=long)
    pairs = replace(budget, length=2)
    return {
        "digits": digits,
        "digits-2d": replace(digits, model=flat),
        "digits-label": labeled,
        "linear": OfflineConfig("vae", size, data=DigitsConfig(), model=linear, training=budget),
        "fork": OfflineConfig("cvae", size, data=world, model=fork, training=pairs),
        "fork-regressor": OfflineConfig(
            "cvae", size, data=world, model=replace(fork, beta=REGRESSOR_BETA), training=pairs
        ),
    }


@torch.no_grad()
def tightness(model: GenerativeModel, batch: Batch) -> dict[int, float]:
    """The mean importance-weighted bound by number of samples, in nats an image; K = 1 is the usual bound."""
    generator = torch.Generator().manual_seed(0)
    size = batch.action.shape[:2]
    bounds = {}
    for count in SAMPLES:
        repeats = max(1, 100 // count)  # few samples make a noisy mean
        noise = [torch.stack([model.noise(size[0], size[1], generator) for _ in range(count)]) for _ in range(repeats)]
        bounds[count] = float(torch.stack([model.evidence(batch, part).mean() for part in noise]).mean())
    return bounds


@torch.no_grad()
def linear_gaussian(learned: GenerativeModel, batch: Batch) -> dict[str, float]:
    """Exact ln p(x) and bound of the best linear model and of the learned one; nats an image."""
    assert isinstance(learned, VAE)
    x = batch.obs["pixels"].flatten(1).float() / 255
    solution = pca.solve(x, learned.latent.sample_size)
    best = VAEConfig(MLPConfig(0, 1), GaussianConfig(learned.latent.sample_size, 1e-3), GaussianPixelsConfig(0.1, True))
    exact = best.build(Digits.spec)
    exact.calibrate(batch)
    pca.install(solution, exact)
    generator = torch.Generator().manual_seed(0)
    noise = torch.stack([exact.noise(len(x), 1, generator) for _ in range(100)])
    return {
        "best_exact": float(solution.log_prob(x.double()).mean()),
        "best_bound": mean_bound(exact, batch, noise),
        "learned_exact": float(pca.exact_log_prob(learned, x).mean()),
        "learned_bound": mean_bound(learned, batch, noise),
    }


def mean_bound(model: GenerativeModel, batch: Batch, noise: torch.Tensor) -> float:
    """The bound `E ln w` as a mean over samples."""
    return float(torch.stack([model.evidence(batch, part[None]).mean() for part in noise]).mean())


@torch.no_grad()
def labels(model: GenerativeModel, columns: int = 10) -> np.ndarray:
    """A row of pictures for each label."""
    assert isinstance(model, CVAE)
    label = torch.eye(10)[:, None]
    blank = torch.zeros(10, 1, 8, 8, 1, dtype=torch.uint8)
    flags = torch.ones(10, 1, dtype=torch.bool)
    batch = Batch({"pixels": blank, "label": label}, torch.zeros(10, 1, 0), torch.zeros(10, 1), flags, flags, flags)
    condition = model.condition(batch).expand(-1, columns, -1)
    noise = model.latent.noise(10, columns, generator=torch.Generator().manual_seed(0))
    pictures = (255 * model.imagine(condition, noise)).round().to(torch.uint8).numpy()
    return films.mosaic([list(row) for row in pictures], row_labels=[f"digit {digit}" for digit in range(10)])
