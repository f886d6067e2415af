"""Planner, objective and model joined into an actor, in a world with a known best action."""

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
    GradientConfig(horizon=3, steps=30, lr=0.1),
    CEMThenGradientConfig(ICEMConfig(horizon=3), GradientConfig(steps=15, lr=0.05)),
    RandomShootingConfig(horizon=1, candidates=300),
]


def line(**heads) -> KnownWorld:
    """Return a world whose state is a number that actions add to, with the highest reward at 0."""
    rewards = {"reward": lambda features: -features[..., 0].square()}
    return KnownWorld(AddAction(1), **(rewards | heads))


@pytest.mark.parametrize("planner", PLANNERS, ids=lambda planner: type(planner).__name__)
@pytest.mark.parametrize("warm", [True, False])
def test_the_first_action_goes_to_the_highest_reward(planner, warm):
    """From 0.4 and -0.7 it is -0.4 and 0.7. From 2.5 it is the lower bound, -1."""
    actor = PlanningActor(PlanningConfig(planner, warm_start=warm), line(), ActionSpace(1, False))
    action, plan = actor.act(AddAction.at(0.4, -0.7, 2.5), actor.initial(3), None)
    torch.testing.assert_close(action[:, 0], torch.tensor([-0.4, 0.7, -1.0]), atol=0.12, rtol=0)
    again, _ = actor.act(AddAction.at(0.4, -0.7, 2.5), actor.initial(3), None)
    assert torch.equal(action, again)
    assert plan.mean.shape == (3, planner.horizon, 1)


def test_a_plan_does_not_depend_on_other_problems():
    actor = PlanningActor(PlanningConfig(), line(), ActionSpace(1, False))
    both, _ = actor.act(AddAction.at(0.4, -0.7), actor.initial(2), None)
    alone, _ = actor.act(AddAction.at(-0.7), actor.initial(1), None)
    torch.testing.assert_close(both[1], alone[0])


def test_exploration_is_added_and_clipped():
    actor = PlanningActor(PlanningConfig(exploration=0.5), line(), ActionSpace(1, False))
    belief, start = AddAction.at(0.4, 2.5), actor.initial(2)
    plain, _ = actor.act(belief, start, None)
    explored, _ = actor.act(belief, start, ActNoise(None, None, torch.tensor([[0.2], [-3.0]])))
    torch.testing.assert_close(explored, (plain + torch.tensor([[0.1], [-1.5]])).clamp(-1, 1))


def test_rewards_count_by_their_probability():
    """Three rewards of 1 sum to 3. With a continuation or a discount of 1/2 they sum to 1 + 1/2 + 1/4."""
    states = Value(torch.zeros(2, 3, 1))
    actions = torch.zeros(2, 3, 1)
    ones, half = (lambda f, v=v: torch.full(f.shape[:-1], v) for v in (1.0, 0.5))
    assert RewardSumConfig().build(KnownWorld(AddAction(1), reward=ones), None)(states, actions).tolist() == [3, 3]
    ending = KnownWorld(AddAction(1), reward=ones, continuation=half)
    assert RewardSumConfig().build(ending, None)(states, actions).tolist() == [1.75, 1.75]
    assert RewardSumConfig(gamma=0.5).build(KnownWorld(AddAction(1), reward=ones), None)(states, actions)[0] == 1.75


def test_the_value_bootstraps_the_return():
    """Three rewards of 1 and a value of 10, discounted by 1/2, sum to 1 + 1/2 + 1/4 + 10/8."""
    states, actions = Value(torch.zeros(2, 3, 1)), torch.zeros(2, 3, 1)
    ones, half = (lambda f, v=v: torch.full(f.shape[:-1], v) for v in (1.0, 0.5))
    value = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(value.bias, 10.0)
    objective = RewardAndValueConfig(gamma=0.5)
    assert objective.build(KnownWorld(AddAction(1), reward=ones), value)(states, actions).tolist() == [3, 3]
    ending = KnownWorld(AddAction(1), reward=ones, continuation=half)
    score = objective.build(ending, value)(states, actions)
    assert score.tolist() == [1 + 1 / 4 + 1 / 16 + 10 / 64] * 2
    with pytest.raises(UserError, match="learned no value"):
        objective.build(ending, None)


