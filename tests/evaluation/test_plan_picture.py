"""Plans in the world model of a tiny run. Each number is computed a second time, by other means."""

from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pytest
import small_run
import torch
from mocks import behavior_config, model_config, random_batch, spec

import reverie
from reverie import tree
from reverie.agents import agent as agents
from reverie.agents.agent import Agent, AgentConfig
from reverie.data.episodes import Episode
from reverie.envs import make
from reverie.envs.base import EnvConfig, Step
from reverie.errors import UserError
from reverie.evaluation import plan_picture
from reverie.evaluation.returns import Evaluation, Moment, evaluate
from reverie.planning.actor import PlanningConfig, score_of
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.planning.gradient import CEMThenGradientConfig, GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.objectives import RewardAndValueConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.runs import checkpoint
from reverie.runs.online import load_value

MOMENT = 3
ICEM = ICEMConfig(horizon=4, candidates=16, elites=4)
COUNTS = {
    CEMConfig(horizon=4, candidates=16, elites=4, iterations=3): 3 * 16,
    ICEM: 16 + 1 + 13 + 1 + 10 + 2,
    MPPIConfig(horizon=4, candidates=16, iterations=2): 2 * 16,
    GradientConfig(horizon=4, starts=3, steps=5): 3 * 6,
    RandomShootingConfig(horizon=4, candidates=16): 17,
    CEMThenGradientConfig(ICEM, GradientConfig(steps=2)): (16 + 1 + 13 + 1 + 10 + 2) + 3,
}
"""The number of candidates that each planner scores."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return reverie.train(small_run.config(), tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def agent():
    """The agent of that run before its first update: the numbers below do not depend on training."""
    torch.manual_seed(0)
    run = small_run.config()
    with closing(make(run.env)) as environment:
        seen = environment.spec
    return agents.build(AgentConfig(seen, run.model, run.behavior.actor, run.env))


def play(agent: Agent, moment: int = MOMENT) -> Evaluation:
    return evaluate(agent, agent.config.env, episodes=1, seed=0, moment=moment)


@pytest.fixture(scope="module")
def chooser():
    """An agent with random weights that sees the state of CartPole and chooses one of two actions."""
    torch.manual_seed(0)
    env = EnvConfig("CartPole-v1", observe=("state",))
    seen = spec(0, vector=4, action=2, discrete=True)
    return agents.build(AgentConfig(seen, model_config(), behavior_config().actor, env))


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize(
    ("planner", "num_samples"),
    [*((planner, 0) for planner in COUNTS), (ICEM, 2)],
    ids=lambda value: type(value).__name__ if value in COUNTS else f"{value} samples",
)
def test_the_record_is_the_executed_search(agent, chooser, planner, num_samples, discrete, tmp_path):
    agent = chooser if discrete else agent
    planning = reverie.with_planner(agent, PlanningConfig(planner, num_samples=num_samples))
    result = play(planning)
    plans = plan_picture.record(planning, result)
    assert plans.action.shape == (COUNTS[planner], 4, 1 + discrete)
    if discrete:
        assert set(np.unique(plans.action)) == {0, 1}
        assert (plans.action.sum(-1) == 1).all()
        assert plan_picture.draw(tmp_path / "plans.png", plans, plan_picture.title(planning, plans)).exists()
    np.testing.assert_array_equal(plans.executed_action[0], result.episodes[0].actions[MOMENT])

    noise = planning.actor.fixed_noise(1, torch.device("cpu")).samples
    objective = planning.config.actor.objective.build(agent.model, None)
    score = score_of(agent.model, objective)(result.moment.belief, noise)
    scale = agent.model.signals["reward"].scale
    expected = score(torch.from_numpy(plans.action)[None])[0].detach() / scale
    torch.testing.assert_close(torch.from_numpy(plans.score), expected)
    expected = score(torch.from_numpy(plans.executed_action)[None, None]).item() / scale
    assert plans.executed_score == pytest.approx(expected, rel=1e-4)

    if not isinstance(planner, CEMConfig | MPPIConfig):  # these execute a mean, which they do not score
        assert (plans.action == plans.executed_action).all((1, 2)).any()


def test_step_h_is_the_environment_h_decisions_later(agent):
    planning = reverie.with_planner(agent, PlanningConfig(ICEM))
    result = play(planning)
    steps = result.episodes[0].steps
    plans = plan_picture.record(planning, result)
    assert plans.real_reward.tolist() == pytest.approx([step.reward for step in steps[MOMENT + 1 : MOMENT + 5]])
    (name,) = [name for name, space in agent.config.spec.obs.items() if space.is_image]
    np.testing.assert_array_equal(plans.real_frames, [step.obs[name] for step in steps[MOMENT : MOMENT + 5]])

    dynamics, heads, state = agent.model.dynamics, agent.model.signals, result.moment.belief
    for h, action in enumerate(plans.executed_action):
        state = dynamics.predict(state, torch.from_numpy(action)[None], None)
        features = dynamics.features(state)
        expected = heads["reward"].predict_reward(features).item() / heads["reward"].scale
        assert plans.executed_reward[h] == pytest.approx(expected, rel=1e-4)
        frame = agent.model.normalize.invert(heads["reconstruction"].decode(features))[name][0]
        np.testing.assert_allclose(plans.executed_frames[h], frame.detach().numpy(), atol=0.51)


def test_near_the_end_the_real_frames_are_fewer(agent, tmp_path):
    planning = reverie.with_planner(agent, PlanningConfig(ICEM))
    last = len(play(planning).episodes[0].actions) - 1
    plans = plan_picture.record(planning, play(planning, last))
    assert (len(plans.real_reward), len(plans.real_frames), len(plans.executed_reward)) == (1, 2, 4)
    assert "the real return over 1 is" in plan_picture.sentence(plans)
    assert cv2.imread(str(plan_picture.draw(tmp_path / "plans.png", plans, "title"))).std() > 0
    with pytest.raises(UserError, match=f"there is no moment {last + 1}, take 0 to {last}"):
        play(planning, last + 1)


def test_another_planner_shares_the_model_and_does_not_change_the_agent(agent):
    before = {name: x.clone() for name, x in agent.state_dict().items()}
    actor, config = agent.actor, agent.config
    planning = reverie.with_planner(agent, PlanningConfig(ICEM))
    result = play(planning)
    plan_picture.record(planning, result)
    assert (agent.actor, agent.config) == (actor, config)
    assert planning.model is agent.model
    assert planning.config.actor == PlanningConfig(ICEM)
    after = agent.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], x) for name, x in before.items())
    again = play(planning)
    for one, other in zip(result.episodes[0].actions, again.episodes[0].actions):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_load_value_reads_the_weights_of_the_learner(folder, agent):
    value = load_value(folder, agent)
    saved = checkpoint.newest(folder / "checkpoints")["learner"]
    weights = value.state_dict()
    assert weights
    assert all(torch.equal(x, saved[f"value.{name}"]) for name, x in weights.items())


@pytest.mark.slow
def test_planning_by_reward_and_value_adds_the_value(folder, agent):
    value = load_value(folder, agent)
    planning = reverie.with_planner(agent, PlanningConfig(ICEM, RewardAndValueConfig(gamma=1.0)), value)
    result = play(planning)
    plans = plan_picture.record(planning, result)
    state, alive, total = result.moment.belief, 1.0, 0.0
    heads = agent.model.signals
    for action in plans.executed_action:
        state = agent.model.dynamics.predict(state, torch.from_numpy(action)[None], None)
        features = agent.model.dynamics.features(state)
        total += alive * heads["reward"].predict_reward(features).item()
        alive *= heads["continuation"].predict_continuation(features).item() if "continuation" in heads else 1.0
    total += alive * value(features).item()
    assert plans.executed_score == pytest.approx(total / heads["reward"].scale, rel=1e-3)


@pytest.mark.slow
def test_a_run_without_checkpoints_is_an_error(folder, agent, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(UserError, match=r"has no checkpoint.*take --objective RewardSum"):
        load_value(tmp_path, agent)


def test_a_policy_has_no_plans(agent):
    with pytest.raises(UserError, match="name a planner"):
        plan_picture.record(agent, play(agent))


@pytest.mark.parametrize("blind", ["sees no image", "decodes none"])
def test_without_images_only_rewards_are_drawn(blind, tmp_path):
    torch.manual_seed(0)
    seen, config = (spec(0, vector=2), model_config()) if blind == "sees no image" else (spec(16), model_config())
    if blind == "decodes none":
        left = {name: part for name, part in config.signals.items() if name != "reconstruction"}
        config = replace(config, signals=left, weights=dict.fromkeys(left, 1.0))
    agent = agents.build(AgentConfig(seen, config, behavior_config().actor, EnvConfig()))
    planning = reverie.with_planner(agent, PlanningConfig(ICEM))
    batch = random_batch(seen, batch=1)
    obs = [{name: x[0, t].numpy() for name, x in batch.obs.items()} for t in range(3)]
    carry, action = planning.act(None, obs[0])
    steps = [Step(obs[t], float(t), t == 0, t == 2, False) for t in range(3)]
    moment = Moment(0, tree.detach(carry.belief), planning.actor.initial(1))
    plans = plan_picture.record(planning, Evaluation([3.0], [2], [Episode(0, steps, [action, action])], moment))
    assert plans.real_frames is None
    assert plans.real_reward.tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(plans.executed_action[0], action)
    assert cv2.imread(str(plan_picture.draw(tmp_path / "plans.png", plans, "title"))).std() > 0
