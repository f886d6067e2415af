"""Latent overshooting: what was predicted several steps ago must agree with what is believed now (Hafner 2019, Sec. 4).

    (1 / (D - 1)) sum_{d=2..D} KL[sg q(s_t | o_<=t) || p(s_t | s_{t-d}, a_{t-d:t})],    s_{t-d} ~ q(s_{t-d} | o_<=t-d)

Eq. 7 without d = 1, which is the divergence. The gradient stops at the posterior: predictions learn from it, it does
not learn to be easily predicted (Sec. 4, last paragraph). Predictions end at an episode's first step.

Departures: the states in between are drawn with the noise that drew the posteriors of the same steps (common random
numbers), where the paper draws anew.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from reverie import tree
from reverie.envs.adapter import EnvSpec
from reverie.errors import UserError
from reverie.math.divergences import FreeNats, free_nats
from reverie.rollout import imagine, prev_action
from reverie.types import Trace


@dataclass(frozen=True)
class OvershootingConfig:
    """`distance` D, in decisions. `free` nats of each step's mean are not punished (`math.divergences.free_nats`)."""

    distance: int = 5
    free: float = 3.0
    variant: FreeNats = "mean"

    def __post_init__(self) -> None:
        if self.distance < 2:
            raise UserError(f"overshooting.distance is {self.distance}: it must be 2 or more, 1 is the divergence.")

    def build(self, spec: EnvSpec, feature_size: int) -> "Overshooting":
        return Overshooting(self)


class Overshooting(nn.Module):
    """Costs D predictions from every step of the trace; a step with fewer before it has fewer to agree with."""

    def __init__(self, config: OvershootingConfig) -> None:
        super().__init__()
        self.config = config

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        size, far = trace.features.shape[:2], self.config.distance
        action = following(prev_action(trace.batch.action), far).flatten(0, 1)
        noise = None if trace.noise is None else following(trace.noise, far).flatten(0, 1)
        states = imagine(trace.dynamics, tree.flatten_batch(trace.posterior), action, noise)
        predicted = tree.map(lambda x: x.unflatten(0, size), states)
        believed = tree.map(lambda x: following(x.detach(), far), trace.posterior)
        nats = trace.dynamics.divergence(believed, predicted) * reaches(trace.batch.is_first, far)
        # A prediction's loss belongs to the step that it is about, d columns after the one where it began.
        arrived = [F.pad(nats[:, :, d - 1], (d, 0))[:, : size[1]] for d in range(2, far + 1)]
        return free_nats(torch.stack(arrived).mean(0), self.config.free, self.config.variant)


def following(x: Shaped[Tensor, "B T *e"], far: int) -> Shaped[Tensor, "B T D *e"]:
    """The values of the next 1..D columns; beyond the last, the last."""
    columns = torch.arange(x.shape[1], device=x.device)[:, None] + torch.arange(1, far + 1, device=x.device)
    return x[:, columns.clamp(max=x.shape[1] - 1)]


def reaches(is_first: Bool[Tensor, "B T"], far: int) -> Bool[Tensor, "B T D"]:
    """Whether the column 1..D steps on exists and is of the same episode."""
    length = is_first.shape[1]
    steps = torch.arange(length, device=is_first.device)
    exists = steps[:, None] + torch.arange(1, far + 1, device=is_first.device) < length
    return (exists & ~following(is_first, far)).cumprod(2).bool()
