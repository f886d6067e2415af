"""Complexity: how much the observation had to tell the model (Hafner 2019, Eq. 3, the KL term)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from reverie.envs.adapter import EnvSpec
from reverie.math.divergences import FreeNats, free_nats
from reverie.types import Trace


@dataclass(frozen=True)
class DivergenceConfig:
    """`free` nats a step are not punished; `variant` says whose nats they are (`math.divergences.free_nats`)."""

    free: float = 3.0
    variant: FreeNats = "mean"

    def build(self, spec: EnvSpec, feature_size: int) -> "Divergence":
        return Divergence(self)


class Divergence(nn.Module):
    """`KL[q(s_t | o_<=t) || p(s_t | s_{t-1}, a_{t-1})]` less what is free, in nats a step."""

    def __init__(self, config: DivergenceConfig) -> None:
        super().__init__()
        self.config = config

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        nats = trace.dynamics.divergence(trace.posterior, trace.prior)
        return free_nats(nats, self.config.free, self.config.variant)
