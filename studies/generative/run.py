"""What do a variational autoencoder and its bound do? Four small experiments.

1. A simple noise becomes a complex shape: `f(z) = z / 10 + z / |z|` turns a Gaussian into a ring (Doersch 2016,
   Fig. 2).
2. Handwritten digits from noise, from a latent of two dimensions (the learned manifold), and given their label.
3. The bound against the importance-weighted estimate of ln p(x) by K samples; and probabilistic PCA (`pca.py`), where
   ln p(x) is known.
4. A ball that goes left or right by chance (`fork.py`): the mean of two futures is neither. With a large `beta` the
   latent is too dear to be used, and what is left of a conditional model is the least-squares regressor.
"""

from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from reverie import recipes
from reverie.data.digits import Digits, DigitsConfig
from reverie.data.interaction import InteractionConfig
from reverie.dynamics.latents import GaussianConfig
from reverie.envs.base import EnvConfig
from reverie.evaluate import figures, generation
from reverie.models.cvae import CVAE, CVAEConfig
from reverie.models.generative import GenerativeModel
from reverie.models.likelihoods import GaussianPixelsConfig
from reverie.models.vae import VAE, VAEConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.runs.config import OfflineConfig, OfflineTrainingConfig
from reverie.runs.offline import load
from reverie.types import Batch
from studies import Findings, OnProgress
from studies.generative import fork, pca
from studies.kit import trained

SAMPLES = (1, 10, 100, 1000)
REGRESSOR_BETA = 1e4


def study(out: Path, size: str, on_progress: OnProgress) -> Findings:
    """All four, into `out`."""
    models = {
        name: cast(GenerativeModel, load(trained(config, out / name, on_progress), "cpu"))
        for name, config in configs(size).items()
    }
    digits = Digits(torch.device("cpu"), torch.Generator())
    digits.load(lambda text: None)
    train, test = (part.sequential(1, len(part)) for part in (digits.train, digits.test))
    forks = {
        "conditional VAE": cast(CVAE, models["fork"]),
        "regressor": cast(CVAE, models["fork-regressor"]),
    }
    nats = tightness(models["digits"], test)
    numbers = {
        "size": size,
        "digits": {name: generation.measure(models[name], test) for name in ("digits", "digits-2d", "digits-label")},
        "bound_by_samples": {str(count): value for count, value in nats.items()},
        "pca": linear_gaussian(models["linear"], train),
        "fork": {name: asdict(fork.examine(model)) for name, model in forks.items()},
    }
    ring(out / "ring.png")
    generation.draw_samples(out / "digits", 100, 0, out / "digits.png")
    figures.image(out / "manifold.png", generation.manifold(models["digits-2d"]))
    figures.image(out / "labels.png", labels(models["digits-label"]))
    figures.lines(
        out / "tightness.png",
        {"held-out digits": list(nats.items())},
        title="The bound tightens with the samples that it is made of",
        xlabel="samples of the posterior for each image",
        ylabel="bound on ln p(x), nats an image",
        logarithmic=True,
    )
    figures.image(out / "fork.png", fork.picture(forks))
    return Findings(numbers, text(numbers))


def configs(size: str) -> dict[str, OfflineConfig]:
    """What has to be trained, by name."""
    digits, labeled = (cast(OfflineConfig, recipes.build(name, size)) for name in ("vae", "cvae"))
    flat = replace(cast(VAEConfig, digits.model), latent=GaussianConfig(2, 1e-3))
    long = {"tiny": 100, "laptop": 4_000}[size]
    linear = VAEConfig(
        MLPConfig(0, 1),
        GaussianConfig(5, 1e-3),
        GaussianPixelsConfig(0.1, learned=True),
        optimizer=AdamConfig(lr=1e-2, decay=long),
    )
    fork = CVAEConfig(
        "past",
        MLPConfig(2, 128, "relu"),
        MLPConfig(1, 64, "relu"),
        GaussianConfig(4, 1e-3),
        "learned",
        GaussianPixelsConfig(0.3),  # a learned one shrinks with `wait` and tears a hole between left and right
        optimizer=AdamConfig(lr=1e-3, decay=long),
    )
    world = InteractionConfig(EnvConfig("reverie/Fork-v0", ("state",), image_size=16), train=2_000, test=400)
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


def ring(path: Path, points: int = 2_000) -> Path:
    """A Gaussian before and after `f(z) = z / 10 + z / |z|`, each point in the color of its angle."""
    z = np.random.default_rng(0).normal(size=(points, 2))
    shaped = z / 10 + z / np.linalg.norm(z, axis=1, keepdims=True)
    angle = np.arctan2(z[:, 1], z[:, 0])
    return figures.scatter(path, {"z ~ N(0, I)": z, "f(z) = z / 10 + z / |z|": shaped}, angle)


