import numpy as np
import pytest
import torch
from mocks import behavior_config, model_config, spec

from reverie.agents import agent as agents
from reverie.agents.agent import AgentConfig
from reverie.data.episodes import Episode
from reverie.envs.base import EnvConfig, Step
from reverie.evaluation.imagination import films, imagine_episode


@pytest.mark.parametrize(("length", "context", "imagined"), [(60, 5, 45), (10, 5, 5), (6, 3, 3), (2, 1, 1)])
def test_the_context_is_at_most_half_of_a_short_episode(length, context, imagined):
    torch.manual_seed(0)
    seen = spec(16)
    agent = agents.build(AgentConfig(seen, model_config(), behavior_config().actor, EnvConfig()))
    images = np.random.default_rng(0).integers(0, 256, (length, 16, 16, 3), dtype=np.uint8)
    steps = [Step({"pixels": image}, 0.0, t == 0, t == length - 1, False) for t, image in enumerate(images)]
    episode = Episode(0, steps, [np.zeros(seen.action.size, np.float32)] * (length - 1))
    loop = imagine_episode(agent, episode)
    assert (loop.context, len(loop.real)) == (context, context + imagined)
    assert len(loop.model_error) == imagined
    np.testing.assert_array_equal(films(agent, episode)["open_loop"][:, :16], images[: context + imagined])
