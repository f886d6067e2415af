"""Planner, objective and model joined into an actor, in a world so simple that the best action is known."""

from dataclasses import replace

import pytest
import torch
from mocks import AddAction, KnownWorld, Value, model_config, random_batch, spec

import reverie
from reverie.agents import agent as agents
from reverie.agents.agent import AgentConfig
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.planning.actor import PlanningActor, PlanningConfig, score_of
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.planning.gradient import CEMThenGradientConfig, GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.objectives import GoalConfig, RewardAndValueConfig, RewardSumConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.spaces import ActionSpace
from reverie.types import ActNoise

PLANNERS = [
    CEMConfig(horizon=3, candidates=200, elites=20),
    ICEMConfig(horizon=3, candidates=100, iterations=8),
    MPPIConfig(horizon=3, iterations=8),
    GradientConfig(horizon=3, steps=60, lr=0.05),
    CEMThenGradientConfig(ICEMConfig(horizon=3), GradientConfig(steps=30, lr=0.05)),
    RandomShootingConfig(horizon=1, candidates=300),
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


def test_a_plan_does_not_depend_on_its_neighbors():
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
    assert RewardSumConfig().build(KnownWorld(AddAction(1), reward=ones), None)(states, actions).tolist() == [3, 3]
    doomed = KnownWorld(AddAction(1), reward=ones, continuation=half)
    assert RewardSumConfig().build(doomed, None)(states, actions).tolist() == [1.75, 1.75]
    assert RewardSumConfig(gamma=0.5).build(KnownWorld(AddAction(1), reward=ones), None)(states, actions)[0] == 1.75


def test_value_counts_what_follows_the_horizon():
    """Rewards 1 a step, a value of 10: 1 + 1/2 + 1/4 + 10/8; with a chance of 1/2 to go on, less."""
    states, actions = Value(torch.zeros(2, 3, 1)), torch.zeros(2, 3, 1)
    ones, half = (lambda f, v=v: torch.full(f.shape[:-1], v) for v in (1.0, 0.5))
    value = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(value.bias, 10.0)
    objective = RewardAndValueConfig(gamma=0.5)
    assert objective.build(KnownWorld(AddAction(1), reward=ones), value)(states, actions).tolist() == [3, 3]
    doomed = KnownWorld(AddAction(1), reward=ones, continuation=half)
    found = objective.build(doomed, value)(states, actions)
    assert found.tolist() == [1 + 1 / 4 + 1 / 16 + 10 / 64] * 2
    with pytest.raises(UserError, match="learned no value"):
        objective.build(doomed, None)


@pytest.mark.parametrize("similarity", ["distance", "cosine", "dot"])
@pytest.mark.parametrize("steps", ["end", "all"])
def test_a_plan_towards_a_goal(similarity, steps):
    """In two dimensions, where an action is added to the state: one goal is reached, the other is walked towards."""
    model = KnownWorld(AddAction(2))
    goal = torch.tensor([[0.5, -0.3], [-4.0, 4.0]])
    objective = GoalConfig(similarity, steps).towards(model, goal)
    states = Value(torch.tensor([[[1.0, 2.0], [0.0, 2.0]]]).expand(6, -1, -1))
    found = objective(states, torch.zeros(6, 2, 2))
    given = {"distance": lambda s, g: -(s - g).square().sum(), "dot": lambda s, g: s @ g}
    given["cosine"] = lambda s, g: s @ g / s.norm() / g.norm()
    for problem in (0, 1):
        each = [given[similarity](state, goal[problem]) for state in states.value[0]]
        expected = each[-1] if steps == "end" else sum(each)
        torch.testing.assert_close(found[3 * problem : 3 * problem + 3], expected.expand(3))
    planner = ICEMConfig(horizon=2, candidates=100, iterations=8).build(2)
    noise = planner.noise(2, torch.Generator().manual_seed(0))
    score = score_of(model, objective)(Value(torch.tensor([[0.1, 0.1], [0.1, 0.1]])))
    plan = planner(score, planner.start(2, torch.device("cpu")), noise)
    assert plan.action[1, 0] < -0.5
    assert plan.action[1, 1] > 0.5
    if similarity == "distance":
        reached = 0.1 + plan.elites[0, 0].sum(0)
        torch.testing.assert_close(reached, goal[0], atol=0.15, rtol=0)


def test_a_score_is_the_mean_over_sampled_futures():
    """In a world that adds its noise: by hand, for candidates that share it."""
    futures = torch.randn(2, 5, 3, 1, generator=torch.Generator().manual_seed(0))
    action = 2 * torch.rand(2, 4, 3, 1, generator=torch.Generator().manual_seed(1)) - 1
    model = line()
    found = score_of(model, RewardSumConfig().build(model, None))(AddAction.at(0.4, -0.7), futures)(action)
    for problem, begin in enumerate((0.4, -0.7)):
        for candidate in range(4):
            steps = action[problem, candidate, :, 0] + futures[problem, :, :, 0]
            expected = -(begin + steps.cumsum(-1)).square().sum(-1).mean()
            torch.testing.assert_close(found[problem, candidate], expected)


def test_sampled_futures_are_drawn_with_the_actors_noise():
    actor = PlanningActor(PlanningConfig(num_samples=5), line(), ActionSpace(1, False))
    belief, memory = AddAction.at(0.4, 0.4), actor.initial(2)
    same, _ = actor.act(belief, memory, None)
    torch.testing.assert_close(same[0], same[1])
    noise, _ = actor.noise(2, torch.Generator().manual_seed(0))
    assert noise.samples.shape == (2, 5, 12, 1)
    drawn, _ = actor.act(belief, memory, ActNoise(None, noise, None))
    assert not torch.equal(drawn[0], drawn[1])


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
        found, new, old = (getattr(one.actor_state, name) for one in (restarted, fresh, kept))
        torch.testing.assert_close(found[0], new[0])
        torch.testing.assert_close(found[1], old[1])
    assert not torch.equal(restarted.actor_state.mean[1], fresh.actor_state.mean[1])


def test_what_cannot_be_planned_is_said():
    with pytest.raises(UserError, match="search among continuous actions"):
        PlanningActor(PlanningConfig(), line(), ActionSpace(2, True))
    with pytest.raises(UserError, match="add a reward signal"):
        PlanningActor(PlanningConfig(), KnownWorld(AddAction(1)), ActionSpace(1, False))


@pytest.mark.slow
def test_planning_trains_a_model_by_what_it_plays(tmp_path):
    """A whole run without a learner; resuming it when it is finished changes nothing."""
    from small_run import config

    plans = PlanningConfig(ICEMConfig(horizon=3, candidates=16, elites=4))
    small = replace(config(), behavior=plans)
    folder = reverie.train(small, tmp_path / "run", evaluate=False)
    assert reverie.load(folder, "cpu").config.actor == plans
    assert reverie.resume(folder, evaluate=False) == folder
