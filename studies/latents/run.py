"""Gaussian or categorical latents: the same RSSM, the same data, another stochastic part.

The two worlds of the study of dynamics: a ball that forks at random and falls behind a curtain, and Pendulum from
pixels. In each, all models learn from the same recorded random interaction, and as PlaNet agents from what they
collect. Two categorical latents: one of as many numbers as the Gaussian has, and a wider one, as DreamerV2 takes it.
What a latent codes is shown as the mean of the held-out images for which it took a value.

A planner without noise imagines one future: of a Gaussian its mean, of classes the likeliest. On Pendulum both are
tried, that one and the mean over sampled futures, and how well either orders plans near the top (`balance.py`).

Reading path: this file, `dynamics/latents.py`, `dynamics/categorical.py`, `studies/dynamics/run.py`, `balance.py`.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie.agents import agent as agents
from reverie.data.agent_replay import AgentReplayConfig
from reverie.dynamics.categorical import Categorical, CategoricalConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.evaluate import figures
from reverie.evaluate.returns import evaluate
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.planning.actor import PlanningConfig
from reverie.runs.config import OfflineConfig, OnlineConfig
from reverie.runs.offline import load
from reverie.types import Batch
from studies import Findings, OnProgress
from studies.dynamics import run as dynamics
from studies.dynamics.run import CONTEXT, WORLDS, data, draw, env, futures, judged, remembered
from studies.kit import trained
from studies.latents.balance import balanced, trust
from studies.latents.report import text

LATENTS = ("Gaussian", "categorical", "wide")
CATEGORICAL = {"curtain": CategoricalConfig(8, 4), "pendulum": CategoricalConfig(8, 5)}
"""Groups and classes: as many outputs as the Gaussian has, two for each of its 16 or 20 dimensions."""
WIDE = CategoricalConfig(16, 16)
"""As the laptop size of DreamerV2 has it; not matched to anything."""
FUTURES = 4
"""Sampled for every plan, where plans are scored by samples."""
EPISODES, MOMENTS = {"tiny": 2, "laptop": 16}, {"tiny": 10, "laptop": 200}
"""Of balanced poles: what is played, and the moments near the top in which scores are judged."""
CODES, VALUES = 6, 8
"""Rows and, at most, columns of the picture of codes."""


def study(out: Path, size: str, on_progress: OnProgress) -> Findings:
    """Both worlds, into `out`; without the wide latent at size `tiny`."""
    names = LATENTS[:2] if size == "tiny" else LATENTS
    numbers: dict[str, Any] = {"size": size}
    for world in WORLDS:
        fits = {name: trained(fit(world, name, size), out / f"{world}-{name}-fit", on_progress) for name in names}
        models = {name: cast(WorldModel, load(folder, "cpu")) for name, folder in fits.items()}
        seen, batch = data(fit(world, "Gaussian", size), fits["Gaussian"], world)
        numbers[world] = {name: judged(model, batch, CONTEXT[world]) for name, model in models.items()}
        for name, model in models.items():
            if world == "curtain":
                numbers[world][name]["memory"] = remembered(model, seen, batch)
            with torch.no_grad():
                posterior: Any = model.trace(batch, None).posterior
            numbers[world][name]["bits"] = bits(posterior.stats, cast(Any, model.dynamics).latent)
            numbers[world][name]["latent"] = size_of(cast(Any, model.dynamics).latent)
            figures.image(out / f"{world}_{name}_codes.png", figures.mosaic(codes(model, batch)))
        draw(out, world, numbers[world])
        figures.image(out / f"{world}.png", futures(models, batch, CONTEXT[world]))
    for world, name in ((world, name) for world in WORLDS for name in names):
        numbers[world][name]["returns"] = played(out, world, name, size, on_progress)
    planned(out, size, numbers["pendulum"], on_progress)
    return Findings(numbers, text(numbers))


def played(out: Path, world: str, name: str, size: str, on_progress: OnProgress, sampled: bool = False) -> list[float]:
    """Final returns of a PlaNet agent, trained for it; `sampled`: it plans by sampled futures wherever it plans."""
    config = agent(world, name, size, sampled)
    folder = trained(config, agent_folder(out, world, name, sampled), on_progress)
    return evaluate(agents.load(folder, "cpu"), config.env, config.evaluation.final_episodes, config.seed).returns


def planned(out: Path, size: str, found: dict[str, Any], on_progress: OnProgress) -> None:
    """What plans by sampled futures return on Pendulum, and how far the scores of either can be trusted.

    The trusted models are three that have learned from the same data with balanced poles in it: the replay of the
    Gaussian agent.
    """
    config = env("pendulum", size)
    seen = balanced(config, EPISODES[size], seed=0)
    data = AgentReplayConfig(str(agent_folder(out, "pendulum", "Gaussian")))
    for name in found:
        found[name]["returns_sampled"] = played(out, "pendulum", name, size, on_progress, sampled=True)
        base = replace(fit("pendulum", name, size), data=data)
        model = cast(WorldModel, load(trained(base, out / f"pendulum-{name}-replayed", on_progress), "cpu"))
        found[name]["trust"] = {
            str(count): asdict(trust(model, seen, config, count, MOMENTS[size], seed=0)) for count in (0, FUTURES)
        }


def agent_folder(out: Path, world: str, name: str, sampled: bool = False) -> Path:
    """Where the run of an agent is."""
    return out / f"{world}-{name}-agent{'-sampled' if sampled else ''}"


def with_latent(model: WorldModelConfig, world: str, name: str) -> WorldModelConfig:
    """The RSSM of the study of dynamics, with the latent asked for."""
    if name == "Gaussian":
        return model
    latent = WIDE if name == "wide" else CATEGORICAL[world]
    return replace(model, dynamics=replace(cast(RSSMConfig, model.dynamics), latent=latent))


def size_of(latent: Any) -> str:
    """In words."""
    if isinstance(latent, Categorical):
        return f"{latent.groups} groups of {latent.classes} classes"
    return f"{latent.sample_size} dimensions"


def fit(world: str, name: str, size: str) -> OfflineConfig:
    """One model on recorded random interaction, the same for all."""
    base = dynamics.fit(world, "RSSM", size)
    return replace(base, model=with_latent(cast(WorldModelConfig, base.model), world, name))


def agent(world: str, name: str, size: str, sampled: bool = False) -> OnlineConfig:
    """One model as a PlaNet agent. On the curtain, which forks, it plans by sampled futures in any case."""
    base = dynamics.agent(world, "RSSM", size)
    behavior = replace(cast(PlanningConfig, base.behavior), num_samples=FUTURES) if sampled else base.behavior
    return replace(base, model=with_latent(base.model, world, name), behavior=behavior)


@torch.no_grad()
def values(model: WorldModel, batch: Batch) -> Float[Tensor, "N K V"]:
    """How much each of K codes takes each of V values at N moments, summing to 1 over values.

    A code is a group of a categorical latent, by its probabilities; of a Gaussian one it is a dimension, by which of
    `VALUES` equally frequent parts of its means it lies in.
    """
    posterior: Any = model.trace(batch, None).posterior
    if hasattr(posterior.stats, "log_probability"):
        return cast(Any, model.dynamics).latent.split_groups(posterior.stats.log_probability).exp().flatten(0, 1)
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
        each = latent.split_groups(stats.log_probability).exp().flatten(0, 1)
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
    name = model.normalize.images[0]
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
