"""Acting towards goal images, in a world where an action moves a square along one axis."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mocks import KnownWorld, Value, behavior_config, spec
from PIL import Image
from torch import nn
from worlds import SquareSteps

import reverie
from reverie.agents import agent as agents
from reverie.agents.agent import Agent, AgentConfig
from reverie.envs import EnvConfig
from reverie.errors import UserError
from reverie.evaluation.goals import at_random, by_agent, by_oracle, filmstrip, goal_environment, pursue, sentences
from reverie.models.world_model import WorldModelConfig
from reverie.planning.actor import PlanningActor, PlanningConfig
from reverie.planning.objectives import GoalConfig, PixelGoalConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.runs.results import pursue_goals
from reverie.signals.reward import RewardConfig

WORLD = EnvConfig("worlds:Square-v0", image_size=16, time_limit=50)
EPISODES = 12


class Center(nn.Module):
    """Encodes an image as the center of its white pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, obs):
        white = obs["pixels"][..., 0].float()
        axis = torch.arange(16.0)
        total = white.sum((-2, -1))
        return torch.stack([(white.sum(-1) * axis).sum(-1), (white.sum(-2) * axis).sum(-1)], -1) / total[..., None]


class Mover(nn.Module):
    """Moves the square by two pixels times the action, within the image."""

    feature_size, noise_size = 2, 0

    def initial(self, batch):
        return Value(torch.zeros(batch, 2))

    def predict(self, state, action, noise):
        return Value((state.value + 2 * action).clamp(1.5, 13.5))

    def correct(self, prior, embed, noise):
        return Value(embed)

    def features(self, state):
        return state.value

    def noise(self, *shape, generator):
        return torch.zeros(*shape, 0)


class Stepper(Mover):
    """Moves the square by the step of a choice."""

    def __init__(self, steps):
        super().__init__()
        self.steps = torch.tensor(steps, dtype=torch.float)

    def predict(self, state, action, noise):
        return super().predict(state, action @ self.steps, noise)


class ExactModel(KnownWorld):
    """The exact world model: the place of the square, and its movement."""

    def __init__(self) -> None:
        super().__init__(Mover())
        self.encoder, self.action_size = Center(), 2

    def normalize(self, obs):
        return obs


class Drawing(nn.Module):
    """Decodes features to a soft square at this place."""

    def decode(self, features):
        axis = torch.arange(16.0)
        rows, columns = (torch.exp(-((axis - features[..., i, None]) ** 2) / 8) for i in (0, 1))
        return {"pixels": (255 * rows[..., :, None] * columns[..., None, :])[..., None].expand(*[-1] * 4, 3)}


def exact_agent(objective=None, planner=None, steps=None) -> Agent:
    """An agent with the exact model. `steps` (A, 2) are the movements of discrete actions."""
    planning = PlanningConfig(
        planner or RandomShootingConfig(keep_start=False), objective or GoalConfig(), warm_start=False, exploration=0.0
    )
    seen = spec(image=16, action=2 if steps is None else len(steps), discrete=steps is not None)
    config = AgentConfig(seen, WorldModelConfig(), planning, WORLD)
    model = ExactModel()
    if steps is not None:
        model.dynamics, model.action_size = Stepper(steps), len(steps)
    return Agent(config, model, PlanningActor(planning, model, seen.action))


def test_an_exact_model_reaches_the_goal_like_the_oracle_and_chance_does_not():
    oracle, agent, chance = (
        pursue(WORLD, "anywhere", player, EPISODES, 3) for player in (by_oracle, by_agent(exact_agent()), at_random)
    )
    for one in (oracle, agent, chance):
        assert one.progress.shape == (EPISODES, 5, 3)
    np.testing.assert_array_equal(oracle.progress[:, 0], chance.progress[:, 0])  # all players have the same starts
    np.testing.assert_array_equal(oracle.progress[:, 0], agent.progress[:, 0])
    ends = [one.measures()["distance"] for one in (oracle, agent, chance)]
    assert ends[0] < 0.6 * ends[2]
    assert ends[1] < ends[0] + 1.5  # images show whole pixels
    assert ends[1] < 0.7 * ends[2]
    # Every action is legal: along one axis.
    assert all((np.array(episode.actions) == 0).any(1).all() for episode in agent.episodes)


def test_choices_are_ranked_among_the_legal_ones():
    world = replace(WORLD, id="worlds:SquareSteps-v0")
    agent = exact_agent(steps=SquareSteps.steps)
    found, chance = (pursue(world, "corner", player, EPISODES, 3) for player in (by_agent(agent), at_random))
    assert found.measures()["distance"] < 0.7 * chance.measures()["distance"]
    actions = np.array([episode.actions for episode in found.episodes])
    assert (np.sort(actions) == [0, 0, 0, 0, 1]).all()
    assert not actions[..., 4].any()  # to the left, where the corner is, but never legal


