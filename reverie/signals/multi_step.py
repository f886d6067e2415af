"""Multi-step predictions from every posterior of a trace, and how their losses become one number per step.

Entry [b, t, d - 1] is the prediction of column t + d, made from the posterior of column t by the recorded actions. It
is valid if that column exists and lies in the same episode.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from reverie import tree
from reverie.dynamics.rollout import imagine, prev_action
from reverie.math import ranks
from reverie.types import State, Trace


@dataclass(frozen=True)
class MultiStep:
    """Predicted `states`, leading axes (B, T, D), their `features`, and the posterior features `target` there."""

    states: State
    features: Float[Tensor, "B T D F"]
    target: Float[Tensor, "B T D F"]
    valid: Bool[Tensor, "B T D"]


def predict_multi_step(trace: Trace, steps: int) -> MultiStep:
    """Unroll the dynamics open loop for 1..D = `steps` steps from every posterior.

    States are sampled with the noise of the posteriors in the same columns (common random numbers).
    """
    size = trace.features.shape[:2]
    action = future_values(prev_action(trace.batch.action), steps).flatten(0, 1)
    noise = None if trace.noise is None else future_values(trace.noise, steps).flatten(0, 1)
    states = imagine(trace.dynamics, tree.flatten_batch(trace.posterior), action, noise)
    states = tree.map(lambda x: x.unflatten(0, size), states)
    target = future_values(trace.features, steps)
    return MultiStep(states, trace.dynamics.features(states), target, valid_targets(trace.batch.is_first, steps))


def future_values(x: Shaped[Tensor, "B T *e"], steps: int) -> Shaped[Tensor, "B T D *e"]:
    """Return the values of the next 1..D columns, with the last column repeated at the end."""
    columns = torch.arange(x.shape[1], device=x.device)[:, None] + torch.arange(1, steps + 1, device=x.device)
    return x[:, columns.clamp(max=x.shape[1] - 1)]


def valid_targets(is_first: Bool[Tensor, "B T"], steps: int) -> Bool[Tensor, "B T D"]:
    """Return whether the column 1..D steps later exists and lies in the same episode."""
    length = is_first.shape[1]
    columns = torch.arange(length, device=is_first.device)
    exists = columns[:, None] + torch.arange(1, steps + 1, device=is_first.device) < length
    return (exists & ~future_values(is_first, steps)).cumprod(2).bool()


def align_to_target(x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
    """Move each value from the column of its start to the predicted column; 0 without a prediction."""
    length = x.shape[1]
    return torch.stack([F.pad(x[:, :, d], (d + 1, 0))[:, :length] for d in range(x.shape[2])], dim=2)


def masked_mean_per_step(loss: Float[Tensor, "B T D"], valid: Bool[Tensor, "B T D"]) -> Float[Tensor, "B T"]:
    """Average a multi-step loss onto the predicted columns, without the invalid predictions.

    `.mean()` of the result is `(1/D) sum_d` of the mean loss of the valid predictions d steps ahead. A d without valid
    predictions counts as 0, as does a column without predictions.
    """
    columns = valid.shape[0] * valid.shape[1]
    predictions = ranks.mean(valid.sum((0, 1)).to(loss.dtype))
    weighted = torch.where(valid, loss, 0) * (columns / predictions.clamp(min=1 / ranks.present().count))
    return align_to_target(weighted).mean(2)
