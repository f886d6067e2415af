"""Do a planner and an objective keep the contracts of `reverie.planning.base`?"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from reverie import tree
from reverie.dynamics.rollout import imagine
from reverie.planning.base import Planner, Score
from reverie.testing.complaints import close, complaints, identical, require, require_permutes, seeded
from reverie.types import Plan

GOALS = torch.tensor([[0.3, -0.6], [-0.2, 0.1], [0.7, 0.5]])
"""The best action of each of B = 3 problems with A = 2, at every step."""
PROBLEMS, ACTION = GOALS.shape


def check_planner(config: Any) -> list[str]:
    """Build `config.build(2)` and return what is wrong with the planner; empty if nothing is.

    It is given a quadratic, whose optimum it must find to 0.15 within ten calls, and an unbounded score.
    """
    return complaints(lambda: config.build(ACTION), PLANNER_PROMISES)


def check_objective(config: Any, model: Any, value: nn.Module | None = None, obs: Any = None) -> list[str]:
    """Build `config.build(model, value)` and return what is wrong with the objective; empty if nothing is.

    `obs`, one prepared observation with a leading axis of 1, is the goal of an objective that needs one.
    """

    def build() -> tuple[Any, Any]:
        if obs is None:
            return model, config.build(model, value)
        return model, config.towards(model, config.represent(model, obs))

    return complaints(build, (objective_scores_candidates, objective_has_slopes))


def _quadratic(goals: Tensor) -> Score:
    return lambda action: -(action - goals[:, None, None]).square().sum((2, 3))


def _plan(planner: Planner, goals: Tensor = GOALS, seed: int = 0, mean: Tensor | None = None) -> Plan:
    start = planner.start(PROBLEMS, torch.device("cpu"))
    start = start if mean is None else Plan(mean, start.std, mean[:, None])
    return planner(_quadratic(goals), start, planner.noise(PROBLEMS, seeded(seed)))


def _score(plan: Plan) -> Tensor:
    return _quadratic(GOALS)(plan.elites[:, :1])[:, 0]


def plan_has_its_shapes(planner: Planner) -> None:
    start, plan = planner.start(PROBLEMS, torch.device("cpu")), _plan(planner)
    size = (PROBLEMS, start.mean.shape[1], ACTION)
    for name, x in (("start", start.mean), ("mean", plan.mean), ("std", plan.std), ("elites", plan.elites[:, 0])):
        require(x.shape == size, f"The shape of a plan's {name} must be (B, H, A), with elites (B, K, H, A).")


def optimum_is_found(planner: Planner) -> None:
    plan, start = _plan(planner), planner.start(PROBLEMS, torch.device("cpu"))
    better = _score(plan) > _score(replace(start, elites=start.mean[:, None]))
    require(better.all(), "One call must beat the plan that it starts from.")
    for seed in range(1, 10):
        plan = planner(
            _quadratic(GOALS), Plan(plan.mean, start.std, plan.elites), planner.noise(PROBLEMS, seeded(seed))
        )
    distance = (-_score(plan) / plan.mean.shape[1]).sqrt().max()
    require(distance < 0.15, f"The optimum of a quadratic must be found in ten calls; {distance:.2f} of it is left.")


def bounds_are_respected(planner: Planner) -> None:
    largest = []

    def score(action: Tensor) -> Tensor:
        largest.append(action.detach().abs().max())
        return action.sum((2, 3))  # the best is as far out as can be

    plan = planner(score, planner.start(PROBLEMS, torch.device("cpu")), planner.noise(PROBLEMS, seeded(0)))
    outside = max(*largest, plan.elites.abs().max(), plan.mean.abs().max())
    require(outside <= 1, "Candidates and plans must stay within the action bounds, -1 and 1.")


def plan_is_a_function_of_its_noise(planner: Planner) -> None:
    first, again, other = _plan(planner), _plan(planner), _plan(planner, seed=1)
    require(identical(first, again), "The same noise must give the same plan, bit for bit.")
    require(not torch.equal(first.elites, other.elites), "Other noise must give another plan.")


def problems_are_apart(planner: Planner) -> None:
    one, two = (_plan(planner, goals) for goals in (GOALS, torch.cat([GOALS[:1], -GOALS[1:]])))
    require(close(one.elites[0], two.elites[0]), "The plan of a problem must not depend on the others of its batch.")
    require(not torch.equal(one.elites[1], two.elites[1]), "The plan must depend on the score.")


def warm_start_is_no_worse(planner: Planner) -> None:
    cold = _plan(planner)
    start = planner.start(PROBLEMS, torch.device("cpu"))
    warm = planner(_quadratic(GOALS), Plan(cold.mean, start.std, cold.elites), planner.noise(PROBLEMS, seeded(1)))
    require((_score(warm) > _score(cold) - 0.05).all(), "A plan that starts from a plan must not be worse than it.")


def _imagined(model: Any, action: Tensor) -> Any:
    start = tree.map(lambda x: x + 0.1 if x.is_floating_point() else x, model.dynamics.initial(len(action)))
    return imagine(model.dynamics, start, action, None)


def objective_scores_candidates(pair: tuple[Any, Any]) -> None:
    model, objective = pair
    action = 2 * torch.rand(5, 4, model.action_size, generator=seeded(0)) - 1
    score = objective(_imagined(model, action), action)
    require(score.shape == (5,), "An objective must give one number for each trajectory.")
    require(score.isfinite().all(), "An objective must be finite.")
    sentence = "Permuting the candidates must permute their scores."
    require_permutes(lambda x: objective(_imagined(model, x), x), (action,), [3, 1, 4, 0, 2], sentence)


def objective_has_slopes(pair: tuple[Any, Any]) -> None:
    model, objective = pair
    action = (2 * torch.rand(5, 4, model.action_size, generator=seeded(0)) - 1).requires_grad_()
    score = objective(_imagined(model, action), action)
    reached = score.requires_grad and torch.autograd.grad(score.sum(), action)[0].any()
    require(reached, "The gradient of an objective must reach the actions: planners by gradient need it.")


PLANNER_PROMISES = (
    plan_has_its_shapes, optimum_is_found, bounds_are_respected, plan_is_a_function_of_its_noise, problems_are_apart,
    warm_start_is_no_worse,
)  # fmt: skip
