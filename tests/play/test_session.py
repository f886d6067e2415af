"""Play: both worlds, whoever is at the wheel, back and forth."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch

from reverie.errors import UserError
from reverie.play.session import PERSON, Session
from reverie.types import Batch

RIGHT, LEFT = np.array([0.5], np.float32), np.array([-0.5], np.float32)


@pytest.fixture
def session(stage):
    with closing(Session(stage, seed=3)) as opened:
        yield opened


def features(side):
    return torch.cat([side.belief.deter, side.belief.stoch], -1)


def test_both_worlds_begin_at_the_same_belief(session):
    assert torch.equal(features(session.moment.real), features(session.moment.dream))
    assert session.moment.surprise > 0
    assert session.moment.real.total == session.moment.dream.total == 0


def test_the_real_world_is_the_environment_itself(session, stage):
    with closing(stage.make()) as environment:
        expected = [environment.reset(3), *(environment.step(action) for action in (RIGHT, RIGHT, LEFT))]
    for action in (RIGHT, RIGHT, LEFT):
        session.step(PERSON, action)
    for moment, step in zip(session.moments, expected):
        np.testing.assert_equal(moment.real.obs, step.obs)
    assert session.moment.real.total == sum(step.reward for step in expected)
    assert [moment.real.reward for moment in session.moments[1:]] == [step.reward for step in expected[1:]]


def test_the_surprise_is_the_divergence_of_the_closed_loop(session, stage):
    for action in (RIGHT, LEFT, LEFT):
        session.step(PERSON, action)
    obs = {
        name: torch.stack([torch.from_numpy(moment.real.obs[name]) for moment in session.moments])[None]
        for name in stage.dream.spec.obs
    }
    model, action = stage.dream.model, torch.tensor([[[0.5], [-0.5], [-0.5], [0.0]]])
    first = torch.tensor([[True, False, False, False]])
    trace = model.trace(Batch(obs, action, torch.zeros(1, 4), first, ~first & False, ~first & False), None)
    expected = model.dynamics.divergence(trace.posterior, trace.prior)[0]
    torch.testing.assert_close(torch.tensor([moment.surprise for moment in session.moments]), expected)
    torch.testing.assert_close(features(session.moment.real), model.dynamics.features(trace.posterior)[:, -1])


def test_the_policy_acts_on_the_real_world_as_it_would_without_a_dream(session, stage):
    for _ in range(4):
        session.step("policy")
    carry = None
    for before, after in zip(session.moments, session.moments[1:]):
        carry, action = stage.agents["policy"].act(carry, before.real.obs)
        np.testing.assert_allclose(action, after.action, atol=1e-6)


def test_in_the_dream_alone_the_policy_acts_on_the_dream(session, stage):
    session.reset("dream", "prior", 0)
    moment = session.step("policy")
    expected = stage.agents["policy"].actor.policy(features(session.moments[0].dream), None)
    torch.testing.assert_close(torch.tensor(moment.action), expected[0])
    assert moment.real is None
    assert moment.surprise is None


def test_another_future_begins_where_one_has_gone_back_to(session):
    for _ in range(4):
        session.step(PERSON, RIGHT)
    old = session.moments[:]
    session.rewind(2)
    assert session.step(PERSON, RIGHT).real.obs["place"] == old[3].real.obs["place"]
    assert torch.equal(features(session.moment.dream), features(old[3].dream))
    session.rewind(2)
    moment = session.step(PERSON, LEFT)
    assert moment.real.obs["place"] < old[3].real.obs["place"]
    assert not torch.equal(features(moment.dream), features(old[3].dream))
    assert len(session.moments) == 4


def test_sampled_noise_gives_another_future_each_time(session):
    futures = []
    for sampled in (True, True, False, False):
        session.rewind(0)
        futures.append(features(session.step(PERSON, RIGHT, sampled).dream))
    assert not torch.equal(futures[0], futures[1])
    assert torch.equal(futures[2], futures[3])


def test_the_same_seed_gives_the_same_sampled_dream(session):
    ways = []
    for _ in range(2):
        session.reset("dream", "prior", 5, sampled=True)
        ways.append(features(session.step(PERSON, RIGHT, sampled=True).dream))
    assert torch.equal(*ways)


def test_the_wheel_is_handed_over(session):
    session.step("policy")
    session.step(PERSON, LEFT)
    session.step("planner")
    first = session.moment
    session.step("planner")
    assert [moment.driver for moment in session.moments] == [PERSON, "policy", PERSON, "planner", "planner"]
    assert first.memory is not None, "the planner's next search begins at its last plan"
    with pytest.raises(UserError, match="There is no pilot here: person, policy, planner can take the wheel"):
        session.step("pilot")
    with pytest.raises(UserError, match="must give an action"):
        session.step(PERSON)
    with pytest.raises(UserError, match="not finite"):
        session.step(PERSON, np.array([np.nan], np.float32))


def test_the_candidates_are_those_of_the_executed_search(session, stage):
    session.step("planner")
    found = session.candidates()
    planner = stage.agents["planner"]
    action, _ = planner.actor.act(session.moment.real.belief, session.moment.memory, None)
    first = stage.dream.predict(stage.dream.step(session.moment.real.belief, action, None))
    assert found.executed[0] == pytest.approx(float(first.reward[0]), abs=1e-5)
    assert torch.equal(torch.from_numpy(session.step("planner").action), action[0])
    assert len(found.scores) > 8
    assert len(found.executed) == 3
    assert len(found.frames) == 3


def test_after_the_real_end_the_dream_goes_on(session):
    while not session.moment.real.over:
        session.step(PERSON, np.ones(1, np.float32))
    end = session.moment
    session.step("policy")
    assert session.moment.real is end.real
    assert session.moment.surprise is None
    assert not torch.equal(features(session.moment.dream), features(end.dream))


def test_waking_brings_the_dream_back(session):
    for _ in range(3):
        session.step(PERSON, RIGHT)
    moment = session.wake()
    assert torch.equal(features(moment.dream), features(moment.real))
    session.reset("dream", "prior", 0)
    with pytest.raises(UserError, match="beside the real world"):
        session.wake()


def test_without_an_environment_there_is_the_dream_alone(stage):
    with closing(Session(replace(stage, make=None, missing="MuJoCo is not installed."))) as session:
        assert session.starts == ["prior"]
        assert session.step("policy").real is None
        with pytest.raises(UserError, match="MuJoCo is not installed"):
            session.reset("both", "world", 0)
        with pytest.raises(UserError, match="no recorded steps"):
            session.reset("dream", "replay", 0)
        with pytest.raises(UserError, match="There is no start 'nowhere'"):
            session.reset("dream", "nowhere", 0)


def test_a_session_ends_at_its_most_moments(session, monkeypatch):
    monkeypatch.setattr("reverie.play.session.LONGEST", 3)
    session.step("policy")
    session.step("policy")
    with pytest.raises(UserError, match="3 moments at most"):
        session.step("policy")
    session.rewind(1)
    assert session.step("policy").dream.total


def test_two_sessions_do_not_disturb_each_other(stage):
    with closing(Session(stage, seed=3)) as one, closing(Session(stage, seed=3)) as other:
        for _ in range(3):
            one.step("policy")
        other.step(PERSON, LEFT)
        for _ in range(2):
            one.step("policy")
        with closing(Session(stage, seed=3)) as alone:
            for _ in range(5):
                alone.step("policy")
            assert torch.equal(features(alone.moment.dream), features(one.moment.dream))
