"""Planner, objective and model joined into an actor, in a world so simple that the best action is known."""

from dataclasses import replace

import pytest
import torch
from mocks import AddAction, KnownWorld, Value, model_config, random_batch, spec

import reverie
from reverie import agent as agents
from reverie.agent import ActNoise, AgentConfig
from reverie.envs.adapter import ActionSpace, EnvConfig
from reverie.errors import UserError
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.planning.gradient import GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.objectives import RewardSumConfig
from reverie.planning.planning_actor import PlanningActor, PlanningConfig
from reverie.planning.rank import RankConfig
from reverie.planning.refined import RefinedConfig

PLANNERS = [
    CEMConfig(horizon=3, candidates=200, elites=20),
    ICEMConfig(horizon=3, candidates=100, iterations=8),
    MPPIConfig(horizon=3, iterations=8),
    GradientConfig(horizon=3, steps=60, lr=0.05),
    RefinedConfig(ICEMConfig(horizon=3), GradientConfig(steps=30, lr=0.05)),
    RankConfig(horizon=1, candidates=300),
]


def line(**heads) -> KnownWorld:
    """The state is a number, an action is added to it, and 0 is the place to be."""
    rewards = {"reward": lambda features: -features[..., 0].square()}
    return KnownWorld(AddAction(1), **(rewards | heads))


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: type(planner).__name__)
@pytest.mark.parametrize("warm", [True, False])
def test_it_goes_where_reward_is(planner, warm):
    """From 0.4 and -0.7 the first action is -0.4 and 0.7; from 2.5 it is as far as the bounds allow."""
    actor = PlanningActor(PlanningConfig(planner, warm_start=warm), line(), ActionSpace(1, False))
    action, memory = actor.act(AddAction.at(0.4, -0.7, 2.5), actor.initial(3), None)
    torch.testing.assert_close(action[:, 0], torch.tensor([-0.4, 0.7, -1.0]), atol=0.12, rtol=0)
    again, _ = actor.act(AddAction.at(0.4, -0.7, 2.5), actor.initial(3), None)
    assert torch.equal(action, again)
    assert memory.mean.shape == (3, planner.horizon, 1)


def test_a_plan_does_not_depend_on_its_neighbours():
    actor = PlanningActor(PlanningConfig(), line(), ActionSpace(1, False))
    both, _ = actor.act(AddAction.at(0.4, -0.7), actor.initial(2), None)
    alone, _ = actor.act(AddAction.at(-0.7), actor.initial(1), None)
    torch.testing.assert_close(both[1], alone[0])


def test_exploration_is_added_and_clipped():
    actor = PlanningActor(PlanningConfig(exploration=0.5), line(), ActionSpace(1, False))
    belief, memory = AddAction.at(0.4, 2.5), actor.initial(2)
    plain, _ = actor.act(belief, memory, None)
    found, _ = actor.act(belief, memory, ActNoise(None, None, torch.tensor([[0.2], [-3.0]])))
    torch.testing.assert_close(found, (plain + torch.tensor([[0.1], [-1.5]])).clamp(-1, 1))


def test_reward_after_a_likely_end_does_not_count():
    """Rewards 1 a step; alive for sure, or with chance 1/2: 3 against 1 + 1/2 + 1/4, discounted likewise."""
    states = Value(torch.zeros(2, 3, 1))
    actions = torch.zeros(2, 3, 1)
    ones, half = (lambda f, v=v: torch.full(f.shape[:-1], v) for v in (1.0, 0.5))
    assert RewardSumConfig().build(KnownWorld(AddAction(1), reward=ones))(states, actions).tolist() == [3, 3]
    doomed = KnownWorld(AddAction(1), reward=ones, continuation=half)
    assert RewardSumConfig().build(doomed)(states, actions).tolist() == [1.75, 1.75]
    assert RewardSumConfig(gamma=0.5).build(KnownWorld(AddAction(1), reward=ones))(states, actions)[0] == 1.75


def test_gradients_of_the_score_reach_the_first_and_the_last_action():
    """Finite differences in float64."""
    actor = PlanningActor(PlanningConfig(GradientConfig(horizon=4)), line().double(), ActionSpace(1, False))
    score = actor.score(Value(torch.tensor([[0.4]], dtype=torch.float64)))
    action = torch.full((1, 1, 4, 1), 0.1, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(score(action).sum(), action)
    for t in (0, 3):
        nudge = torch.zeros_like(action)
        nudge[0, 0, t, 0] = 1e-6
        slope = (score(action + nudge) - score(action - nudge)) / 2e-6
        torch.testing.assert_close(gradient[0, 0, t, 0], slope[0, 0], rtol=1e-6, atol=1e-8)


def test_an_agent_that_plans_acts_saves_and_loads(tmp_path):
    seen = spec(image=16, vector=2, action=2)
    torch.manual_seed(0)
    agent = agents.build(AgentConfig(seen, model_config(), PlanningConfig(), EnvConfig()))
    batch = random_batch(seen)
    obs = {name: value[:, 0].numpy() for name, value in batch.obs.items()}
    carry, action = agent.act(None, obs)
    assert action.shape == (3, 2)
    agent.save(tmp_path)
    again = reverie.load(tmp_path, "cpu")
    assert again.config.actor == PlanningConfig()
    torch.testing.assert_close(again.act(None, obs)[1], action)
    restarted, _ = agent.act(carry, obs, batch.is_first.new_tensor([True, False, True]))
    fresh, _ = agent.act(None, obs)
    kept, _ = agent.act(carry, obs)
    for name in ("mean", "std", "elites"):
        found, new, old = (getattr(one.memory, name) for one in (restarted, fresh, kept))
        torch.testing.assert_close(found[0], new[0])
        torch.testing.assert_close(found[1], old[1])
    assert not torch.equal(restarted.memory.mean[1], fresh.memory.mean[1])


def test_what_cannot_be_planned_is_said():
    with pytest.raises(UserError, match="search among continuous actions"):
        PlanningActor(PlanningConfig(), line(), ActionSpace(2, True))
    with pytest.raises(UserError, match="add a reward signal"):
        PlanningActor(PlanningConfig(), KnownWorld(AddAction(1)), ActionSpace(1, False))


def test_planning_trains_a_model_by_what_it_plays(tmp_path):
    """A whole run without a learner; resuming it when it is finished changes nothing."""
    from small_run import config

    plans = PlanningConfig(ICEMConfig(horizon=3, candidates=16, elites=4))
    small = replace(config(), behavior=plans)
    folder = reverie.train(small, tmp_path / "run")
    assert reverie.load(folder, "cpu").config.actor == plans
    assert reverie.resume(folder) == folder
