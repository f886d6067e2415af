"""Measure a world model on held-out data: its variational bound, and its prediction errors by horizon.

`surprise` and `ahead` measure every dynamics in one unit, whether it has chance in it or not: nats by which what came
was less likely than if the picture had been predicted exactly,

    ln p(o | o) - ln (1/K) sum_k p(o | s_k),      s_k drawn from what the model expects.
"""

from dataclasses import dataclass
from typing import Any

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
"""Held-out sequences that are looked at, samples of the latent, and sequences in a picture."""
SEEN = 5
"""Decisions that the model sees before it predicts; half of a sequence that is shorter than ten."""


@dataclass(frozen=True)
class Ahead:
    """Open-loop prediction by horizon: `surprise` in nats an image, `reward_error` of the expected reward (rms)."""

    surprise: Float[np.ndarray, " H"]
    reward_error: Float[np.ndarray, " H"]


def bound(model: WorldModel, batch: Batch, seed: int = 0) -> dict[str, float]:
    """Nats a step on `batch`: `reconstruction` (ln p of the images) and `reward`, `divergence` before free nats.

    `bound` = reconstruction - divergence, where the divergence is in nats: not if the dynamics has no chance in it.
    """
    generator = torch.Generator(batch.action.device).manual_seed(seed)
    with torch.no_grad():
        trace = model.trace(batch, model.noise(batch.action.shape[0], batch.action.shape[1], generator))
        losses = {name: float(loss.mean()) for name, loss in model.losses(trace).items()}
        divergence = float(model.dynamics.divergence(trace.posterior, trace.prior).mean())
    heads = {"reconstruction": model.head_name(ReconstructionHead), "reward": model.head_name(RewardHead)}
    values = {name: -losses[signal] for name, signal in heads.items() if signal is not None}
    values["divergence"] = divergence
    if model.dynamics.noise_size and "reconstruction" in values:
        values["bound"] = values["reconstruction"] - divergence
    return values


@torch.no_grad()
def surprise(model: WorldModel, batch: Batch, samples: int = SAMPLES, seed: int = 0) -> Float[np.ndarray, " U"]:
    """One step ahead, in nats an image, for each column but the first: from K samples of what was seen before it."""
    filtered, noise = _filtered(model, batch, samples, seed)
    begin = tree.map(lambda x: x[:, :-1], filtered)
    actions = _repeated(batch.action[:, :-1], samples)
    states = model.dynamics.predict(begin, actions, noise[:, 1:])
    return _nats(model, batch, states, slice(1, None), samples).mean(0).cpu().numpy()


@torch.no_grad()
def ahead(model: WorldModel, batch: Batch, context: int, samples: int = SAMPLES, seed: int = 0) -> Ahead:
    """What follows the first `context` columns, predicted from the recorded actions alone."""
    seen = tree.map(lambda x: x[:, :context], batch)
    filtered, _ = _filtered(model, seen, samples, seed)
    last = tree.map(lambda x: x[:, -1], filtered)
    actions = _repeated(batch.action[:, context - 1 : -1], samples)
    generator = torch.Generator(batch.action.device).manual_seed(seed + 1)
    noise = model.dynamics.noise(*actions.shape[:2], generator=generator)
    states = imagine(model.dynamics, last, actions, noise)
    reward_error = torch.zeros(actions.shape[1])
    if model.has(RewardHead):
        each = model.reward(model.dynamics.features(states), in_env_units=True).unflatten(0, (samples, -1))
        reward_error = (each.mean(0) - batch.reward[:, context:]).square().mean(0).sqrt()
    nats = _nats(model, batch, states, slice(context, None), samples)
    return Ahead(nats.mean(0).cpu().numpy(), reward_error.cpu().numpy())


