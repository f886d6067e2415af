"""Check a planner and an objective against the contracts of `reverie.planning.base`."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from reverie import tree
from reverie.dynamics.rollout import imagine
from reverie.planning.base import Planner, Score
from reverie.testing.contract import close, identical, require, require_permutes, seeded, violations
from reverie.types import Plan

GOALS = torch.tensor([[0.3, -0.6], [-0.2, 0.1], [0.7, 0.5]])
"""The best action of each of B = 3 problems with A = 2, at every step."""
PROBLEMS, ACTION = GOALS.shape


def check_planner(config: Any) -> list[str]:
    """Check `config.build(2)` on a quadratic and an unbounded score; return a sentence for each violation.

    The optimum of the quadratic must be found to 0.15 within ten calls.
    """
    return violations(PlannerContract, config)


def check_objective(config: Any, model: Any, value: nn.Module | None = None, obs: Any = None) -> list[str]:
    """Check `config.build(model, value)`; return a sentence for each violation.

    `obs`, one prepared observation with a leading axis of 1, is the goal of an objective that needs one.
    """
    return violations(ObjectiveContract, config, model, value, obs)


def _quadratic(goals: Tensor) -> Score:
    return lambda action: -(action - goals[:, None, None]).square().sum((2, 3))


SCORE = _quadratic(GOALS)


def _best_score(plan: Plan) -> Tensor:
    return SCORE(plan.elites[:, :1])[:, 0]


class PlannerContract:
    """A planner, and the plan before any search."""

    def __init__(self, config: Any) -> None:
        self._planner: Planner[Any] = config.build(ACTION)
        self._start = self._planner.start(PROBLEMS, torch.device("cpu"))

    def _plan(self, before: Plan | None = None, seed: int = 0, score: Score = SCORE) -> Plan:
        start = self._start if before is None else replace(before, std=self._start.std)
        return self._planner(score, start, self._planner.noise(PROBLEMS, seeded(seed)))

    def plan_has_its_shapes(self) -> None:
        start, plan = self._start, self._plan()
        size = (PROBLEMS, start.mean.shape[1], ACTION)
        for name, x in (("start", start.mean), ("mean", plan.mean), ("std", plan.std), ("elites", plan.elites[:, 0])):
            require(x.shape == size, f"The shape of a plan's {name} must be (B, H, A), with elites (B, K, H, A).")

    def search_finds_the_optimum(self) -> None:
        plan = self._plan()
        better = _best_score(plan) > _best_score(replace(self._start, elites=self._start.mean[:, None]))
        require(better.all(), "One call must beat the plan that it starts from.")
        for seed in range(1, 10):
            plan = self._plan(plan, seed)
        distance = (-_best_score(plan) / plan.mean.shape[1]).sqrt().max()
        require(distance < 0.15, f"Ten calls must find the optimum of a quadratic to 0.15, not {distance:.2f}.")

    def actions_are_within_the_bounds(self) -> None:
        largest = []

        def score(action: Tensor) -> Tensor:
            largest.append(action.detach().abs().max())
            return action.sum((2, 3))  # without an optimum inside of the bounds

        plan = self._plan(score=score)
        outside = max(*largest, plan.elites.abs().max(), plan.mean.abs().max())
        require(outside <= 1, "Candidates and plans must stay within the action bounds, -1 and 1.")

    def plan_is_a_function_of_its_noise(self) -> None:
        first, again, other = self._plan(), self._plan(), self._plan(seed=1)
        require(identical(first, again), "The same noise must give the same plan, bit for bit.")
        require(not torch.equal(first.elites, other.elites), "Other noise must give another plan.")

    def problems_are_independent(self) -> None:
        one, two = self._plan(), self._plan(score=_quadratic(torch.cat([GOALS[:1], -GOALS[1:]])))
        independent = close(one.elites[0], two.elites[0])
        require(independent, "The plan of a problem must not depend on the others of its batch.")
        require(not torch.equal(one.elites[1], two.elites[1]), "The plan must depend on the score.")

    def warm_start_is_no_worse(self) -> None:
        cold = self._plan()
        warm = self._plan(cold, seed=1)
        no_worse = (_best_score(warm) > _best_score(cold) - 0.05).all()
        require(no_worse, "A plan must not be worse than the plan that it starts from.")


class ObjectiveContract:
    """An objective, and five trajectories of four random actions."""

    def __init__(self, config: Any, model: Any, value: nn.Module | None, obs: Any) -> None:
        build = config.build(model, value) if obs is None else config.towards(model, config.represent(model, obs))
        self._model, self._objective = model, build
        self._action = 2 * torch.rand(5, 4, model.action_size, generator=seeded(0)) - 1

    def _score(self, action: Tensor) -> Tensor:
        initial = self._model.dynamics.initial(len(action))
        start = tree.map(lambda x: x + 0.1 if x.is_floating_point() else x, initial)
        return self._objective(imagine(self._model.dynamics, start, action, None), action)

    def scores_are_one_number_a_trajectory(self) -> None:
        score = self._score(self._action)
        require(score.shape == (5,), "An objective must give one number for each trajectory.")
        require(score.isfinite().all(), "An objective must be finite.")
        sentence = "Permuting the candidates must permute their scores."
        require_permutes(self._score, (self._action,), [3, 1, 4, 0, 2], sentence)

    def gradient_reaches_the_actions(self) -> None:
        action = self._action.requires_grad_()
        score = self._score(action)
        reached = score.requires_grad and torch.autograd.grad(score.sum(), action)[0].any()
        require(reached, "The gradient of an objective must reach the actions, for planners by gradient.")
