"""Objectives of planning: predicted reward, reward and value, or similarity to a goal in features or pixels."""

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.checks import between
from reverie.config.choices import Choice
from reverie.errors import UserError
from reverie.models.world_model import WorldModel
from reverie.planning.base import Objective
from reverie.signals.base import Decodes, RewardHead, SimilarityHead
from reverie.types import State

DECODE_CHUNK = 500
"""Number of candidates whose images are decoded at once."""


class ObjectiveConfig(Choice):
    """The family of objectives, which score imagined states and their actions."""

    def build(self, model: WorldModel, value: nn.Module | None) -> Objective:
        """Return the objective in this model. `value` predicts the return after features, None without a critic."""
        raise NotImplementedError


@dataclass(frozen=True)
class RewardSumConfig(ObjectiveConfig):
    """The sum of predicted rewards, `sum_h gamma^h r_h`, of steps that the episode reaches (PlaNet, Alg. 2)."""

    gamma: float = field(default=1.0, metadata=between(0, 1))
    """Discount per decision, in [0, 1]; PlaNet has 1."""

    def build(self, model: WorldModel, value: nn.Module | None) -> Objective:
        return return_objective(model, self.gamma, None)


@dataclass(frozen=True)
class RewardAndValueConfig(ObjectiveConfig):
    """The return bootstrapped by the value of the policy that was trained with the model."""

    gamma: float = field(default=0.99, metadata=between(0, 1))
    """Discount per decision, in [0, 1]; it should equal the value's."""

    def build(self, model: WorldModel, value: nn.Module | None) -> Objective:
        if value is None:
            raise UserError(
                "This agent has learned no value to plan with: take --objective RewardSum, or the run of an "
                "actor-critic such as dreamer_v1."
            )
        return return_objective(model, self.gamma, value)


def return_objective(model: WorldModel, gamma: float, value: nn.Module | None) -> Objective:
    """Return `sum_h gamma^h c_h r_h + gamma^H c_H v(s_H)`, without the last term if `value` is None.

    `c_h` is the probability that no earlier step was terminal.
    """
    model.head(RewardHead)

    def objective(states: State, actions: Float[Tensor, "*b H A"]) -> Float[Tensor, "*b"]:
        features = model.dynamics.features(states)
        reward = model.reward(features)
        weight = (gamma * model.continuation(features)).cumprod(-1)
        before = torch.cat([torch.ones_like(weight[..., :1]), weight[..., :-1]], dim=-1)
        total = (before * reward).sum(-1)
        return total if value is None else total + weight[..., -1] * value(features[..., -1, :])[..., 0]

    return objective


class GoalObjectiveConfig(ObjectiveConfig, abstract=True):
    """Objectives that need a goal, which is set on the agent (`agents.with_goal`)."""

    def build(self, model: WorldModel, value: nn.Module | None) -> Objective:
        return goal_missing

    def represent(self, model: WorldModel, obs: dict[str, Tensor]) -> Any:
        """Return B normalized observations in the form in which `towards` takes a goal."""
        raise NotImplementedError

    def towards(self, model: WorldModel, goal: Any) -> Objective:
        """Return the objective of B goals. Actions are (B N, H, A), the N candidates of a problem side by side."""
        raise NotImplementedError


def goal_missing(states: State, actions: Tensor) -> Tensor:
    """Raise UserError: the objective of an agent without a goal."""
    raise UserError("This agent acts towards a goal: give it one, `reverie.with_goal(agent, observation)`.")


@dataclass(frozen=True)
class GoalConfig(GoalObjectiveConfig):
    """Similarity of predicted features to the features of a goal image (Yan 2020, Sec. 4)."""

    similarity: Literal["distance", "cosine", "dot", "learned"] = "distance"
    """Minus the squared distance, the cosine, the inner product, or that of the model's contrastive signal."""
    steps: Literal["end", "all"] = "all"
    """Whether the last step of the plan counts, or the sum over all steps."""

    def represent(self, model: WorldModel, obs: dict[str, Tensor]) -> Float[Tensor, "B F"]:
        return model.encode(obs)

    def towards(self, model: WorldModel, goal: Float[Tensor, "B F"]) -> Objective:
        if self.similarity == "learned":
            model.head(SimilarityHead)

        def objective(states: State, actions: Float[Tensor, "M H A"]) -> Float[Tensor, " M"]:
            features = model.dynamics.features(states)
            features = features[:, -1:] if self.steps == "end" else features
            goals = goal.repeat_interleave(len(features) // len(goal), 0)[:, None].expand_as(features)
            return self._similarity(model, features, goals).sum(-1)

        return objective

    def _similarity(self, model: WorldModel, x: Float[Tensor, "*b F"], y: Float[Tensor, "*b F"]) -> Float[Tensor, "*b"]:
        if self.similarity == "learned":
            return model.similarity(x, y)
        if self.similarity == "distance":
            return -(x - y).square().sum(-1)
        if self.similarity == "cosine":
            return torch.cosine_similarity(x, y, dim=-1)
        return (x * y).sum(-1)


@dataclass(frozen=True)
class PixelGoalConfig(GoalObjectiveConfig):
    """Similarity of predicted images to a goal's: minus the squared error, summed over pixels and steps."""

    signal: str = "pixel_forward"
    """Name of the model's signal that decodes predicted features."""

    def represent(self, model: WorldModel, obs: dict[str, Tensor]) -> dict[str, Tensor]:
        return obs

    def towards(self, model: WorldModel, goal: dict[str, Tensor]) -> Objective:
        signal = dict(model.signals).get(self.signal)
        if not isinstance(signal, Decodes):
            raise UserError(f"The model has no signal '{self.signal}' that decodes images: take --objective Goal.")

        def objective(states: State, actions: Float[Tensor, "M H A"]) -> Float[Tensor, " M"]:
            features, candidates = model.dynamics.features(states), len(actions) // len(next(iter(goal.values())))
            scores = []
            for chunk in torch.arange(len(actions), device=actions.device).split(DECODE_CHUNK):
                images = signal.decode(features[chunk])
                errors = [x - goal[name][chunk // candidates][:, None] for name, x in images.items()]
                scores.append(-torch.stack([error.square().flatten(1).sum(-1) for error in errors]).sum(0))
            return torch.cat(scores)

        return objective
