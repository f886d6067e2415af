"""Policies: features and noise to an action, as a differentiable function."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from reverie.agents.base import ActorConfig
from reverie.config.checks import at_least, between, positive
from reverie.math.distributions import (
    ClippedNormal,
    Distribution,
    OneHot,
    TanhNormal,
    TruncatedNormal,
    gumbel,
    mix_uniform,
)
from reverie.models.world_model import WorldModel
from reverie.nn.mlp import MLP, MLPConfig
from reverie.spaces import ActionSpace, EnvSpec
from reverie.types import ActNoise, State

Features = Float[Tensor, "*b F"]
Action = Float[Tensor, "*b A"]


@dataclass(frozen=True)
class PolicyConfig(ActorConfig):
    """A policy network, its distribution of actions, and exploration in training."""

    mlp: MLPConfig = field(default_factory=lambda: MLPConfig(layers=4))
    """The network."""
    init_std: float = field(default=5.0, metadata=positive())
    """Standard deviation of a new `tanh_normal` policy, before the tanh."""
    min_std: float = field(default=1e-4, metadata=at_least(0))
    """The least standard deviation of a continuous action; a new `truncated_normal` policy has 1 + `min_std`."""
    mean_scale: float = field(default=5.0, metadata=positive())
    """Bound of the mean of `tanh_normal`, before the tanh."""
    exploration: float = field(default=0.3, metadata=at_least(0))
    """Standard deviation of the noise added to a continuous action, or the probability of a random discrete one."""
    continuous: Literal["tanh_normal", "truncated_normal", "clipped_normal"] = "tanh_normal"
    """The distribution of continuous actions; discrete ones are one-hot."""
    unimix: float = field(default=0.0, metadata=between(0, 1))
    """Share of a uniform distribution in that of discrete actions, 0.01 in DreamerV3."""

    def build_actor(self, model: WorldModel, spec: EnvSpec) -> "PolicyActor":
        return PolicyActor(self.build(spec.action, model.dynamics.feature_size), model.dynamics.features)

    def build(self, action: ActionSpace, feature_size: int) -> "Policy":
        if action.discrete:
            return OneHotPolicy(self, action.size, feature_size)
        return CONTINUOUS[self.continuous](self, action.size, feature_size)


class Policy(nn.Module):
    """The base of policies: a network with `outputs` numbers for each action, and standard normal noise."""

    outputs: ClassVar[int] = 2

    def __init__(self, config: PolicyConfig, action_size: int, feature_size: int) -> None:
        super().__init__()
        self.config = config
        self.action_size = action_size
        self.net = MLP(config.mlp, feature_size, self.outputs * action_size)

    def distribution(self, features: Features) -> Distribution:
        raise NotImplementedError

    def forward(self, features: Features, noise: Action | None) -> Action:
        """Return the action drawn by `noise`, or the mode without noise."""
        return self.distribution(features).sample(noise)

    def log_prob(self, features: Features, noise: Action) -> Float[Tensor, "*b"]:
        """Return the log-density of the action drawn by `noise`, in nats. The action itself is a constant."""
        return self.distribution(features).log_prob(noise)

    def entropy(self, features: Features, noise: Action) -> Float[Tensor, "*b"]:
        """Return the action's entropy in nats: exact, or estimated from the one sample drawn by `noise`."""
        return self.distribution(features).entropy(noise)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Draw standard noise for actions with leading axes `shape`."""
        return torch.randn(*shape, self.action_size, generator=generator, device=generator.device)

    def exploration_noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Draw the noise that `explore` takes, with leading axes `shape`."""
        return self.noise(*shape, generator=generator)

    def explore(self, action: Action, noise: Float[Tensor, "*b X"]) -> Action:
        """`clip(action + exploration * noise, -1, 1)`"""
        return (action + self.config.exploration * noise).clamp(-1, 1)


