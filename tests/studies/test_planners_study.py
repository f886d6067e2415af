import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from reverie.cli import main
from reverie.dynamics.rollout import imagine
from reverie.envs import EnvConfig, make
from studies.planners import trials
from studies.planners.budgets import PLANET, contenders
from studies.planners.report import conclusion
from studies.planners.trials import Moments, in_parts, planned_promise, play, promise, with_planner
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


@pytest.mark.parametrize("size", ["tiny", "laptop"])
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
    found = {}
    for one in contenders("laptop"):
        assert one.config.planner.horizon == 12
        assert one.config.warm_start == (one.family != PLANET)
        found.setdefault(one.family, []).append((one.evaluations, one.climbing))
    assert found[PLANET][-1] == (1000 * 10, 0)
    assert found["iCEM"][1] == (64 + 51 + 41 + 3 * 3 + 1, 0)
    assert found["gradient"][1] == (8 * 16, 8 * 16)
    assert found["random shooting"][0] == (31 + 1, 0)
    assert found["CEM + gradient"][0] == (10 * 3 + 6, 6)


def test_scores_in_parts_are_the_same(monkeypatch):
    agent = true_agent(ENV)
    belief = state(3.0, 0.5, torch.float32)
    action = torch.rand(1, 11, 5, 1) * 2 - 1
    whole = agent.actor.score(belief)(action)
    monkeypatch.setattr(trials, "AT_ONCE", 4)
    torch.testing.assert_close(in_parts(agent.actor.score)(belief)(action), whole)


def test_the_truth_keeps_its_promises_and_a_planner_swings_up():
    truth = true_agent(replace(ENV, time_limit=120))
    episodes, carries = play(truth, truth.config.env, 2, seed=0)
    assert len(carries) == 60
    assert all(step.reward > -0.1 for episode in episodes for step in episode.steps[-5:])
    moments = trials.moments_of(episodes, carries, (3, 10))
    torch.testing.assert_close(moments.truth.theta_dot, moments.beliefs[-1].theta_dot)
    found = planned_promise(truth, truth, moments, seed=0)
    assert found.excess == pytest.approx(0, abs=1e-5)


def test_a_plan_that_is_tested_is_the_one_that_was_chosen():
    """Of a plan from hanging still, the return that came is that of its sequence, which beats doing nothing."""
    truth = true_agent(ENV)
    still = PendulumState(torch.full((2,), torch.pi), torch.zeros(2), torch.zeros(2))
    found = planned_promise(truth, truth, Moments([still], still), seed=0)
    nothing = imagine(Pendulum(2), still, torch.zeros(2, 12, 1), None).reward.sum() / 2
    assert found.came > float(nothing)


def test_promises_by_hand():
    found = promise(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 2.0, 1.0]))
    assert (found.predicted, found.came, found.excess) == pytest.approx((2, 1, 1))
    assert found.error == pytest.approx(1 / 3**0.5)


def row(family: str, evaluations: int, value: float, excess: float, milliseconds: float = 1.0) -> dict:
    return {
        "family": family,
        "evaluations": evaluations,
        "climbing": 0,
        "returns": [value - 10, value + 10],
        "mean": value,
        "std": 14.0,
        "predicted": excess - 20.0,
        "came": -20.0,
        "error": 0.5,
        "excess": excess,
        "milliseconds": milliseconds,
    }


def test_the_conclusion_follows_the_numbers():
    rows = {
        "CEM (PlaNet) 800": row("CEM (PlaNet)", 800, -100.0, 5.0, 100.0),
        "iCEM 50": row("iCEM", 50, -109.0, 0.0, 2.0),
        "MPPI 100": row("MPPI", 100, -105.0, 0.0, 1.0),
        "gradient 101": row("gradient", 101, -90.0, 0.0),
        "random shooting 10": row("random shooting", 10, -111.0, 0.0),
    }
    chance = {"predicted": -40.0, "came": -40.0, "error": 0.5, "excess": 0.0}
    world = {"rows": rows, "random": chance}
    numbers = {"reference": "CEM (PlaNet) 800", "trained": world, "true": world}
    rows["MPPI 25"] = row("MPPI", 25, -150.0, -1.0)
    said = conclusion(numbers)
    assert said.count("2 of 2 beginnings in the t") == 2
    assert "grows for 1 of 1 planners and falls for 0." in said
    assert "returns -100.0 ± 10.0 for 800 evaluations" in said
    assert "**iCEM reaches that, within the standard error, with 50**" in said
    assert "the quickest that does is MPPI with 100, in 0.010 of the time" in said
    assert "iCEM 50, MPPI 100; never with an eighth: random shooting." in said
    assert "**1 of 6 settings exploit the model's errors**" in said
    rows["iCEM 50"]["climbing"] = 20
    assert "(-109.0), which cost as much as 90; the quickest" in conclusion(numbers)
    rows["CEM (PlaNet) 800"] |= {"returns": [0.0, 0.2], "mean": 0.1, "excess": 0.9}
    said = conclusion(numbers)
    assert "**No planner reaches that with an eighth of them**: the best is MPPI with 100" in said
    assert "**No planner is seen to exploit" in said
    chance["excess"] = -9.0
    for one in rows.values():
        one["excess"] = 3.0
    assert "**Every planner exploits" in conclusion(numbers)


def test_the_study_runs_and_measures_nothing_twice(tmp_path, capsys, monkeypatch):
    line = f"study planners --size tiny --out {tmp_path / 'study'}"
    assert main.main(line.split()) == 0
    assert "PlaNet's CEM returns" in capsys.readouterr().out
    report = (tmp_path / "study" / "study.md").read_text()
    figures = sorted(path.name for path in (tmp_path / "study").glob("*.png"))
    assert figures == sorted(
        [f"return_{axis}_{name}.png" for axis in ("evaluations", "milliseconds") for name in ("trained", "true")]
        + ["promises.png", "excess.png"]
    )
    for name in figures:
        assert f"({name})" in report
    saved = tmp_path / "study" / "study.json"
    numbers = json.loads(saved.read_text())
    names = {one.name for one in contenders("tiny")}
    assert numbers["trained"]["rows"].keys() == numbers["true"]["rows"].keys() == names
    saved.unlink()
    with monkeypatch.context() as patched:
        patched.setattr("studies.planners.run.play", None)
        patched.setattr("studies.planners.report.draw", lambda out, numbers: None)
        assert main.main(line.split()) == 0
    assert json.loads(saved.read_text()) == numbers
