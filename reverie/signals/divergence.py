"""Divergence of posterior from prior, the complexity term of the bound (Hafner 2019, Eq. 3)."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

from reverie import tree
from reverie.config.checks import between
from reverie.math.divergences import FreeNats, free_nats
from reverie.signals.base import SignalConfig
from reverie.spaces import EnvSpec
from reverie.types import Trace


@dataclass(frozen=True)
class DivergenceConfig(SignalConfig):
    """`free` nats a step cost nothing, by step or by batch as `variant` says (`math.divergences.free_nats`).

    `balance`: KL balancing. This fraction of the divergence trains only the prior, the rest only the posterior (Hafner
    2021, Alg. 2: 0.8, so that a poor prior does not pull the posterior). None trains both by the divergence itself.
    """

    free: float = 3.0
    variant: FreeNats = "mean"
    balance: float | None = field(default=None, metadata=between(0, 1))

    def build(self, spec: EnvSpec, feature_size: int) -> "Divergence":
        return Divergence(self)


class Divergence(nn.Module):
    """`KL[q(s_t | o_<=t) || p(s_t | s_{t-1}, a_{t-1})]` less the free nats, in nats a step.

    With a balance b it has the same value and a different gradient: `b KL[sg q || p] + (1 - b) KL[q || sg p]`.
    """

    def __init__(self, config: DivergenceConfig) -> None:
        super().__init__()
        self.config = config

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        balance, posterior, prior = self.config.balance, trace.posterior, trace.prior
        if balance is None:
            return self._free(trace.dynamics.divergence(posterior, prior))
        of_prior = self._free(trace.dynamics.divergence(tree.detach(posterior), prior))
        of_posterior = self._free(trace.dynamics.divergence(posterior, tree.detach(prior)))
        return balance * of_prior + (1 - balance) * of_posterior

    def _free(self, nats: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
        return free_nats(nats, self.config.free, self.config.variant)