@torch.no_grad()
def tightness(model: GenerativeModel, batch: Batch) -> dict[int, float]:
    """The mean importance-weighted bound by each number of samples, in nats; K = 1 is the usual bound."""
    generator = torch.Generator().manual_seed(0)
    size = batch.action.shape[:2]
    found = {}
    for count in SAMPLES:
        repeats = max(1, 100 // count)  # few samples make a noisy mean
        noise = [torch.stack([model.noise(size[0], size[1], generator) for _ in range(count)]) for _ in range(repeats)]
        found[count] = float(torch.stack([model.evidence(batch, part).mean() for part in noise]).mean())
    return found


@torch.no_grad()
def linear_gaussian(learned: GenerativeModel, batch: Batch) -> dict[str, float]:
    """Exact ln p(x) of the best linear model beside its bound, and both for the learned one; nats an image."""
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
    """`E ln w`, the bound, as a mean over samples: reconstruction less complexity, both by the same samples."""
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
    return figures.mosaic([list(row) for row in pictures])


def text(numbers: dict[str, Any]) -> str:
    """The report: every figure in it is in `numbers`."""
    digits, nats, linear, fork = (numbers[name] for name in ("digits", "bound_by_samples", "pca", "fork"))
    rows = "\n".join(
        f"| {name} | {v['bound']:.2f} | {v['reconstruction']:.2f} | {v['divergence']:.2f} | {v['evidence']:.2f} "
        f"| {v['active_units']:.0f} of {v['units']:.0f} |"
        for name, v in digits.items()
    )
    by_samples = ", ".join(f"{value:.2f} by {count}" for count, value in nats.items())
    gap = abs(linear["best_exact"] - linear["best_bound"])
    forks = "\n".join(
        f"| {name} | {v['error_go']:.3f} | {v['error_wait']:.3f} | {v['spread_go']:.3f} | {v['spread_wait']:.3f} "
        f"| {100 * v['left']:.0f} % |"
        for name, v in fork.items()
    )
    return f"""# Generative models

`reverie study generative --size {numbers["size"]}`. Nats an image: of densities
of pixels in [0, 1], so they may be positive.

## A simple noise becomes a complex shape

![ring](ring.png)

## Digits from noise

![digits](digits.png) ![manifold](manifold.png) ![labels](labels.png)

Left: 100 samples. Middle: the latent plane of a model with two dimensions. Right: ten samples of each label.

| held-out digits | bound | reconstruction | complexity | ln p(x) by {generation.SAMPLES} samples | active units |
|---|---|---|---|---|---|
{rows}

## The bound, and what it bounds

![tightness](tightness.png)

Held-out digits: {by_samples} samples.

Where ln p(x) is known, in a linear model of the training digits (five dimensions), the best one has
ln p(x) = {linear["best_exact"]:.4f} and its bound is {linear["best_bound"]:.4f}: they differ by {gap:.1e} nats.
The one that was learned by gradients has ln p(x) = {linear["learned_exact"]:.3f}, bound {linear["learned_bound"]:.3f}.

## Two futures

![fork](fork.png)

First column: the frame before. Rows in pairs: `go` (left or right by chance), then `wait`. Upper half: the conditional
VAE; lower half: the regressor, which may not use its latent.

| | error, go | error, wait | spread, go | spread, wait | nearest to the left |
|---|---|---|---|---|---|
{forks}

{conclusion(numbers)}
"""


def conclusion(numbers: dict[str, Any]) -> str:
    """What the numbers say, whichever way they fall."""
    nats, linear, fork = (numbers[name] for name in ("bound_by_samples", "pca", "fork"))
    several, mean = fork["conditional VAE"], fork["regressor"]
    neither = several["error_go"] < 0.5 * mean["error_go"] and 0.2 < several["left"] < 0.8
    torn = several["spread_go"] > 3 * several["spread_wait"]
    known = abs(linear["best_exact"] - linear["best_bound"]) < 1e-3
    rises = all(nats[str(few)] < nats[str(many)] for few, many in pairwise(SAMPLES))
    return " ".join(
        [
            f"After `go` a picture of the conditional VAE is {several['error_go']:.3f} from the nearest future that",
            f"can come (root-mean-square, of 1), one of the regressor {mean['error_go']:.3f}:",
            "**the mean of two futures is neither.**" if neither else "that is not the difference that was expected.",
            f"Samples spread by {several['spread_go']:.3f} after `go`, by {several['spread_wait']:.3f} after `wait`:",
            "**they differ where the world is uncertain.**" if torn else "they do not tell where it is uncertain.",
            "The bound rises with the number of samples" if rises else "The bound does not rise with every sample",
            f"(by {nats[str(SAMPLES[-1])] - nats['1']:.2f} nats),",
            "and where ln p(x) is known it is reached." if known else "and where ln p(x) is known it is missed.",
        ]
    )
