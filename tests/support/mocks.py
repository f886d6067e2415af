"""Models with numbers that can be computed by hand, and small real models."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from reverie.agents.policies import PolicyConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.models.world_model import WorldModel
from reverie.nn.mlp import MLPConfig
from reverie.spaces import EnvSpec
from reverie.testing.batches import random_batch as random_batch
from reverie.testing.batches import small_model_config as model_config  # noqa: F401
from reverie.testing.batches import small_spec
from reverie.types import Batch, Trace


@dataclass(frozen=True)
class Value:
    value: Tensor
    """(*b, D)"""


class AddAction(nn.Module):
    """Dynamics whose `predict` adds action and noise, and whose `correct` adds embedding and noise to the value."""

    def __init__(self, dim: int, start: float = 0.0) -> None:
        super().__init__()
        self.feature_size = self.noise_size = dim
        self.start = start

    @staticmethod
    def at(*values: float) -> Value:
        """Return a batch of states of one dimension."""
        return Value(torch.tensor(values)[:, None])

    def initial(self, batch: int) -> Value:
        return Value(torch.full((batch, self.feature_size), self.start))

    def predict(self, state: Value, action: Tensor, noise: Tensor | None) -> Value:
        return Value(state.value + action + (0 if noise is None else noise))

    def correct(self, prior: Value, embed: Tensor, noise: Tensor | None) -> Value:
        return Value(prior.value + embed + (0 if noise is None else noise))

    def features(self, state: Value) -> Tensor:
        return state.value

    def divergence(self, posterior: Value, prior: Value) -> Tensor:
        return (posterior.value - prior.value).square().sum(-1)

    def noise(self, *shape: int, generator: torch.Generator) -> Tensor:
        return torch.randn(*shape, self.noise_size, generator=generator)


class KnownReward(nn.Module):
    """A reward head that is a given function of the features."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def predict_reward(self, features: Tensor) -> Tensor:
        return self.function(features)

    def to_env_units(self, reward: Tensor) -> Tensor:
        return reward

    def target(self, reward: Tensor) -> Tensor:
        return reward


class KnownContinuation(nn.Module):
    """A continuation head that is a given function of the features."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def predict_continuation(self, features: Tensor) -> Tensor:
        return self.function(features)


class KnownWorld(WorldModel):
    """A world model of given dynamics and heads, without an encoder."""

    def __init__(self, dynamics: nn.Module, **heads) -> None:
        nn.Module.__init__(self)
        self.dynamics = dynamics
        kinds = {"reward": KnownReward, "continuation": KnownContinuation}
        self.signals = nn.ModuleDict({name: kinds[name](function) for name, function in heads.items()})


def spec(image: int = 16, vector: int = 0, action: int = 2, discrete: bool = False) -> EnvSpec:
    """An environment with an image, a vector, or both."""
    return small_spec(image, vector, action, discrete)


def behavior_config(horizon: int = 4) -> ActorCriticConfig:
    mlp = MLPConfig(layers=1, units=16)
    return ActorCriticConfig(policy=PolicyConfig(mlp=mlp), value=mlp, horizon=horizon)


def added(features: Tensor, action: Tensor, is_first: Tensor | None = None, **replaced) -> Trace:
    """A trace of `AddAction` with posteriors `features` (B, T, F): each predicts itself plus the action (B, T, F)."""
    size = features.shape[:2]
    never = torch.zeros(size, dtype=torch.bool)
    batch = Batch({}, action, torch.zeros(size), never if is_first is None else is_first, never, never)
    state, dynamics = Value(features), AddAction(features.shape[-1])
    return replace(Trace(batch, {}, features, state, state, features, dynamics, None), **replaced)
