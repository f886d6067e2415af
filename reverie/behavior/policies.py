"""Policies: features and noise to an action in the normal form, as a differentiable function."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from reverie.encoders.mlp import MLP, MLPConfig
from reverie.envs.adapter import ActionSpace
from reverie.math import distributions


@dataclass(frozen=True)
class PolicyConfig:
    """The network, the spread it starts from, and how training episodes explore.

    `exploration`: standard deviation of the normal noise added to a continuous action, or the probability
    of a random discrete one.
    """

    mlp: MLPConfig = field(default_factory=lambda: MLPConfig(layers=4))
    init_std: float = 5.0
    min_std: float = 1e-4
    mean_scale: float = 5.0
    exploration: float = 0.3

    def build(self, action: ActionSpace, feature_size: int) -> "TanhNormalPolicy | OneHotPolicy":
        policy = OneHotPolicy if action.discrete else TanhNormalPolicy
        return policy(self, action.size, feature_size)


class TanhNormalPolicy(nn.Module):
    """`tanh(N(m tanh(mean / m), softplus(raw + c) + min_std))` in (-1, 1) (Hafner 2020, App. A: m = 5).

    `c` is chosen so that a raw output of 0 gives `init_std`.
    Departures: the mode is `tanh(mean)`, not the best of 100 samples.
    """

    def __init__(self, config: PolicyConfig, action_size: int, feature_size: int) -> None:
        super().__init__()
        self.config = config
        self.action_size = action_size
        self.net = MLP(config.mlp, feature_size, 2 * action_size)
        self.raw_init_std = float(torch.tensor(config.init_std).expm1().log())

    def stats(self, features: Float[Tensor, "*b F"]) -> tuple[Float[Tensor, "*b A"], Float[Tensor, "*b A"]]:
        """Mean and standard deviation of the Gaussian before the tanh."""
        mean, raw = self.net(features).chunk(2, dim=-1)
        scale = self.config.mean_scale
        return scale * torch.tanh(mean / scale), F.softplus(raw + self.raw_init_std) + self.config.min_std

    def forward(self, features: Float[Tensor, "*b F"], noise: Float[Tensor, "*b A"] | None) -> Float[Tensor, "*b A"]:
        return distributions.tanh_normal_sample(*self.stats(features), noise)

    def entropy(self, features: Float[Tensor, "*b F"], noise: Float[Tensor, "*b A"]) -> Float[Tensor, "*b"]:
        """A one-sample estimate of the action's entropy, in nats: how undecided the policy is."""
        return distributions.tanh_normal_entropy(*self.stats(features), noise)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Standard noise for actions with leading axes `shape`."""
        return torch.randn(*shape, self.action_size, generator=generator, device=generator.device)

    def explore(self, action: Float[Tensor, "*b A"], noise: Float[Tensor, "*b A"]) -> Float[Tensor, "*b A"]:
        """`clip(action + exploration * noise, -1, 1)`, `noise` from `exploration_noise`."""
        return (action + self.config.exploration * noise).clamp(-1, 1)

    exploration_noise = noise


class OneHotPolicy(nn.Module):
    """A categorical policy; its one-hot sample carries the gradient of the probabilities (straight-through)."""

    def __init__(self, config: PolicyConfig, action_size: int, feature_size: int) -> None:
        super().__init__()
        self.config = config
        self.action_size = action_size
        self.net = MLP(config.mlp, feature_size, action_size)

    def forward(self, features: Float[Tensor, "*b F"], noise: Float[Tensor, "*b A"] | None) -> Float[Tensor, "*b A"]:
        return distributions.one_hot_sample(self.net(features), noise)

    def entropy(self, features: Float[Tensor, "*b F"], noise: Float[Tensor, "*b A"]) -> Float[Tensor, "*b"]:
        """The entropy, in nats, exact: how undecided the policy is. `noise` is not needed."""
        log_probability = self.net(features).log_softmax(-1)
        return -(log_probability.exp() * log_probability).sum(-1)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Standard Gumbel noise for actions with leading axes `shape`."""
        return distributions.gumbel(*shape, self.action_size, generator=generator)

    def exploration_noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Uniform noise, one number more than there are actions: a score for each, and whether to explore."""
        return torch.rand(*shape, self.action_size + 1, generator=generator, device=generator.device)

    def explore(self, action: Float[Tensor, "*b A"], noise: Float[Tensor, "*b N"]) -> Float[Tensor, "*b A"]:
        """Epsilon-greedy: a uniformly drawn action with probability `exploration`."""
        uniform = F.one_hot(noise[..., 1:].argmax(-1), self.action_size).to(action.dtype)
        return torch.where(noise[..., :1] < self.config.exploration, uniform, action)


Policy = TanhNormalPolicy | OneHotPolicy