class TanhNormalPolicy(Policy):
    """`tanh(N(m tanh(mean / m), softplus(raw + c) + min_std))` in (-1, 1) (Hafner 2020, App. A: m = 5).

    The constant `c` makes a raw output of 0 give `init_std`.
    Departures: the mode is `tanh(mean)`, not the best of 100 samples.
    """

    def __init__(self, config: PolicyConfig, action_size: int, feature_size: int) -> None:
        super().__init__(config, action_size, feature_size)
        self.raw_init_std = float(torch.tensor(config.init_std, device="cpu").expm1().log())

    def distribution(self, features: Features) -> TanhNormal:
        mean, raw = self.net(features).chunk(2, dim=-1)
        scale = self.config.mean_scale
        std = F.softplus(raw + self.raw_init_std) + self.config.min_std
        return TanhNormal(scale * torch.tanh(mean / scale), std)


class TruncatedNormalPolicy(Policy):
    """A normal cut to [-1, 1]: `mean = tanh(raw)`, `std = 2 sigmoid(raw / 2) + min_std` (DreamerV2's code).

    Near the bounds it keeps its standard deviation, which a tanh would squash.
    """

    def distribution(self, features: Features) -> TruncatedNormal:
        mean, raw = self.net(features).chunk(2, dim=-1)
        return TruncatedNormal(torch.tanh(mean), 2 * torch.sigmoid(raw / 2) + self.config.min_std)


class ClippedNormalPolicy(Policy):
    """`N(tanh(m), (1 - min_std) sigmoid(raw + 2) + min_std)`, clipped to [-1, 1] (DreamerV3's code: min_std 0.1).

    A new policy has a standard deviation of 0.9. The density is that before clipping, for REINFORCE.
    """

    def distribution(self, features: Features) -> ClippedNormal:
        mean, raw = self.net(features).chunk(2, dim=-1)
        least = self.config.min_std
        return ClippedNormal(torch.tanh(mean), (1 - least) * torch.sigmoid(raw + 2) + least)


CONTINUOUS: dict[str, type[Policy]] = {
    "tanh_normal": TanhNormalPolicy, "truncated_normal": TruncatedNormalPolicy, "clipped_normal": ClippedNormalPolicy,
}  # fmt: skip


class OneHotPolicy(Policy):
    """A categorical policy; its one-hot sample carries the gradient of the probabilities (straight-through)."""

    outputs = 1

    def distribution(self, features: Features) -> OneHot:
        logits, unimix = self.net(features), self.config.unimix
        return OneHot(mix_uniform(logits, unimix) if unimix else logits)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Draw standard Gumbel noise for actions with leading axes `shape`."""
        return gumbel(*shape, self.action_size, generator=generator)

    def exploration_noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Draw uniform noise (*shape, A + 1): whether to explore, and a score for each action."""
        return torch.rand(*shape, self.action_size + 1, generator=generator, device=generator.device)

    def explore(self, action: Action, noise: Float[Tensor, "*b X"]) -> Action:
        """Epsilon-greedy: take a uniformly random action with probability `exploration`."""
        uniform = F.one_hot(noise[..., 1:].argmax(-1), self.action_size).to(action.dtype)
        return torch.where(noise[..., :1] < self.config.exploration, uniform, action)


class PolicyActor(nn.Module):
    """A policy network as an actor, without state. `features` is the dynamics' function."""

    def __init__(self, policy: Policy, features: Callable[[State], Tensor]) -> None:
        super().__init__()
        self.policy, self.features = policy, features

    def initial(self, batch: int) -> None:
        return None

    def act(self, belief: State, actor_state: None, noise: ActNoise[Tensor | None] | None) -> tuple[Tensor, None]:
        action = self.policy(self.features(belief), None if noise is None else noise.actor)
        if noise is not None and noise.exploration is not None:
            action = self.policy.explore(action, noise.exploration)
        return action, None

    def noise(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        noise = self.policy.noise(batch, generator=generator)
        return noise, self.policy.exploration_noise(batch, generator=generator)
