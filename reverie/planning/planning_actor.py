"""An actor that plans: it joins a planner, which knows no model, to an objective, which knows no planner."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie import tree
from reverie.envs.adapter import ActionSpace
from reverie.errors import UserError
from reverie.planning import PlannerConfig
from reverie.planning.base import Score, advanced
from reverie.planning.cem import ICEMConfig
from reverie.planning.objectives import RewardSumConfig
from reverie.rollout import imagine
from reverie.types import Plan
from reverie.world_model import WorldModel


@dataclass(frozen=True)
class PlanningConfig:
    """`warm_start`: begin with the last plan, one decision on (PlaNet does not). `exploration`: std of the normal noise
    added to the actions of training episodes."""

    planner: PlannerConfig = field(default_factory=ICEMConfig)
    objective: RewardSumConfig = field(default_factory=RewardSumConfig)
    warm_start: bool = True
    exploration: float = 0.3

    @property
    def actor(self) -> "PlanningConfig":
        """What an agent that acts so is rebuilt from."""
        return self

    def build(self, spec: Any, feature_size: int) -> "NothingToLearn":
        return NothingToLearn()


class NothingToLearn(nn.Module):
    """Implements `Learner`: whoever plans improves with the model alone."""

    policy = None

    def optimisers(self) -> dict[str, Any]:
        return {}

    def noise(self, model: Any, batch: int, generator: torch.Generator) -> None:
        return None

    def update(self, model: Any, belief: Any, noise: None, optimisers: Any) -> dict[str, Tensor]:
        return {}


class PlanningActor(nn.Module):
    """Implements `Actor`; its memory is the plan that it begins with.

    Without noise it plans by the same standard noise at every decision: deterministic, whatever the batch.
    """

    def __init__(self, config: PlanningConfig, model: WorldModel, action: ActionSpace) -> None:
        super().__init__()
        if action.discrete:
            raise UserError("Planners search among continuous actions: take an actor-critic for this environment.")
        self.config, self.action_size = config, action.size
        self.planner = config.planner.build(action.size)
        self.score = score_of(model, config.objective.build(model))

    def initial(self, batch: int) -> Plan:
        return self.planner.start(batch, torch.device("cpu"))

    def act(self, belief: Any, memory: Plan, noise: Any) -> tuple[Float[Tensor, "B A"], Plan]:
        like = tree.leaves(belief)[0]
        batch = like.shape[0]
        start = self.planner.start(batch, like.device)
        begin = tree.to(memory, like.device) if self.config.warm_start else start
        given = self.always_the_same(batch, like.device) if noise is None or noise.actor is None else noise.actor
        plan = self.planner(self.score(belief), begin, given)
        action = plan.action
        if noise is not None and noise.exploration is not None:
            action = (action + self.config.exploration * noise.exploration).clamp(-1, 1)
        return action, advanced(plan, start)

    def always_the_same(self, batch: int, device: torch.device) -> Any:
        """The planner's noise for one problem, from a fixed seed, for each of `batch`."""
        one = self.planner.noise(1, torch.Generator().manual_seed(0))

        def spread(noise: Tensor) -> Tensor:
            axis = noise.ndim - 4  # before (N, H, A)
            return noise.to(device).expand(*noise.shape[:axis], batch, *noise.shape[axis + 1 :])

        return tree.map(spread, one)

    def noise(self, batch: int, generator: torch.Generator) -> tuple[Any, Tensor]:
        exploration = torch.randn(batch, self.action_size, generator=generator, device=generator.device)
        return self.planner.noise(batch, generator), exploration


def score_of(model: WorldModel, objective: Callable[[Any, Tensor], Tensor]) -> Callable[[Any], Score]:
    """From beliefs (B,) to the score of candidates from them: the objective of the states that they lead to.

    Transitions take their mean, so a score is a differentiable function of the actions alone.
    """

    def from_belief(belief: Any) -> Score:
        def score(action: Float[Tensor, "B N H A"]) -> Float[Tensor, "B N"]:
            batch, count = action.shape[:2]
            start = tree.map(lambda x: x[:, None].expand(batch, count, *x.shape[1:]).flatten(0, 1), belief)
            sequences = action.flatten(0, 1)
            states = imagine(model.dynamics, start, sequences, None)
            return objective(states, sequences).unflatten(0, (batch, count))

        return score

    return from_belief
