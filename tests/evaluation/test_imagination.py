from dataclasses import replace

import numpy as np
import pytest
import torch
from mocks import behavior_config, model_config, spec

from reverie.agents import agent as agents
from reverie.agents.agent import AgentConfig
from reverie.data.episodes import Episode
from reverie.envs.base import EnvConfig, Step
from reverie.evaluation.dream import draw, dream, sentence
from reverie.evaluation.imagination import films, imagine_episode, most_eventful
from reverie.planning.actor import PlanningConfig


def make_agent(image_size: int = 16) -> agents.Agent:
    torch.manual_seed(0)
    return agents.build(AgentConfig(spec(image_size), model_config(), behavior_config().actor, EnvConfig())).eval()


def episode_of(images: np.ndarray, action_size: int, reward: float = 0.0) -> Episode:
    last = len(images) - 1
    steps = [Step({"pixels": image}, reward * t, t == 0, t == last, False) for t, image in enumerate(images)]
    return Episode(0, steps, [np.zeros(action_size, np.float32)] * last)


@pytest.mark.parametrize(("length", "context", "imagined"), [(60, 5, 45), (10, 5, 5), (6, 3, 3), (2, 1, 1)])
def test_the_context_is_at_most_half_of_a_short_episode(length, context, imagined):
    agent = make_agent()
    images = np.random.default_rng(0).integers(0, 256, (length, 16, 16, 3), dtype=np.uint8)
    episode = episode_of(images, agent.config.spec.action.size)
    loop = imagine_episode(agent, episode)
    assert (loop.context, len(loop.real)) == (context, context + imagined)
    assert len(loop.model_error) == imagined
    np.testing.assert_array_equal(films(agent, episode)["open_loop"][:, :16], images[: context + imagined])


def test_the_most_eventful_episode_is_a_long_one_in_which_most_moves():
    still = np.zeros((60, 16, 16, 3), np.uint8)
    moving = still.copy()
    moving[30:] = 200
    short = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    late = still.copy()
    late[55:] = 255  # after everything that is imagined
    episodes = [episode_of(images, 1) for images in (still, short, moving, late)]
    assert most_eventful(episodes, "pixels") is episodes[2]


def test_a_dream_is_what_the_policy_does_in_the_model(tmp_path):
    """An obvious version: the agent's own steps, with the model's prediction in place of what it would observe."""
    agent = make_agent()
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    episode = episode_of(images, agent.config.spec.action.size, reward=1.0)
    found = dream(agent, episode, context=3, horizon=6)
    carry = None
    with torch.no_grad():
        for t in range(3):
            if carry is not None:
                carry = replace(carry, action=torch.zeros_like(carry.action))  # the episode's own actions
            carry, _ = agent.act(carry, {"pixels": torch.as_tensor(images[t : t + 1])})
        belief, rewards, frames = carry.belief, [], []
        for _ in range(6):
            action, _ = agent.actor.act(belief, None, None)
            belief = agent.model.dynamics.predict(belief, action, None)
            features = agent.model.dynamics.features(belief)
            rewards.append(float(agent.model.reward(features, in_env_units=True)))
            frames.append(agent.model.decode(features[:, None], in_env_units=True)["pixels"][0, 0].round().numpy())
    assert found.dreamed_return == pytest.approx(sum(rewards), rel=1e-5)
    assert np.abs(found.dreamed[3:].astype(float) - np.stack(frames)).max() <= 1  # of 255: batches round otherwise
    assert found.real_return == sum(range(3, 9))
    np.testing.assert_array_equal(found.real, images[:9])
    assert "6 decisions of the policy from one start: return 33.0 in the environment" in sentence(found)
    assert {path.name for path in draw(tmp_path, found).values()} == {"dream.png", "dream.mp4"}


def test_an_agent_that_plans_does_not_dream():
    agent = agents.with_planner(make_agent(), PlanningConfig())
    assert dream(agent, episode_of(np.zeros((12, 16, 16, 3), np.uint8), 1)) is None
