"""The study of planners: the exact simulator, budgets and comparisons by hand, and the tiny study."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reverie.dynamics.rollout import imagine
from reverie.envs import EnvConfig, make
from studies.planners import trials
from studies.planners.budgets import PLANET, contenders
from studies.planners.report import cheapest, families, separating
from studies.planners.trials import Moments, in_chunks, over_moments, play, predicted_vs_actual, with_planner
from studies.planners.true_pendulum import Pendulum, PendulumState, true_agent

ENV = EnvConfig("Pendulum-v1", observe=("state",), repeat=2, time_limit=20)


def state(theta: float, theta_dot: float, dtype: torch.dtype = torch.float64) -> PendulumState:
    return PendulumState(*torch.tensor([[theta], [theta_dot], [0.0]], dtype=dtype))


@pytest.mark.parametrize("start", [(3.0, 0.0), (-0.1, 7.9), (40.0, -7.9)])
def test_the_simulator_is_gymnasiums_step_by_step(start):
    """To float precision, through turns of the circle and clipped speeds."""
    environment = make(ENV)
    world = Pendulum(ENV.repeat)
    environment.reset(0)
    environment._env.unwrapped.state = np.array(start)
    here = state(*start)
    for number in range(10):
        action = np.array([np.sin(3.0 * number)], np.float32)
        step = environment.step(action)
        here = world.predict(here, torch.from_numpy(action)[None], None)
        theirs = environment._env.unwrapped.state
        assert here.reward.item() == pytest.approx(step.reward, rel=1e-12)
        assert (here.theta.item(), here.theta_dot.item()) == pytest.approx(tuple(theirs), rel=1e-12)
        seen = world.correct(here, torch.from_numpy(step.obs["state"])[None], None)
        torch.testing.assert_close(seen.theta.cos(), here.theta.cos().float())
        torch.testing.assert_close(seen.theta_dot, here.theta_dot.float())
        assert world.divergence(seen, here).item() < 1e-10
    environment.close()


def test_the_simulators_gradient():
    action = torch.tensor([[[0.3], [-0.5], [0.1]]], dtype=torch.float64, requires_grad=True)

    def total(action):
        return imagine(Pendulum(2), state(2.0, 1.0), action, None).reward.sum()

    assert torch.autograd.gradcheck(total, action)


@pytest.mark.parametrize("size", ["tiny", pytest.param("laptop", marks=pytest.mark.slow)])
def test_evaluations_are_the_candidates_that_are_scored(size):
    """Counted at the model's own score, in a decision of an agent."""
    truth = true_agent(ENV)
    for one in (one for one in contenders(size) if one.evaluations < 200):
        agent = with_planner(truth, one.config)
        score_of, counted = agent.actor.score, []

        def counting(belief, futures=None, score_of=score_of, counted=counted):
            score = score_of(belief, futures)

            def score_and_count(action):
                counted.append(action.shape[1])
                return score(action)

            return score_and_count

        agent.actor.score = counting
        agent.act(None, {"state": np.array([-1, 0, 0], np.float32)})
        assert sum(counted) == one.evaluations, one.name


def test_the_budgets_by_hand():
    budgets = {}
    for one in contenders("laptop"):
        assert one.config.planner.horizon == 12
        assert one.config.warm_start == (one.family != PLANET)
        budgets.setdefault(one.family, []).append((one.evaluations, one.gradient_evaluations))
    assert budgets[PLANET][-1] == (1000 * 10, 0)
    assert budgets["iCEM"][1] == (64 + 51 + 41 + 3 * 3 + 1, 0)
    assert budgets["gradient"][1] == (8 * 16, 8 * 16)
    assert budgets["random shooting"][0] == (31 + 1, 0)
    assert budgets["CEM + gradient"][0] == (10 * 3 + 6, 6)


def test_scores_in_chunks_are_the_same(monkeypatch):
    agent = true_agent(ENV)
    belief = state(3.0, 0.5, torch.float32)
    action = torch.rand(1, 11, 5, 1) * 2 - 1
    whole = agent.actor.score(belief)(action)
    monkeypatch.setattr(trials, "CHUNK", 4)
    torch.testing.assert_close(in_chunks(agent.actor.score)(belief)(action), whole)


@pytest.mark.slow
def test_the_simulator_predicts_exactly_and_a_planner_swings_up():
    truth = true_agent(replace(ENV, time_limit=120))
    episodes, carries = play(truth, truth.config.env, 2, seed=0)
    assert len(carries) == 60
    assert all(step.reward > -0.1 for episode in episodes for step in episode.steps[-5:])
    moments = trials.moments_of(episodes, carries, (3, 10))
    torch.testing.assert_close(moments.truth.theta_dot, moments.beliefs[-1].theta_dot)
    plans = predicted_vs_actual(truth, truth, moments, seed=0)
    assert plans["overestimation"] == pytest.approx(0, abs=1e-5)


def test_the_chosen_plan_is_the_one_executed():
    """From hanging still, the executed plan returns more than doing nothing."""
    truth = true_agent(ENV)
    still = PendulumState(torch.full((2,), torch.pi), torch.zeros(2), torch.zeros(2))
    plans = predicted_vs_actual(truth, truth, Moments([still], still), seed=0)
    nothing = imagine(Pendulum(2), still, torch.zeros(2, 12, 1), None).reward.sum() / 2
    assert plans["actual"] > float(nothing)


def test_means_over_moments_by_hand():
    plans = over_moments(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 2.0, 1.0]))
    expected = {"predicted": 2, "actual": 1, "overestimation": 1, "error": 1 / 3**0.5}
    assert plans == pytest.approx(expected)


def row(family: str, evaluations: int, mean: float) -> dict:
    return {"family": family, "evaluations": evaluations, "mean": mean, "returns": [mean - 10, mean + 10]}


def test_the_cheapest_budgets_that_reach_the_reference():
    """Within a standard error of 10, with at most an eighth of its evaluations."""
    rows = [
        row("CEM (PlaNet)", 800, -100.0),
        row("CEM (PlaNet)", 100, -120.0),
        row("iCEM", 90, -90.0),
        row("iCEM", 50, -109.0),
        row("MPPI", 100, -105.0),
        row("gradient", 101, -90.0),
        row("random shooting", 10, -111.0),
    ]
    by_name = {f"{one['family']} {one['evaluations']}": one for one in rows}
    assert list(families(by_name)) == sorted({one["family"] for one in rows})
    reached = cheapest(by_name, rows[0])
    assert [(family, one["evaluations"]) for family, one in reached.items()] == [("iCEM", 50), ("MPPI", 100)]


@pytest.mark.slow
def test_the_tiny_study_runs_and_measures_nothing_twice(run_tiny, tmp_path, monkeypatch):
    numbers, _ = run_tiny("planners")
    assert len(list(tmp_path.glob("*.png"))) == 6
    names = {one.name for one in contenders("tiny")}
    assert numbers["trained"]["rows"].keys() == numbers["true"]["rows"].keys() == names
    monkeypatch.setattr("studies.planners.run.play", None)
    assert run_tiny("planners")[0] == numbers


def test_starts_that_separate_planners_are_counted_by_hand():
    rows = [{"returns": [-120.0, -121.0, -300.0]}, {"returns": [-110.0, -180.0, -240.0]}]
    assert separating(rows) == 2
    assert separating(rows[:1]) == 0
