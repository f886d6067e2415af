"""Divergence of posterior from prior, of one step and of several (PlaNet, Hafner 2019).

The divergence of one step is the complexity term of the variational bound (Eq. 3). Latent overshooting adds priors that
are d = 2..D steps old (Eq. 7 without d = 1):

    (1 / (D - 1)) sum_d KL[sg q(s_t | o_<=t) || p(s_t | s_{t-d}, a_{t-d:t})],    s_{t-d} ~ q(s_{t-d} | o_<=t-d)
"""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor, nn

from reverie import tree
from reverie.config.checks import at_least, between
from reverie.math.divergences import FreeNats, free_nats
from reverie.signals.base import SignalConfig
from reverie.signals.multi_step import align_to_target, future_values, predict_multi_step
from reverie.spaces import EnvSpec
from reverie.types import State, Trace


@dataclass(frozen=True)
class DivergenceConfig(SignalConfig):
    """The divergence of each posterior from its prior."""

    free: float = field(default=3.0, metadata=at_least(0))
    """Nats per step that cost nothing."""
    variant: FreeNats = "mean"
    """Whether each step (`element`) or the mean over the batch has the free nats (`math.divergences.free_nats`)."""
    balance: float | None = field(default=None, metadata=between(0, 1))
    """KL balancing: the fraction that trains only the prior; the rest trains only the posterior.

    A poor prior then pulls less on the posterior (0.8 in Hafner 2021, Alg. 2). None trains both by the divergence.
    DreamerV3 has two signals with weights of their own: 1 trains only the prior, 0 only the posterior."""

    def build(self, spec: EnvSpec, feature_size: int) -> "Divergence":
        return Divergence(self)


class Divergence(nn.Module):
    """`KL[q(s_t | o_<=t) || p(s_t | s_{t-1}, a_{t-1})]` less the free nats, in nats per step.

    With a balance b it has the same value and a different gradient: `b KL[sg q || p] + (1 - b) KL[q || sg p]`.
    """

    def __init__(self, config: DivergenceConfig) -> None:
        super().__init__()
        self.config = config

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        def kl(q: State, p: State) -> Float[Tensor, "B T"]:
            return free_nats(trace.dynamics.divergence(q, p), self.config.free, self.config.variant)

        balance, q, p = self.config.balance, trace.posterior, trace.prior
        if balance is None:
            return kl(q, p)
        if balance in (0, 1):
            return kl(tree.detach(q), p) if balance else kl(q, tree.detach(p))
        return balance * kl(tree.detach(q), p) + (1 - balance) * kl(q, tree.detach(p))


@dataclass(frozen=True)
class OvershootingConfig(SignalConfig):
    """Latent overshooting."""

    distance: int = field(default=5, metadata=at_least(2))
    """Longest prediction D, in agent steps; a distance of 1 would be the divergence."""
    free: float = field(default=3.0, metadata=at_least(0))
    """Nats per step that cost nothing, applied to the mean over d."""
    variant: FreeNats = "mean"
    """Whether each step (`element`) or the mean over the batch has the free nats (`math.divergences.free_nats`)."""

    def build(self, spec: EnvSpec, feature_size: int) -> "Overshooting":
        return Overshooting(self)


class Overshooting(nn.Module):
    """Trains only the prior: the gradient stops at the posterior (Sec. 4, last paragraph).

    Predictions end at an episode's first step, and a step has at most as many terms as steps before it.

    Departures: states in between are sampled with the noise of the posteriors of the same steps (common random
    numbers); the paper samples them independently.
    """

    def __init__(self, config: OvershootingConfig) -> None:
        super().__init__()
        self.config = config

    def loss(self, trace: Trace) -> Float[Tensor, "B T"]:
        steps = self.config.distance
        predictions = predict_multi_step(trace, steps)
        target = tree.map(lambda x: future_values(x.detach(), steps), trace.posterior)
        nats = align_to_target(trace.dynamics.divergence(target, predictions.states) * predictions.valid)
        return free_nats(nats[:, :, 1:].mean(2), self.config.free, self.config.variant)
