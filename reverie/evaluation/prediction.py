"""Measure a world model on held-out data: its variational bound, and its prediction errors by horizon.

`surprise` and `ahead` measure every dynamics in one unit, with or without noise: the excess negative log-likelihood
of an image in nats, over that of an exact prediction,

    ln p(o | o) - ln (1/K) sum_k p(o | s_k),      s_k drawn from the model's prediction.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from reverie import tree
from reverie.data.base import Recorded
from reverie.dynamics.rollout import imagine, observe, prev_action
from reverie.evaluation import films
from reverie.evaluation.open_loop import predict
from reverie.math.bounds import importance_weighted_bound
from reverie.models.world_model import WorldModel
from reverie.signals.base import ReconstructionHead, RewardHead
from reverie.types import Batch

MOST_SEQUENCES, SAMPLES, SHOWN = 128, 50, 6
"""Held-out sequences to measure, samples of the latent, and sequences in a picture."""
SEEN = 5
"""Decisions that the model sees before it predicts; half of a sequence that is shorter than ten."""


class Ahead(NamedTuple):
    """Open-loop prediction by horizon: `surprise` in nats an image, `reward_error` of the expected reward (rms)."""

    surprise: Float[np.ndarray, " H"]
    reward_error: Float[np.ndarray, " H"]


@torch.no_grad()
def bound(model: WorldModel, batch: Batch, seed: int = 0) -> dict[str, float]:
    """Return nats a step: `reconstruction` (ln p of the images), `reward`, and `divergence` before free nats.

    `bound` = reconstruction - divergence, only for a dynamics with noise: the divergence of others is not in nats.
    """
    generator = torch.Generator(batch.action.device).manual_seed(seed)
    trace = model.trace(batch, model.noise(batch.action.shape[0], batch.action.shape[1], generator))
    values = {}
    if model.has(ReconstructionHead):
        head = model.head(ReconstructionHead)
        means = head.reconstruct(trace.features).items()  # not the loss, which may be a mean square
        nats = [head.log_prob(name, trace.obs[name].flatten(2), mean.flatten(2)) for name, mean in means]
        values["reconstruction"] = float(torch.stack(nats).sum(0).mean())
    if (reward := model.head_name(RewardHead)) is not None:
        values["reward"] = -float(model.signals[reward].loss(trace).mean())
    values["divergence"] = float(model.dynamics.divergence(trace.posterior, trace.prior).mean())
    if model.dynamics.noise_size and "reconstruction" in values:
        values["bound"] = values["reconstruction"] - values["divergence"]
    return values


@torch.no_grad()
def surprise(model: WorldModel, batch: Batch, samples: int = SAMPLES, seed: int = 0) -> Float[np.ndarray, " U"]:
    """Return nats an image one step ahead, for each column but the first, from K samples of the belief before it."""
    filtered, noise = _filter(model, batch, samples, seed)
    before = tree.map(lambda x: x[:, :-1], filtered)
    states = model.dynamics.predict(before, _repeat(batch.action[:, :-1], samples), noise[:, 1:])
    return _nats(model, batch, states, samples)


@torch.no_grad()
def ahead(model: WorldModel, batch: Batch, context: int, samples: int = SAMPLES, seed: int = 0) -> Ahead:
    """Predict the columns after the first `context` from the recorded actions alone."""
    filtered, _ = _filter(model, tree.map(lambda x: x[:, :context], batch), samples, seed)
    last = tree.map(lambda x: x[:, -1], filtered)
    actions = _repeat(batch.action[:, context - 1 : -1], samples)
    generator = torch.Generator(batch.action.device).manual_seed(seed + 1)
    noise = model.dynamics.noise(*actions.shape[:2], generator=generator)
    states = imagine(model.dynamics, last, actions, noise)
    reward_error = torch.zeros(actions.shape[1])
    if model.has(RewardHead):
        each = model.reward(model.dynamics.features(states), in_env_units=True).unflatten(0, (samples, -1))
        reward_error = (each.mean(0) - batch.reward[:, context:]).square().mean(0).sqrt()
    return Ahead(_nats(model, batch, states, samples), reward_error.cpu().numpy())


def examine(model: WorldModel, recorded: Recorded, length: int) -> tuple[dict[str, float], UInt8[np.ndarray, "H W C"]]:
    """Return the held-out bound and open-loop errors (rms: images of 255, rewards in their unit), and a picture."""
    batch = recorded.test.sequential(length, MOST_SEQUENCES)
    whole = ~batch.is_first[:, 1:].any(1)  # no model can predict the next episode
    if whole.any():
        batch = tree.map(lambda x: x[whole], batch)
    context = min(SEEN, length // 2)
    loop = predict(model, batch, context)
    errors = {"image_error": loop.model_error, "copy_error": loop.copy_error, "reward_error": loop.reward_error}
    mean_errors = {name: float(np.sqrt(np.square(error).mean())) for name, error in errors.items()}
    return bound(model, batch) | mean_errors, picture(model, batch, context)


def picture(model: WorldModel, batch: Batch, context: int, columns: int = 12) -> UInt8[np.ndarray, "H W C"]:
    """Draw a pair of rows for each sequence: recorded images, and the model's (reconstructed, then imagined)."""
    seen = min(context, 3)
    steps = [*range(context - seen, context), *films.spread(context, batch.action.shape[1], columns - seen)]
    rows = {}
    for number in range(min(SHOWN, batch.action.shape[0])):
        loop = predict(model, tree.map(lambda x, n=number: x[n : n + 1], batch), context)
        rows |= {f"sequence {number + 1}\nreal": loop.real, f"sequence {number + 1}\nmodel": loop.imagined}
    return films.film_rows(rows, steps, context)


