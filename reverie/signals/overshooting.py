"""Latent overshooting: multi-step priors must agree with the posterior (Hafner 2019, Sec. 4).

    (1 / (D - 1)) sum_{d=2..D} KL[sg q(s_t | o_<=t) || p(s_t | s_{t-d}, a_{t-d:t})],    s_{t-d} ~ q(s_{t-d} | o_<=t-d)

Eq. 7 without d = 1, which is the divergence. The gradient stops at the posterior, so only the prior is trained (Sec. 4,
last paragraph). Predictions end at an episode's first step.

Departures: the states in between are sampled with the noise of the posteriors of the same steps (common random
numbers); the paper samples them independently.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from reverie import tree
from reverie.errors import UserError
from reverie.math.divergences import FreeNats, free_nats
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import align_to_target, future_values, predict_multi_step
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class OvershootingConfig(SignalConfig):
    """`distance` D, in agent steps. `free` nats of each step's mean cost nothing (`math.divergences.free_nats`)."""

    distance: int = 5
    free: float = 3.0
    variant: FreeNats = "mean"

    def __post_init__(self) -> None:
        if self.distance < 2:
            raise UserError(f"overshooting.distance is {self.distance}: it must be 2 or more, 1 is the divergence.")

    def build(self, spec: EnvSpec, feature_size: int) -> "Overshooting":
        return Overshooting(self)


class Overshooting(nn.Module):
    """Makes D predictions from every step of the trace; a step has at most as many terms as steps before it."""

    def __init__(self, config: OvershootingConfig) -> None:
        super().__init__()
        self.config = config

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        steps = self.config.distance
        predictions = predict_multi_step(trace, steps)
        targets = tree.map(lambda x: future_values(x.detach(), steps), trace.posterior)
        nats = align_to_target(trace.dynamics.divergence(targets, predictions.states) * predictions.valid)
        return free_nats(nats[:, :, 1:].mean(2), self.config.free, self.config.variant)
