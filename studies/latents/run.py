"""Gaussian or categorical latents: the same RSSM and the same data with another stochastic part.

The two worlds of the study of dynamics: a ball that forks at random and falls behind a curtain, and Pendulum from
pixels. All models learn twice: from the same recorded random interaction, and as PlaNet agents from their own.
One categorical latent has as many outputs as the Gaussian; a wider one is DreamerV2's at size `laptop`.
A picture of codes shows the mean of the held-out images for each value of a latent.

A planner without noise imagines one future: the mean of a Gaussian, the most likely classes of a categorical latent.
On Pendulum the study also plans by the mean over sampled futures, and measures how well either ranks plans
(`ranking.py`).

Reading path: this file, `dynamics/latents.py`, `studies/dynamics/run.py`, `ranking.py`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie.data.agent_replay import AgentReplayConfig
from reverie.dynamics.latents import Categorical, CategoricalConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.evaluation import films
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.planning.actor import PlanningConfig
from reverie.runs.config import OfflineConfig, OnlineConfig
from reverie.runs.offline import load_model
from reverie.types import Batch
from studies.dynamics import run as dynamics
from studies.dynamics.run import WORLDS, env, predictions, returns
from studies.kit import Numbers, OnProgress, ensure_trained
from studies.latents.ranking import balanced_pole, ranking_accuracy

LATENTS = ("Gaussian", "categorical", "wide")
TINY = {"curtain": ("categorical",), "pendulum": ("Gaussian",)}
"""The latents of size `tiny`: each in one world."""
CATEGORICAL = {"curtain": CategoricalConfig(8, 4), "pendulum": CategoricalConfig(8, 5)}
"""Groups and classes: as many outputs as the Gaussian has, two for each of its 16 or 20 dimensions."""
WIDE = CategoricalConfig(16, 16)
"""DreamerV2's at size `laptop`."""
FUTURES = 4
"""Samples of each plan's future, where plans are scored by samples."""
EPISODES, MOMENTS = {"tiny": 2, "laptop": 16}, {"tiny": 10, "laptop": 200}
"""Episodes of a balanced pole, and the moments near the top at which plans are ranked."""
CODES, VALUES = 6, 8
"""Rows and, at most, columns of the picture of codes."""


def study(out: Path, size: str, on_progress: OnProgress, parts: tuple[str, ...] = ()) -> Numbers:
    """Both worlds."""
    names = TINY if size == "tiny" else dict.fromkeys(WORLDS, LATENTS)
    numbers: dict[str, Any] = {"size": size}
    for world in WORLDS:
        configs = {name: fit(world, name, size) for name in names[world]}
        numbers[world], models, test = predictions(out, world, configs, on_progress)
        for name, model in models.items():
            with torch.no_grad():
                posterior: Any = model.trace(test, None).posterior
            latent = cast(Any, model.dynamics).latent
            numbers[world][name]["information_bits"] = information_bits(posterior.stats, latent)
            numbers[world][name]["latent"] = described(latent)
            films.write_image(out / f"{world}_{name}_codes.png", codes_picture(model, test))
    for world in WORLDS:
        for name in names[world]:
            config, folder = agent(world, name, size), out / f"{world}-{name}-agent"
            numbers[world][name]["returns"] = returns(config, folder, on_progress)
    planned(out, size, numbers["pendulum"], on_progress)
    return numbers


def planned(out: Path, size: str, results: dict[str, Any], on_progress: OnProgress) -> None:
    """Add returns of planning by sampled futures on Pendulum, and how well scores of either kind rank plans.

    The ranking models learn from data with balanced poles: the replay of the Gaussian agent, the same for all.
    """
    world = env("pendulum", size)
    episodes = balanced_pole(world, EPISODES[size], seed=0)
    data = AgentReplayConfig(str(out / "pendulum-Gaussian-agent"))
    for name, result in results.items():
        config, folder = agent("pendulum", name, size, sampled=True), out / f"pendulum-{name}-agent-sampled"
        result["returns_sampled"] = returns(config, folder, on_progress)
        base = replace(fit("pendulum", name, size), data=data)
        folder = ensure_trained(base, out / f"pendulum-{name}-replayed", on_progress)
        model = cast(WorldModel, load_model(folder, "cpu"))
        result["ranking"] = {
            str(samples): ranking_accuracy(model, episodes, world, samples, MOMENTS[size], seed=0)
            for samples in (0, FUTURES)
        }