def examine(model: WorldModel, recorded: Recorded, length: int) -> tuple[dict[str, float], UInt8[np.ndarray, "H W C"]]:
    """The held-out bound and open-loop errors (rms, of 255; rewards in their unit), and a picture of predictions."""
    batch = recorded.test.sequential(length, MOST_SEQUENCES)
    whole = ~batch.is_first[:, 1:].any(1)  # what comes after an episode's end is not to be predicted
    if whole.any():
        batch = tree.map(lambda x: x[whole], batch)
    context = min(SEEN, length // 2)
    loop = predict(model, batch, context)
    errors = {"image_error": loop.model_error, "copy_error": loop.copy_error, "reward_error": loop.reward_error}
    mean_errors = {name: float(np.sqrt(np.square(error).mean())) for name, error in errors.items()}
    return bound(model, batch) | mean_errors, picture(model, batch, context)


def picture(model: WorldModel, batch: Batch, context: int, columns: int = 12) -> UInt8[np.ndarray, "H W C"]:
    """Pairs of rows: the recorded images, and what the model reconstructs (before the gap) and then imagines."""
    rows, labels, seen = [], [], min(context, 3)
    after = films.spread(context, batch.action.shape[1], columns - seen)
    steps = [*range(context - seen, context), *after]
    for number in range(min(SHOWN, batch.action.shape[0])):
        loop = predict(model, tree.map(lambda x, n=number: x[n : n + 1], batch), context)
        rows += [[film[step] for step in steps] for film in (loop.real, loop.imagined)]
        labels += [f"sequence {number + 1}\nreal", "model"]
    times = [f"t = {step}\n{'seen' if step < context else 'imagined'}" for step in steps]
    return films.mosaic(rows, gap_after=seen, row_labels=labels, column_labels=times)


def sentence(values: dict[str, float]) -> str:
    """The figures for people."""
    nats = f"bound {values['bound']:.2f} nats a step = " if "bound" in values else ""
    unit = "complexity" if "bound" in values else "latent distance"
    return (
        f"held-out sequences: {nats}reconstruction {values['reconstruction']:.2f} - {unit} {values['divergence']:.2f}; "
        f"open loop, image error {values['image_error']:.1f} of 255 (last seen frame repeated: "
        f"{values['copy_error']:.1f}), reward error {values['reward_error']:.3f}"
    )


def warning(values: dict[str, float]) -> str | None:
    """A sentence if nothing was learned that repeating the last frame does not know."""
    if values["image_error"] < values["copy_error"]:
        return None
    return "Repeating the last frame predicts better than this model: train longer, or look at its reconstructions."


def _filtered(model: WorldModel, batch: Batch, samples: int, seed: int) -> tuple[Any, Tensor]:
    """Posteriors (K * B, T) of K filters, and the noise that is left to predict by."""
    generator = torch.Generator(batch.action.device).manual_seed(seed)
    size = (samples * batch.action.shape[0], batch.action.shape[1])
    noise, other = (model.dynamics.noise(*size, generator=generator) for _ in range(2))
    embed = _repeated(model.encoder(model.normalize(batch.obs)), samples)
    action, first = _repeated(prev_action(batch.action), samples), _repeated(batch.is_first, samples)
    return observe(model.dynamics, model.dynamics.initial(size[0]), action, embed, first, noise)[1], other


def _nats(model: WorldModel, batch: Batch, states: Any, columns: slice, samples: int) -> Float[Tensor, "B U"]:
    """How much less likely the images of `columns` are by K states than by themselves."""
    head = model.head(ReconstructionHead)
    decoded = head.reconstruct(model.dynamics.features(states))
    obs = model.normalize(batch.obs)
    nats = []
    for name, image in decoded.items():
        truth = obs[name][:, columns].flatten(2)
        each = head.log_prob(_repeated(truth, samples), image.flatten(2))
        exact = head.log_prob(truth, truth)
        nats.append(exact - importance_weighted_bound(each.unflatten(0, (samples, -1))))
    return torch.stack(nats).sum(0)


def _repeated(x: Tensor, samples: int) -> Tensor:
    """`(B, ...)` to `(K * B, ...)`, the samples of one sequence B apart."""
    return x.repeat(samples, *[1] * (x.ndim - 1))