@pytest.mark.parametrize("similarity", ["distance", "cosine", "dot"])
@pytest.mark.parametrize("steps", ["end", "all"])
def test_a_plan_towards_a_goal(similarity, steps):
    """The world has two dimensions. One goal is within reach, the other is not."""
    model = KnownWorld(AddAction(2))
    goal = torch.tensor([[0.5, -0.3], [-4.0, 4.0]])
    objective = GoalConfig(similarity, steps).towards(model, goal)
    states = Value(torch.tensor([[[1.0, 2.0], [0.0, 2.0]]]).expand(6, -1, -1))
    score = objective(states, torch.zeros(6, 2, 2))
    functions = {"distance": lambda s, g: -(s - g).square().sum(), "dot": lambda s, g: s @ g}
    functions["cosine"] = lambda s, g: s @ g / s.norm() / g.norm()
    for problem in (0, 1):
        each = [functions[similarity](state, goal[problem]) for state in states.value[0]]
        expected = each[-1] if steps == "end" else sum(each)
        torch.testing.assert_close(score[3 * problem : 3 * problem + 3], expected.expand(3))
    planner = ICEMConfig(horizon=2, candidates=100, iterations=8).build(ActionSpace(2, False))
    noise = planner.noise(2, torch.Generator().manual_seed(0))
    planner_score = score_of(model, objective)(Value(torch.tensor([[0.1, 0.1], [0.1, 0.1]])))
    plan = planner(planner_score, planner.start(2, torch.device("cpu")), noise)
    assert plan.action[1, 0] < -0.5
    assert plan.action[1, 1] > 0.5
    if similarity == "distance":
        end = 0.1 + plan.elites[0, 0].sum(0)
        torch.testing.assert_close(end, goal[0], atol=0.15, rtol=0)


def test_a_score_is_the_mean_over_sampled_futures():
    """The world adds its noise, which all candidates share."""
    futures = torch.randn(2, 5, 3, 1, generator=torch.Generator().manual_seed(0))
    action = 2 * torch.rand(2, 4, 3, 1, generator=torch.Generator().manual_seed(1)) - 1
    model = line()
    score = score_of(model, RewardSumConfig().build(model, None))(AddAction.at(0.4, -0.7), futures)(action)
    for problem, start in enumerate((0.4, -0.7)):
        for candidate in range(4):
            steps = action[problem, candidate, :, 0] + futures[problem, :, :, 0]
            expected = -(start + steps.cumsum(-1)).square().sum(-1).mean()
            torch.testing.assert_close(score[problem, candidate], expected)


def test_the_noise_of_an_actor_has_that_of_sampled_futures():
    actor = PlanningActor(PlanningConfig(num_samples=5), line(), ActionSpace(1, False))
    belief, start = AddAction.at(0.4, 0.4), actor.initial(2)
    same, _ = actor.act(belief, start, None)
    torch.testing.assert_close(same[0], same[1])
    noise, _ = actor.noise(2, torch.Generator().manual_seed(0))
    assert noise.samples.shape == (2, 5, 12, 1)
    sampled, _ = actor.act(belief, start, ActNoise(None, noise, None))
    assert not torch.equal(sampled[0], sampled[1])


def test_a_planning_agent_acts_saves_and_loads(tmp_path):
    world = spec(image=16, vector=2, action=2)
    torch.manual_seed(0)
    agent = agents.build(AgentConfig(world, model_config(), PlanningConfig(), EnvConfig()))
    batch = random_batch(world)
    obs = {name: value[:, 0].numpy() for name, value in batch.obs.items()}
    carry, action = agent.act(None, obs)
    assert action.shape == (3, 2)
    agent.save(tmp_path)
    loaded = reverie.load(tmp_path, "cpu")
    assert loaded.config.actor == PlanningConfig()
    torch.testing.assert_close(loaded.act(None, obs)[1], action)
    restarted, _ = agent.act(carry, obs, batch.is_first.new_tensor([True, False, True]))
    fresh, _ = agent.act(None, obs)
    kept, _ = agent.act(carry, obs)
    for name in ("mean", "std", "elites"):
        actual, new, old = (getattr(one.actor_state, name) for one in (restarted, fresh, kept))
        torch.testing.assert_close(actual[0], new[0])
        torch.testing.assert_close(actual[1], old[1])
    assert not torch.equal(restarted.actor_state.mean[1], fresh.actor_state.mean[1])


def test_impossible_plans_are_errors():
    with pytest.raises(UserError, match="add a reward signal"):
        PlanningActor(PlanningConfig(), KnownWorld(AddAction(1)), ActionSpace(1, False))


@pytest.mark.slow
@pytest.mark.parametrize("world", ["Slide", "SquareSteps"])
def test_a_planning_run_trains_and_resumes(world, tmp_path):
    """The run has no learner. Resuming it after its end changes nothing. The actions of the second are discrete."""
    from small_run import config

    plans = PlanningConfig(ICEMConfig(horizon=3, candidates=16, elites=4))
    small = replace(config(world), behavior=plans)
    folder = reverie.train(small, tmp_path / "run", evaluate=False)
    assert reverie.load(folder, "cpu").config.actor == plans
    assert reverie.resume(folder, evaluate=False) == folder
