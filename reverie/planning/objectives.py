"""What a plan is good for: predicted reward. Similarity to a goal comes with the signals that learn one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.errors import UserError
from reverie.world_model import WorldModel


@dataclass(frozen=True)
class RewardSumConfig:
    """The undiscounted sum of predicted rewards, each weighed by the chance to be still alive (PlaNet, Alg. 2)."""

    gamma: float = 1.0

    def build(self, model: WorldModel) -> Callable[[Any, Tensor], Tensor]:
        if "reward" not in model.signals:
            raise UserError("Planning for reward needs a model that predicts it: add a reward signal to the model.")

        def objective(states: Any, actions: Float[Tensor, "*b H A"]) -> Float[Tensor, "*b"]:
            features = model.dynamics.features(states)
            reward = model.signals["reward"].predict(features)
            steps = torch.arange(reward.shape[-1], device=reward.device)
            weight = self.gamma**steps
            if "continuation" in model.signals:
                alive = model.signals["continuation"].predict(features)
                # The reward of a step counts if no step before it was the last.
                before = torch.cat([torch.ones_like(alive[..., :1]), alive[..., :-1]], dim=-1)
                weight = weight * before.cumprod(-1)
            return (weight * reward).sum(-1)

        return objective