def with_latent(model: WorldModelConfig, world: str, name: str) -> WorldModelConfig:
    """The RSSM of the study of dynamics, with the latent of that name."""
    if name == "Gaussian":
        return model
    latent = WIDE if name == "wide" else CATEGORICAL[world]
    return replace(model, dynamics=replace(cast(RSSMConfig, model.dynamics), latent=latent))


def described(latent: Any) -> str:
    """The size of a latent, in words."""
    if isinstance(latent, Categorical):
        return f"{latent.groups} groups of {latent.classes} classes"
    return f"{latent.sample_size} dimensions"


def fit(world: str, name: str, size: str) -> OfflineConfig:
    """An offline run: one model on random interaction, the same for all."""
    base = dynamics.fit(world, "RSSM", size)
    return replace(base, model=with_latent(cast(WorldModelConfig, base.model), world, name))


def agent(world: str, name: str, size: str, sampled: bool = False) -> OnlineConfig:
    """One model as a PlaNet agent. On the curtain, which forks, it always plans by sampled futures."""
    base = dynamics.agent(world, "RSSM", size)
    behavior = replace(cast(PlanningConfig, base.behavior), num_samples=FUTURES) if sampled else base.behavior
    return replace(base, model=with_latent(base.model, world, name), behavior=behavior)


@torch.no_grad()
def value_weights(model: WorldModel, batch: Batch) -> Float[Tensor, "N K V"]:
    """Weight of each of V values of K codes at N moments; sums to 1 over values.

    A code is a group of a categorical latent, weighted by its probabilities; or a dimension of a Gaussian latent, whose
    values are `VALUES` equally frequent ranges of its mean.
    """
    posterior: Any = model.trace(batch, None).posterior
    if hasattr(posterior.stats, "log_probability"):
        return cast(Any, model.dynamics).latent.split_groups(posterior.stats.log_probability).exp().flatten(0, 1)
    mean = posterior.stats.mean.flatten(0, 1)
    rank = mean.argsort(0).argsort(0)
    return torch.nn.functional.one_hot(rank * VALUES // len(mean), VALUES).to(mean.dtype)


def information_bits(stats: Any, latent: Any) -> float:
    """Information of the posterior q about the moment, in bits a step: the mean over moments of `KL[q || mean of q]`.

    Categorical latent: the sum over groups. Gaussian latent: the mean of q is taken as a Gaussian of the overall mean
    and variance, so this is an upper bound.
    """
    if hasattr(stats, "log_probability"):
        q = latent.split_groups(stats.log_probability).exp().flatten(0, 1)
        nats = (torch.xlogy(q, q) - torch.xlogy(q, q.mean(0))).sum((1, 2)).mean()
    else:
        mean, std = stats.mean.flatten(0, 1), stats.std.flatten(0, 1)
        overall = (mean.var(0, correction=0) + std.square().mean(0)).sqrt()
        nats = (overall.log() - std.log()).mean(0).sum()
    return float(nats) / np.log(2)


def codes(model: WorldModel, batch: Batch) -> list[list[UInt8[np.ndarray, "H W C"]]]:
    """A row for each of the `CODES` codes that split the images best; a column a value: the mean of its images."""
    weight = value_weights(model, batch)
    images = batch.obs[model.normalize.images[0]].flatten(0, 1).float()
    total = weight.sum(0)
    means = torch.einsum("nkv,nd->kvd", weight, images.flatten(1)) / total.clamp(min=1e-6)[:, :, None]
    share = (total / total.sum(1, keepdim=True))[:, :, None]
    between = (share * (means - images.flatten(1).mean(0)).square()).sum((1, 2))
    rows = []
    for code in between.argsort(descending=True)[:CODES]:
        frequent = total[code].argsort(descending=True)[:VALUES].sort().values
        pictures = means[code, frequent].unflatten(1, images.shape[1:]).round().clamp(0, 255).to(torch.uint8)
        rows.append([picture.numpy() for picture in pictures])
    return rows


def codes_picture(model: WorldModel, batch: Batch) -> UInt8[np.ndarray, "H W C"]:
    """`codes` with labels."""
    rows = codes(model, batch)
    ranks = [f"code, rank {rank}" for rank in range(1, len(rows) + 1)]
    values = [f"value {number}" for number in range(1, len(rows[0]) + 1)]
    title = "The mean image of each value of the codes that split the images best"
    return films.mosaic(rows, row_labels=ranks, column_labels=values, title=title)
