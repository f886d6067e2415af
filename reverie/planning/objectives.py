"""Objectives of planning: predicted reward, reward and value, or similarity to a goal in features or pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie.config.choices import Choice
from reverie.errors import UserError
from reverie.models.world_model import WorldModel
from reverie.planning.base import Objective
from reverie.signals.base import Decodes, RewardHead, SimilarityHead
from reverie.types import State


class ObjectiveConfig(Choice):
    """The family of objectives: what a plan is good for."""

    def build(self, model: WorldModel, value: nn.Module | None) -> Objective:
        """The objective in this model; `value` predicts the return after features, None where none was learned."""
        raise NotImplementedError


class GoalObjectiveConfig(ObjectiveConfig, abstract=True):
    """Objectives that need a goal, which is set on the agent (`agents.with_goal`)."""

    def build(self, model: WorldModel, value: nn.Module | None) -> Objective:
        return goal_missing

    def represent(self, model: WorldModel, obs: dict[str, Tensor]) -> Any:
        """B prepared observations in the form in which `towards` takes a goal."""
        raise NotImplementedError

    def towards(self, model: WorldModel, goal: Any) -> Objective:
        """The objective of B problems; candidates of one problem must lie together, as in `B N H A`."""
        raise NotImplementedError


@dataclass(frozen=True)
class RewardSumConfig(ObjectiveConfig):
    """The sum of predicted rewards, weighted by discount and survival probability (PlaNet, Alg. 2: gamma 1)."""

    gamma: float = 1.0

    def build(self, model: WorldModel, value: nn.Module | None) -> Objective:
        predict = _rewards(model)

        def objective(states: State, actions: Float[Tensor, "*b H A"]) -> Float[Tensor, "*b"]:
            reward, before, _ = predict(model.dynamics.features(states), self.gamma)
            return (before * reward).sum(-1)

        return objective


@dataclass(frozen=True)
class RewardAndValueConfig(ObjectiveConfig):
    """The return bootstrapped by a value, `sum_h gamma^h r_h + gamma^H v(s_H)`.

    The value is that of the policy trained with the model, and `gamma` should be the same.
    """

    gamma: float = 0.99

    def build(self, model: WorldModel, value: nn.Module | None) -> Objective:
        predict = _rewards(model)
        if value is None:
            raise UserError(
                "This agent has learned no value to plan with: take --objective RewardSum, or the run of an "
                "actor-critic such as dreamer_v1."
            )

        def objective(states: State, actions: Float[Tensor, "*b H A"]) -> Float[Tensor, "*b"]:
            features = model.dynamics.features(states)
            reward, before, after = predict(features, self.gamma)
            return (before * reward).sum(-1) + after * value(features[..., -1, :])[..., 0]

        return objective


DECODE_CHUNK = 500
"""Number of candidates whose images are decoded at once."""


def goal_missing(states: State, actions: Tensor) -> Tensor:
    """The objective of an agent that was given no goal yet."""
    raise UserError("This agent acts towards a goal: give it one, `reverie.with_goal(agent, observation)`.")


@dataclass(frozen=True)
class GoalConfig(GoalObjectiveConfig):
    """Similarity of features to a goal's (Yan 2020, Sec. 4), at the `end` of the horizon or summed over `all` steps.

    `distance`: minus the squared distance; `cosine`; `dot`: the inner product; `learned`: that of the model's
    contrastive signal. `represent` encodes the goal, and `towards` makes the objective from it.
    """

    similarity: Literal["distance", "cosine", "dot", "learned"] = "distance"
    steps: Literal["end", "all"] = "all"

    def represent(self, model: WorldModel, obs: dict[str, Tensor]) -> Float[Tensor, "B F"]:
        """The features of B normalized observations."""
        return model.encode(obs)

    def towards(self, model: WorldModel, goal: Float[Tensor, "B F"]) -> Objective:
        """The objective of B problems; actions are `(B N, H, A)`, the N candidates of a problem side by side."""
        if self.similarity == "learned":
            model.head(SimilarityHead)

        def objective(states: State, actions: Float[Tensor, "M H A"]) -> Float[Tensor, " M"]:
            features = model.dynamics.features(states)
            features = features[:, -1:] if self.steps == "end" else features
            each = goal.repeat_interleave(len(features) // len(goal), 0)[:, None].expand_as(features)
            return self._similarity(model, features, each).sum(-1)

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
    """Similarity of predicted images to a goal's: minus the squared error, summed over pixels and steps.

    `signal` is the name of the model's signal that decodes predicted features.
    """

    signal: str = "pixel_forward"

    def represent(self, model: WorldModel, obs: dict[str, Tensor]) -> dict[str, Tensor]:
        """B normalized observations, unchanged."""
        return obs

    def towards(self, model: WorldModel, goal: dict[str, Tensor]) -> Objective:
        """The objective of B problems; actions are `(B N, H, A)`, the N candidates of a problem side by side."""
        signal = dict(model.signals).get(self.signal)
        if not isinstance(signal, Decodes):
            raise UserError(f"The model has no signal '{self.signal}' that decodes images: take --objective Goal.")

        def objective(states: State, actions: Float[Tensor, "M H A"]) -> Float[Tensor, " M"]:
            features, candidates = model.dynamics.features(states), len(actions) // len(next(iter(goal.values())))
            scores = []
            for piece in torch.arange(len(actions), device=actions.device).split(DECODE_CHUNK):
                error = torch.zeros(len(piece), device=actions.device)
                for name, image in signal.decode(features[piece]).items():
                    each = goal[name][piece // candidates][:, None]
                    error = error + (image - each).square().flatten(1).sum(-1)
                scores.append(-error)
            return torch.cat(scores)

        return objective


def _rewards(model: WorldModel) -> Callable[[Float[Tensor, "*b H F"], float], tuple[Tensor, Tensor, Tensor]]:
    """From features to rewards (*b, H), the weight of each, and the weight (*b) of a value after the last."""
    model.head(RewardHead)

    def predict(features: Float[Tensor, "*b H F"], gamma: float) -> tuple[Tensor, Tensor, Tensor]:
        reward = model.reward(features)
        weight = (gamma * model.continuation(features)).cumprod(-1)
        # A reward counts if no earlier step was terminal.
        before = torch.cat([torch.ones_like(weight[..., :1]), weight[..., :-1]], dim=-1)
        return reward, before, weight[..., -1]

    return predict
