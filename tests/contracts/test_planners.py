"""What every planner owes: the cases come from the union of configs."""

from typing import get_args

import pytest
import torch

from reverie.planning import Planner, PlannerConfig
from reverie.planning.base import shift
from reverie.types import Plan

B, A = 3, 2
CASES = get_args(PlannerConfig)
GOALS = torch.tensor([[0.3, -0.6], [-0.2, 0.1], [0.7, 0.5]])


def made(kind):
    return kind().build(A)


def towards(goals: torch.Tensor):
    """The score of candidates: how near every action is to the problem's goal, squared."""

    def score(action):
        return -(action - goals[:, None, None]).square().sum((2, 3))

    return score


def planned(kind, goals=GOALS, seed=0, start=None) -> Plan:
    planner = made(kind)
    noise = planner.noise(len(goals), torch.Generator().manual_seed(seed))
    return planner(towards(goals), start or planner.start(len(goals), torch.device("cpu")), noise)


@pytest.mark.parametrize("kind", CASES)
def test_the_shapes_of_a_plan(kind):
    planner, plan = made(kind), planned(kind)
    assert isinstance(planner, Planner)
    horizon = planner.config.horizon
    assert plan.mean.shape == plan.std.shape == (B, horizon, A)
    assert plan.elites.shape[0] == B
    assert plan.elites.shape[2:] == (horizon, A)
    assert plan.action.shape == (B, A)
    start = planner.start(B, torch.device("cpu"))
    assert start.mean.shape == plan.mean.shape


@pytest.mark.parametrize("kind", CASES)
def test_a_plan_beats_knowing_nothing_and_finds_the_optimum(kind):
    """The known optimum of a quadratic, within ten calls that each begin where the last one ended."""
    plan = planned(kind)
    found = towards(GOALS)(plan.elites[:, :1])[:, 0]
    start = made(kind).start(B, torch.device("cpu"))
    assert (found > towards(GOALS)(start.mean[:, None])[:, 0]).all()
    for seed in range(1, 10):
        plan = planned(kind, seed=seed, start=Plan(plan.mean, start.std, plan.elites))
    distance = (-towards(GOALS)(plan.elites[:, :1])[:, 0] / plan.mean.shape[1]).sqrt()
    assert distance.max() < 0.15


@pytest.mark.parametrize("kind", CASES)
def test_bounds_are_respected(kind):
    seen = []

    def outside(action):
        seen.append(action.detach().abs().max())
        return action.sum((2, 3))  # the best is as far out as can be

    planner = made(kind)
    plan = planner(outside, planner.start(B, torch.device("cpu")), planner.noise(B, torch.Generator().manual_seed(0)))
    assert max(seen) <= 1
    assert plan.elites.abs().max() <= 1
    assert plan.mean.abs().max() <= 1


@pytest.mark.parametrize("kind", CASES)
def test_same_noise_same_bits(kind):
    first, again, other = planned(kind), planned(kind), planned(kind, seed=1)
    for name in ("mean", "std", "elites"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.elites, other.elites)


@pytest.mark.parametrize("kind", CASES)
def test_problems_of_a_batch_do_not_touch_each_other(kind):
    """The first problem's plan is the same whatever the others are."""
    planner = made(kind)
    noise = planner.noise(B, torch.Generator().manual_seed(0))
    start = planner.start(B, torch.device("cpu"))
    others = torch.cat([GOALS[:1], -GOALS[1:]])
    one, two = (planner(towards(goals), start, noise) for goals in (GOALS, others))
    torch.testing.assert_close(one.elites[0], two.elites[0])
    assert not torch.equal(one.elites[1], two.elites[1])


@pytest.mark.parametrize("kind", CASES)
def test_a_warm_start_is_no_worse(kind):
    """Where the optimum does not move, planning on from a plan comes at least about as near."""
    cold = planned(kind)
    start = made(kind).start(B, torch.device("cpu"))
    warm = planned(kind, seed=1, start=Plan(cold.mean, start.std, cold.elites))
    score = towards(GOALS)
    assert (score(warm.elites[:, :1]) > score(cold.elites[:, :1]) - 0.05).all()


def test_advancing_forgets_what_was_done():
    sequence = torch.arange(4.0).reshape(1, 4, 1) / 10
    plan = Plan(sequence, torch.full((1, 4, 1), 0.1), torch.stack([sequence, -sequence], dim=1))
    start = Plan(torch.zeros(1, 4, 1), torch.ones(1, 4, 1), torch.zeros(1, 1, 4, 1))
    later = shift(plan, start)
    torch.testing.assert_close(later.mean.flatten(), torch.tensor([0.1, 0.2, 0.3, 0.0]))
    assert torch.equal(later.std, start.std)
    torch.testing.assert_close(later.elites[0, 1].flatten(), torch.tensor([-0.1, -0.2, -0.3, 0.0]))
