"""An actor that plans: a planner and an objective, joined by the model's imagination."""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reverie import tree
from reverie.config.checks import Checked, at_least
from reverie.dynamics.rollout import imagine
from reverie.models.world_model import WorldModel
from reverie.planning.actions import actions_of
from reverie.planning.base import Objective, PlannerConfig, Score, shift, white_noise
from reverie.planning.cem import ICEMConfig
from reverie.planning.objectives import ObjectiveConfig, RewardSumConfig
from reverie.spaces import ActionSpace, EnvSpec
from reverie.types import ActNoise, Plan, State


@dataclass(frozen=True)
class PlanningConfig(Checked):
    """Planner and objective, and how they are joined."""

    planner: PlannerConfig = field(default_factory=ICEMConfig)
    """The search for a plan with a high score."""
    objective: ObjectiveConfig = field(default_factory=RewardSumConfig)
    """The score of a plan's imagined states."""
    num_samples: int = field(default=0, metadata=at_least(0))
    """Number S of sampled futures whose mean is the score, with the same noise for all candidates of a plan.

    0 takes the mean transition, which may be impossible in a stochastic world. For a categorical latent these are
    the most likely classes, which rank plans worse than samples do (studies/latents)."""
    warm_start: bool = True
    """Whether the search starts from the last plan, shifted by one step. PlaNet starts afresh."""
    exploration: float = field(default=0.3, metadata=at_least(0))
    """Standard deviation of the noise added to a continuous action in training episodes, or the probability of a
    random discrete one."""

    @property
    def actor(self) -> "PlanningConfig":
        """The config that an agent with this planner is rebuilt from."""
        return self

    def build_actor(self, model: WorldModel, spec: EnvSpec) -> "PlanningActor":
        return PlanningActor(self, model, spec.action)

    def build(self, spec: EnvSpec, feature_size: int) -> None:
        """Return no learner: a planning agent improves with its model alone."""


@dataclass(frozen=True)
class PlanningNoise:
    """Standard noise of one decision: the planner's, and that of the S sampled futures, if any."""

    search: object
    samples: Float[Tensor, "B S H Z"] | None


class ScoreOf(Protocol):
    """The score of candidates that start at B beliefs: with noise, the mean over S sampled futures."""

    def __call__(self, belief: State, noise: Float[Tensor, "B S H Z"] | None = None, /) -> Score: ...


class PlanningActor(nn.Module):
    """Implements `Actor`. Its state is the last plan, shifted by one step.

    Without noise every search uses the same fixed noise, so it is deterministic and independent of the batch. It is
    drawn once and moves with the module, so a search touches one device alone.
    `objective` replaces the config's, for example by one that has its goal.
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
        self.config, self.actions = config, actions_of(action)
        self.planner = config.planner.build(action)
        self.score = score_of(model, objective or config.objective.build(model, value))
        self.sample_noise = model.dynamics.noise
        self._fixed = self._planning_noise(1, torch.Generator().manual_seed(0))
        for number, noise in enumerate(tree.leaves(self._fixed)):
            self.register_buffer(f"fixed_noise_{number}", noise, persistent=False)

    def initial(self, batch: int) -> Plan:
        device = next((noise.device for noise in self.buffers(recurse=False)), torch.device("cpu"))
        return self.planner.start(batch, device)

    def act(
        self, belief: State, actor_state: Plan, noise: ActNoise[PlanningNoise] | None
    ) -> tuple[Float[Tensor, "B A"], Plan]:
        plan = self.plan(belief, actor_state, None if noise is None else noise.actor, self.score)
        action = plan.action
        if noise is not None and noise.exploration is not None:
            action = self.actions.explore(action, noise.exploration, self.config.exploration)
        return action, shift(plan, self.planner.start(action.shape[0], action.device))

    def plan(self, belief: State, actor_state: Plan, noise: PlanningNoise | None, score: ScoreOf) -> Plan:
        """Return the plan for B beliefs that maximizes `score`: the actor's own, or one that also records it."""
        like = tree.leaves(belief)[0]
        batch = like.shape[0]
        noise = self.fixed_noise(batch, like.device) if noise is None else noise
        start = actor_state if self.config.warm_start else self.planner.start(batch, like.device)
        return self.planner(score(belief, noise.samples), tree.to(start, like.device), noise.search)

    def fixed_noise(self, batch: int, device: torch.device) -> PlanningNoise:
        """Return the noise of a single problem, from a fixed seed, repeated for each of `batch`."""
        drawn = self.buffers(recurse=False)

        def repeat(_: Tensor) -> Tensor:
            """Expand the axis of problems, which stands before (N, H, A) or (S, H, Z)."""
            noise = next(drawn).to(device)
            return noise.expand(*noise.shape[:-4], batch, *noise.shape[-3:])

        return tree.map(repeat, self._fixed)

    def noise(self, batch: int, generator: torch.Generator) -> tuple[PlanningNoise, Tensor]:
        exploration = white_noise(batch, self.actions.exploration_size, generator=generator)
        return self._planning_noise(batch, generator), exploration

    def _planning_noise(self, batch: int, generator: torch.Generator) -> PlanningNoise:
        count = self.config.num_samples
        horizon = self.planner.start(1, torch.device("cpu")).mean.shape[1]
        samples = self.sample_noise(batch, count, horizon, generator=generator) if count else None
        return PlanningNoise(self.planner.noise(batch, generator), samples)


def score_of(model: WorldModel, objective: Objective) -> ScoreOf:
    """Score candidates by the objective of the states they lead to: mean transitions, or the mean over S samples.

    All candidates share the samples' noise, so a score is a differentiable function of the actions alone.
    """

    def from_belief(belief: State, noise_BSHZ: Float[Tensor, "B S H Z"] | None = None, /) -> Score:
        samples = 1 if noise_BSHZ is None else noise_BSHZ.shape[1]

        def score(action_BNHA: Float[Tensor, "B N H A"]) -> Float[Tensor, "B N"]:
            size = (*action_BNHA.shape[:2], samples)

            def repeat(x: Tensor) -> Tensor:
                """Expand to every problem, candidate and sample, in one batch of B N S sequences."""
                return x.expand(*size, *x.shape[3:]).flatten(0, 2)

            action = repeat(action_BNHA[:, :, None])
            noise = None if noise_BSHZ is None else repeat(noise_BSHZ[:, None])
            start = tree.map(lambda x: repeat(x[:, None, None]), belief)
            return objective(imagine(model.dynamics, start, action, noise), action).unflatten(0, size).mean(2)

        return score

    return from_belief
