"""An actor that plans: it joins a planner, which knows no model, to an objective, which knows no planner."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie import tree
from reverie.dynamics.rollout import imagine
from reverie.errors import UserError
from reverie.models.world_model import WorldModel
from reverie.planning import PlannerConfig
from reverie.planning.base import Objective, Score, advanced, white_noise
from reverie.planning.cem import ICEMConfig
from reverie.planning.objectives import ObjectiveConfig, RewardSumConfig
from reverie.spaces import ActionSpace
from reverie.types import Plan


@dataclass(frozen=True)
class PlanningConfig:
    """Planner and objective, and what joins them."""

    planner: PlannerConfig = field(default_factory=ICEMConfig)
    objective: ObjectiveConfig = field(default_factory=RewardSumConfig)
    futures: int = 0
    """Sampled futures that a score is the mean of, by the same noise for all candidates of a plan; 0 takes the mean
    transition, which is one future, and no possible one where the world forks. Of a categorical latent it is the
    likeliest classes, which order plans worse than samples do (studies/latents)."""
    warm_start: bool = True
    """Begin with the last plan, one decision on (PlaNet does not)."""
    exploration: float = 0.3
    """Standard deviation of the normal noise added to the actions of training episodes."""

    @property
    def actor(self) -> "PlanningConfig":
        """What an agent that acts so is rebuilt from."""
        return self

    def build(self, spec: Any, feature_size: int) -> "NothingToLearn":
        return NothingToLearn()


class NothingToLearn(nn.Module):
    """Implements `Learner`: whoever plans improves with the model alone."""

    policy = value = None

    def optimizers(self) -> dict[str, Any]:
        return {}

    def noise(self, model: Any, batch: int, generator: torch.Generator) -> None:
        return None

    def update(self, model: Any, belief: Any, noise: None, optimizers: Any) -> dict[str, Tensor]:
        return {}


@dataclass(frozen=True)
class PlanningNoise:
    """Standard noise of one decision: the planner's own, and that of the sampled futures, if any."""

    search: Any
    futures: Float[Tensor, "B S H Z"] | None


class ScoreOf(Protocol):
    """From beliefs (B,), and noise if futures are to be sampled, to the score of candidates from them."""

    def __call__(self, belief: Any, futures: Float[Tensor, "B S H Z"] | None = None) -> Score: ...


class PlanningActor(nn.Module):
    """Implements `Actor`; its memory is the plan that it begins with.

    Without noise it plans by the same standard noise at every decision: deterministic, whatever the batch.
    `objective` takes the place of the config's, which may lack its goal.
    """

    def __init__(
        self,
        config: PlanningConfig,
        model: WorldModel,
        action: ActionSpace,
        value: nn.Module | None = None,
        objective: Objective | None = None,
    ) -> None:
        super().__init__()
        if action.discrete:
            raise UserError("Planners search among continuous actions: take an actor-critic for this environment.")
        for name in ("horizon", "candidates", "elites", "iterations", "starts"):
            if (size := getattr(config.planner, name, 1)) < 1:
                raise UserError(f"The planner's `{name}` is {size}: it must be 1 or more.")
        if config.futures < 0:
            raise UserError(f"`futures` is {config.futures}: it must be 0, for the mean transition, or more.")
        self.config, self.action_size = config, action.size
        self.planner = config.planner.build(action.size)
        self.score = score_of(model, objective or config.objective.build(model, value))
        self.draw_futures = model.dynamics.noise

    def initial(self, batch: int) -> Plan:
        return self.planner.start(batch, torch.device("cpu"))

    def act(self, belief: Any, memory: Plan, noise: Any) -> tuple[Float[Tensor, "B A"], Plan]:
        plan = self.plan(belief, memory, None if noise is None else noise.actor, self.score)
        action = plan.action
        if noise is not None and noise.exploration is not None:
            action = (action + self.config.exploration * noise.exploration).clamp(-1, 1)
        return action, advanced(plan, self.planner.start(action.shape[0], action.device))

    def plan(self, belief: Any, memory: Plan, noise: PlanningNoise | None, score: ScoreOf) -> Plan:
        """The plan for B beliefs by that score, which is the actor's own unless someone listens to it."""
        like = tree.leaves(belief)[0]
        batch = like.shape[0]
        given = self.fixed_noise(batch, like.device) if noise is None else noise
        start = memory if self.config.warm_start else self.planner.start(batch, like.device)
        return self.planner(score(belief, given.futures), tree.to(start, like.device), given.search)

    def fixed_noise(self, batch: int, device: torch.device) -> PlanningNoise:
        """The noise of one problem, from a fixed seed, for each of `batch`."""
        one = self._search_noise(1, torch.Generator().manual_seed(0))

        def spread(noise: Tensor) -> Tensor:
            axis = noise.ndim - 4  # before (N, H, A) or (S, H, Z)
            return noise.to(device).expand(*noise.shape[:axis], batch, *noise.shape[axis + 1 :])

        return tree.map(spread, one)

    def noise(self, batch: int, generator: torch.Generator) -> tuple[PlanningNoise, Tensor]:
        exploration = white_noise(batch, self.action_size, generator=generator)
        return self._search_noise(batch, generator), exploration

    def _search_noise(self, batch: int, generator: torch.Generator) -> PlanningNoise:
        count = self.config.futures
        shape = (batch, count, self.config.planner.horizon)
        futures = self.draw_futures(*shape, generator=generator) if count else None
        return PlanningNoise(self.planner.noise(batch, generator), futures)


def score_of(model: WorldModel, objective: Objective) -> ScoreOf:
    """The objective of the states that candidates lead to: by the mean transition, or the mean over S futures.

    Their noise is the same for all candidates, so a score is a differentiable function of the actions alone.
    """

    def from_belief(belief: Any, futures: Float[Tensor, "B S H Z"] | None = None) -> Score:
        def score(action: Float[Tensor, "B N H A"]) -> Float[Tensor, "B N"]:
            size = (*action.shape[:2], 1 if futures is None else futures.shape[1])

            def each(x: Tensor, *axes: int) -> Tensor:
                """`x`, with axes of length one inserted, for every problem, candidate and future in one batch."""
                for axis in axes:
                    x = x.unsqueeze(axis)
                return x.expand(*size, *x.shape[3:]).flatten(0, 2)

            sequences = each(action, 2)
            noise = None if futures is None else each(futures, 1)
            states = imagine(model.dynamics, tree.map(lambda x: each(x, 1, 1), belief), sequences, noise)
            return objective(states, sequences).unflatten(0, size).mean(2)

        return score

    return from_belief