def test_measures_are_means_over_episodes():
    found = pursue(WORLD, "corner", at_random, EPISODES, 0)
    measures, distance = found.measures(), found.progress[:, :, 0]
    states = np.array([[step.obs["progress"][0] for step in episode.steps] for episode in found.episodes])
    np.testing.assert_array_equal(distance, states)
    assert measures["start"] == pytest.approx(distance[:, 0].mean())
    assert measures["distance"] == pytest.approx(distance[:, 4].mean())
    assert measures["deviation"] == pytest.approx(distance[:, 4].std())
    assert measures["best"] == pytest.approx(distance.min(1).mean())
    assert measures["iou"] == 0.5
    assert measures["success"] == pytest.approx((distance[:, 4] < 1).mean())


def test_the_environment_has_the_named_goal_and_its_own_length():
    config = goal_environment(replace(WORLD, kwargs=("goal=anywhere",)), "corner", 5)
    assert config.kwargs == ("goal=corner",)
    assert (config.count, config.time_limit, config.observe) == (5, None, ("pixels", "goal", "progress"))
    found = pursue(WORLD, "corner", at_random, 3, 0)
    goal = found.episodes[0].steps[0].obs["goal"]
    assert goal[:4, :4].all()
    assert not goal[4:].any()


def test_with_goal_leaves_the_agent_without_a_goal():
    agent = exact_agent()
    obs = {"pixels": np.zeros((2, 16, 16, 3), np.uint8)}
    obs["pixels"][0, :4, :4], obs["pixels"][1, 8:12, 8:12] = 255, 255
    goal = {"pixels": obs["pixels"][::-1].copy()}
    goal_agent = reverie.with_goal(agent, goal)
    assert goal_agent.model is agent.model
    _, action = goal_agent.act(None, obs)
    assert (action[0] > 0.5).all()
    assert (action[1] < -0.5).all()
    _, alone = reverie.with_goal(agent, {"pixels": goal["pixels"][0]}).act(None, {"pixels": obs["pixels"][0]})
    assert (alone > 0.5).all()
    with pytest.raises(UserError, match="give it one"):
        agent.act(None, obs)


def test_pixels_can_be_compared_instead_of_features():
    agent = exact_agent(PixelGoalConfig("draw"))
    agent.model.signals = nn.ModuleDict({"draw": Drawing()})
    ends = [pursue(WORLD, "", player, EPISODES, 3).measures()["distance"] for player in (by_agent(agent), at_random)]
    assert ends[0] < 0.7 * ends[1]


def test_pursue_goals_writes_files_and_sentences(tmp_path):
    results = pursue_goals(tmp_path, exact_agent(), WORLD, ("corner",), 4, 0)
    found, paths = results.values["goals"], results.files
    assert set(found["corner"]) >= {"start", "distance", "deviation", "best", "iou", "success", "random"}
    assert all(path.exists() for path in paths.values())
    (sentence,) = results.sentences
    assert [sentence] == sentences(found, 4)
    assert f"{found['corner']['distance']:.2f}" in sentence


def test_a_film_strip_shows_start_and_goal(tmp_path):
    found = pursue(WORLD, "corner", at_random, 2, 0)
    picture = np.array(Image.open(filmstrip(tmp_path / "film.png", found, columns=3)))
    assert picture.shape[1] > 4 * 16
    assert picture.shape[0] >= 2 * 16


def test_agents_and_worlds_without_goals_are_errors():
    torch.manual_seed(0)
    model = WorldModelConfig(signals={"reward": RewardConfig()}, weights={"reward": 1.0})
    seen = AgentConfig(spec(image=16, vector=2), model, behavior_config().actor, WORLD)
    with pytest.raises(UserError, match="pixels alone"):
        by_agent(agents.build(seen))
    with pytest.raises(UserError, match="acts towards no goal"):
        reverie.with_goal(agents.build(replace(seen, spec=spec(image=16))), {"pixels": np.zeros((16, 16, 3), np.uint8)})
    with pytest.raises(UserError, match="was trained on 'pixels' of shape"):
        reverie.with_goal(exact_agent(), {"pixels": np.zeros((32, 32, 3), np.uint8)})
    with pytest.raises(UserError, match="goal"):
        pursue(EnvConfig("worlds:Slide-v0", observe=("picture",)), "", at_random, 2, 0)
    with pytest.raises(UserError, match="contrastive"):
        reverie.with_goal(exact_agent(GoalConfig("learned")), {"pixels": np.zeros((16, 16, 3), np.uint8)})
