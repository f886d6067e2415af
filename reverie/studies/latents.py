"""Gaussian or categorical latents: the same RSSM, the same data, another stochastic part.

The two worlds of the study of dynamics: a ball that forks at random and falls behind a curtain, and Pendulum from
pixels. In each, both models learn from the same recorded random interaction, and as PlaNet agents from what they
collect. What a latent codes is shown as the mean of the held-out images for which it took a value.

Reading path: this file, `dynamics/latent.py`, `dynamics/categorical.py`, `studies/dynamics.py`.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie import agent as agents
from reverie.config import Config, FitConfig
from reverie.dynamics.categorical import CategoricalConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.evaluate import report
from reverie.evaluate.returns import evaluate
from reverie.fit_run import load
from reverie.studies import Findings, OnProgress, dynamics
from reverie.studies.dynamics import CONTEXT, WORLDS, data, draw, futures, judged, remembered
from reverie.studies.latents_report import text
from reverie.studies.trained import trained
from reverie.types import Batch
from reverie.world_model import WorldModel, WorldModelConfig

LATENTS = ("Gaussian", "categorical")
CATEGORICAL = {"curtain": CategoricalConfig(8, 4), "pendulum": CategoricalConfig(8, 5)}
"""Groups and classes: as many outputs as the Gaussian has, two for each of its 16 or 20 dimensions."""
CODES, VALUES = 6, 8
"""Rows and, at most, columns of the picture of codes."""


def study(out: Path, size: str, on_progress: OnProgress) -> Findings:
    """Both worlds, into `out`; the curtain alone at size `tiny`."""
    worlds = WORLDS[:1] if size == "tiny" else WORLDS
    numbers: dict[str, Any] = {"size": size}
    for world in worlds:
        fits = {name: trained(fit(world, name, size), out / f"{world}-{name}-fit", on_progress) for name in LATENTS}
        models = {name: cast(WorldModel, load(folder, "cpu")) for name, folder in fits.items()}
        seen, batch = data(fit(world, "Gaussian", size), fits["Gaussian"], world)
        numbers[world] = {name: judged(model, batch, CONTEXT[world]) for name, model in models.items()}
        for name, model in models.items():
            if world == "curtain":
                numbers[world][name]["memory"] = remembered(model, seen, batch)
            with torch.no_grad():
                posterior: Any = model.trace(batch, None).posterior
            numbers[world][name]["bits"] = bits(posterior.stats, model.dynamics.latent)
            report.image(out / f"{world}_{name}_codes.png", report.mosaic(codes(model, batch)))
        draw(out, world, numbers[world])
        report.image(out / f"{world}.png", futures(models, batch, CONTEXT[world]))
    for world in worlds:
        for name in LATENTS:
            config = agent(world, name, size)
            folder = trained(config, out / f"{world}-{name}-agent", on_progress)
            returns = evaluate(
                agents.load(folder, "cpu"), config.env, config.evaluation.final_episodes, config.seed
            ).returns
            numbers[world][name]["returns"] = returns
    return Findings(numbers, text(numbers))


def with_latent(model: WorldModelConfig, world: str, name: str) -> WorldModelConfig:
    """The RSSM of the study of dynamics, with the latent asked for."""
    if name == "Gaussian":
        return model
    return replace(model, dynamics=replace(cast(RSSMConfig, model.dynamics), latent=CATEGORICAL[world]))


def fit(world: str, name: str, size: str) -> FitConfig:
    """One model on recorded random interaction, the same for both."""
    base = dynamics.fit(world, "RSSM", size)
    return replace(base, model=with_latent(cast(WorldModelConfig, base.model), world, name))


def agent(world: str, name: str, size: str) -> Config:
    """One model as a PlaNet agent."""
    base = dynamics.agent(world, "RSSM", size)
    return replace(base, model=with_latent(base.model, world, name))


@torch.no_grad()
def values(model: WorldModel, batch: Batch) -> Float[Tensor, "N K V"]:
    """How much each of K codes takes each of V values at N moments, summing to 1 over values.

    A code is a group of a categorical latent, by its probabilities; of a Gaussian one it is a dimension, by which of
    `VALUES` equally frequent parts of its means it lies in.
    """
    posterior: Any = model.trace(batch, None).posterior
    if hasattr(posterior.stats, "log_probability"):
        return model.dynamics.latent.grouped(posterior.stats.log_probability).exp().flatten(0, 1)
    mean = posterior.stats.mean.flatten(0, 1)
    ranks = mean.argsort(0).argsort(0)
    part = ranks * VALUES // len(mean)
    return torch.nn.functional.one_hot(part, VALUES).to(mean.dtype)


def bits(stats: Any, latent: Any) -> float:
    """What the posterior tells of the moment beyond its average, in bits a step: `sum_k KL[q_k || mean q_k]`.

    Of a categorical latent, the sum over groups of entropy of the mean less mean of the entropy. Of a Gaussian, the
    same with the mean taken as a Gaussian of the overall mean and variance, an upper bound.
    """
    if hasattr(stats, "log_probability"):
        each = latent.grouped(stats.log_probability).exp().flatten(0, 1)
        overall = each.mean(0)
        told = (torch.xlogy(each, each) - torch.xlogy(each, overall)).sum((1, 2)).mean()
    else:
        mean, std = stats.mean.flatten(0, 1), stats.std.flatten(0, 1)
        overall = (mean.var(0, correction=0) + std.square().mean(0)).sqrt()
        told = (overall.log() - std.log()).mean(0).sum()
    return float(told) / np.log(2)


def codes(model: WorldModel, batch: Batch) -> list[list[UInt8[np.ndarray, "H W C"]]]:
    """A row a code, the ones first that split the images best; a column a value: the mean of its images."""
    weight = values(model, batch)
    name = model.standardise.images[0]
    images = batch.obs[name].flatten(0, 1).float()
    used = weight.sum(0)
    means = torch.einsum("nkv,nd->kvd", weight, images.flatten(1)) / used.clamp(min=1e-6)[:, :, None]
    share = (used / used.sum(1, keepdim=True))[:, :, None]
    split = (share * (means - images.flatten(1).mean(0)).square()).sum((1, 2))
    rows = []
    for code in split.argsort(descending=True)[:CODES]:
        often = used[code].argsort(descending=True)[:VALUES].sort().values
        pictures = means[code, often].unflatten(1, images.shape[1:]).round().clamp(0, 255).to(torch.uint8)
        rows.append([picture.numpy() for picture in pictures])
    return rows
