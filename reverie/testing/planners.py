"""Check a planner and an objective against the contracts of `reverie.planning.base`."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from reverie import tree
from reverie.dynamics.rollout import imagine
from reverie.planning.base import Planner, Score, shift
from reverie.spaces import ActionSpace
from reverie.testing.contract import close, identical, require, require_permutes, seeded, violations
from reverie.types import Plan

GOALS = {
    False: torch.tensor([[0.3, -0.6], [-0.2, 0.1], [0.7, 0.5]]),
    True: torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]),
}
"""The best action of each of B = 3 problems, at every step: two numbers, or one of four choices but not the first."""
PROBLEMS = 3


def check_planner(config: Any, discrete: tuple[bool, ...] = (False, True)) -> list[str]:
    """Check `config.build(action)` on a quadratic and an unbounded score; return a sentence for each violation.

    The optimum of the quadratic must be found to 0.15 within ten calls. The check is repeated for continuous (False)
    and discrete (True) actions, whose optimum must be found exactly.
    """
    sentences = [sentence for kind in discrete for sentence in violations(PlannerContract, config, kind)]
    return list(dict.fromkeys(sentences))


def check_objective(config: Any, model: Any, value: nn.Module | None = None, obs: Any = None) -> list[str]:
    """Check `config.build(model, value)`; return a sentence for each violation.

    `obs`, one prepared observation with a leading axis of 1, is the goal of an objective that needs one.
    """
    return violations(ObjectiveContract, config, model, value, obs)


def _quadratic(goals: Tensor) -> Score:
    return lambda action: -(action - goals[:, None, None]).square().sum((2, 3))


class PlannerContract:
    """A planner, the plan before any search, and a score with a known optimum."""

    def __init__(self, config: Any, discrete: bool) -> None:
        self._goals, self._discrete = GOALS[discrete], discrete
        self._planner: Planner[Any] = config.build(ActionSpace(self._goals.shape[1], discrete))
        self._start = self._planner.start(PROBLEMS, torch.device("cpu"))
        self._score = _quadratic(self._goals)

    def _plan(self, before: Plan | None = None, seed: int = 0, score: Score | None = None) -> Plan:
        start = self._start if before is None else replace(before, std=self._start.std)
        return self._planner(score or self._score, start, self._planner.noise(PROBLEMS, seeded(seed)))

    def _best_score(self, plan: Plan) -> Tensor:
        return self._score(plan.elites[:, :1])[:, 0]

    def plan_has_its_shapes(self) -> None:
        start, plan = self._start, self._plan()
        size = (PROBLEMS, start.mean.shape[1], self._goals.shape[1])
        for name, x in (("start", start.mean), ("mean", plan.mean), ("std", plan.std), ("elites", plan.elites[:, 0])):
            require(x.shape == size, f"The shape of a plan's {name} must be (B, H, A), with elites (B, K, H, A).")

    def search_finds_the_optimum(self) -> None:
        plan = self._plan()
        better = self._best_score(plan) > self._best_score(self._start)
        require(better.all(), "One call must beat the plan that it starts from.")
        for seed in range(1, 10):
            plan = self._plan(plan, seed)
        distance = (-self._best_score(plan) / plan.mean.shape[1]).sqrt().max()
        require(distance < 0.15, f"Ten calls must find the optimum of a quadratic to 0.15, not {distance:.2f}.")

    def _candidates(self, seed: int) -> tuple[Tensor, ...]:
        """Return the candidates and elites of a search without an optimum inside of the bounds."""
        scored = []

        def score(action: Tensor) -> Tensor:
            scored.append(action.detach().clone())
            return action[..., 0].sum(2)

        plan = self._plan(None, seed, score)
        return (*scored, plan.elites)

    def actions_are_valid(self) -> None:
        start, plan = self._start, self._plan()
        for action in (*self._candidates(seed=0), start.elites, plan.elites, shift(plan, start).elites):
            require(action.abs().max() <= 1, "Candidates and plans must stay within the action bounds, -1 and 1.")
            one_hot = ((action == 0) | (action == 1)).all() and (action.sum(-1) == 1).all()
            require(one_hot or not self._discrete, "Candidates and plans of discrete actions must be one-hot vectors.")

    def plan_is_a_function_of_its_noise(self) -> None:
        require(identical(self._plan(), self._plan()), "The same noise must give the same plan, bit for bit.")
        one, other = self._candidates(seed=0), self._candidates(seed=1)
        require(not identical(one, other), "Other noise must lead to other candidates.")

    def problems_are_independent(self) -> None:
        one, two = self._plan(), self._plan(score=_quadratic(torch.cat([self._goals[:1], -self._goals[1:]])))
        independent = close(one.elites[0], two.elites[0])
        require(independent, "The plan of a problem must not depend on the others of its batch.")
        require(not torch.equal(one.elites[1], two.elites[1]), "The plan must depend on the score.")

    def permuted_problems_permute_the_plans(self) -> None:
        order, noise = torch.tensor([2, 0, 1]), self._planner.noise(PROBLEMS, seeded(0))
        noise = tree.map(lambda x: x.index_select(-4, order), noise)
        permuted = self._planner(_quadratic(self._goals[order]), self._start, noise)
        same = close(permuted, tree.map(lambda x: x[order], self._plan()))
        require(same, "Permuting the problems, and their noise along its axis -4, must permute the plans.")

    def warm_start_is_no_worse(self) -> None:
        cold = self._plan()
        for before in (cold, shift(cold, self._start)):
            warm = self._plan(before, seed=1)
            no_worse = (self._best_score(warm) > self._best_score(before) - 0.05).all()
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