def sentence(values: dict[str, float]) -> str:
    """Return the numbers as text."""
    nats = f"bound {values['bound']:.2f} nats a step = " if "bound" in values else ""
    unit = "complexity" if "bound" in values else "latent distance"
    return (
        f"held-out sequences: {nats}reconstruction {values['reconstruction']:.2f} - {unit} {values['divergence']:.2f}; "
        f"open loop, image error {values['image_error']:.1f} of 255 (last seen frame repeated: "
        f"{values['copy_error']:.1f}), reward error {values['reward_error']:.3f}"
    )


def warning(values: dict[str, float]) -> str | None:
    """Return a sentence if the model predicts no better than the copy baseline."""
    if values["image_error"] < values["copy_error"]:
        return None
    return "Repeating the last frame predicts better than this model: train longer, or look at its reconstructions."


def _filter(model: WorldModel, batch: Batch, samples: int, seed: int) -> tuple[Any, Tensor]:
    """Return the sampled posteriors (K * B, T) of K filters, and noise of the same size for predictions."""
    generator = torch.Generator(batch.action.device).manual_seed(seed)
    size = (samples * batch.action.shape[0], batch.action.shape[1])
    noise, other = (model.dynamics.noise(*size, generator=generator) for _ in range(2))
    columns = (prev_action(batch.action), model.encoder(model.normalize(batch.obs)), batch.is_first)
    action, embed, first = (_repeat(column, samples) for column in columns)
    return observe(model.dynamics, model.dynamics.initial(size[0]), action, embed, first, noise)[1], other


def _nats(model: WorldModel, batch: Batch, states: Any, samples: int) -> Float[np.ndarray, " U"]:
    """Return the surprise by the last U columns of `batch`, given K samples of their states (K * B, U)."""
    head = model.head(ReconstructionHead)
    obs, nats = model.normalize(batch.obs), []
    for name, image in head.reconstruct(model.dynamics.features(states)).items():
        truth = obs[name][:, -image.shape[1] :].flatten(2)
        each = head.log_prob(name, _repeat(truth, samples), image.flatten(2)).unflatten(0, (samples, -1))
        nats.append(head.log_prob(name, truth, truth) - importance_weighted_bound(each))
    return torch.stack(nats).sum(0).mean(0).cpu().numpy()


def _repeat(x: Tensor, samples: int) -> Tensor:
    """Repeat `(B, ...)` to `(K * B, ...)`. The samples of one sequence are B apart."""
    return x.repeat(samples, *[1] * (x.ndim - 1))
