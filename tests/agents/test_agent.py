"""An agent takes the observations of training and filters them as training does, in arrays or tensors."""

import numpy as np
import pytest
import torch
from mocks import behavior_config, model_config, random_batch, spec

import reverie
from reverie import tree
from reverie.agents import agent as agents
from reverie.agents.agent import Agent, AgentConfig
from reverie.envs.base import EnvConfig
from reverie.errors import UserError
from reverie.types import ActNoise

SPEC = spec(image=16, vector=2, action=2)


def make(discrete: bool = False) -> Agent:
    torch.manual_seed(0)
    seen = spec(image=16, vector=2, action=2, discrete=discrete)
    agent = agents.build(AgentConfig(seen, model_config(), behavior_config().actor, EnvConfig()))
    agent.model.normalize.calibrate(random_batch(seen, seed=9).obs)
    return agent


def observation(t: int = 0, count: int = 3) -> dict[str, np.ndarray]:
    batch = random_batch(SPEC, batch=count)
    return {name: value[:, t].numpy() for name, value in batch.obs.items()}


def test_act_takes_one_observation_or_a_batch_in_arrays_or_tensors():
    agent, obs = make(), observation()
    _, batch = agent.act(None, obs)
    assert isinstance(batch, np.ndarray)
    assert (batch.shape, batch.dtype) == ((3, 2), np.float32)
    _, single = agent.act(None, {name: value[1] for name, value in obs.items()})
    assert single.shape == (2,)
    np.testing.assert_allclose(single, batch[1], rtol=1e-5, atol=1e-6)
    _, tensor = agent.act(None, {name: torch.from_numpy(value) for name, value in obs.items()})
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_array_equal(tensor.numpy(), batch)


def test_acting_filters_as_training_does():
    """The beliefs of `act`, step by step and across the border of an episode, are the posteriors of the trace."""
    agent, batch = make(), random_batch(SPEC)
    agent.actor = RecordedActor(batch.action)
    trace = agent.model.trace(batch, None)
    carry = None
    for t in range(6):
        obs = {name: value[:, t].numpy() for name, value in batch.obs.items()}
        carry, _ = agent.act(carry, obs, batch.is_first[:, t].numpy())
        features = agent.model.dynamics.features(carry.belief)
        torch.testing.assert_close(features, trace.features[:, t], rtol=1e-5, atol=1e-5)


class RecordedActor(torch.nn.Module):
    """An actor that takes recorded actions, one after another."""

    def __init__(self, actions) -> None:
        super().__init__()
        self.actions = iter(actions.unbind(1))

    def initial(self, batch):
        return None

    def act(self, belief, memory, noise):
        return next(self.actions), None


@pytest.mark.parametrize("discrete", [False, True])
def test_state_is_a_value(discrete):
    """A carry can be used twice. Acting does not change the agent."""
    agent = make(discrete)
    noise = agent.noise(3, torch.Generator().manual_seed(0))
    carry, first = agent.act(None, observation(), noise=noise)
    before = [leaf.clone() for leaf in tree.leaves(carry)]
    once = agent.act(carry, observation(1), noise=noise)
    agent.act(None, observation(2))
    twice = agent.act(carry, observation(1), noise=noise)
    np.testing.assert_array_equal(once[1], twice[1])
    assert all(torch.equal(a, b) for a, b in zip(tree.leaves(carry), before))
    assert torch.equal(carry.action, torch.from_numpy(first))
    assert not np.array_equal(once[1], agent.act(None, observation(1), noise=noise)[1]) or discrete


def test_is_first_restarts_single_beliefs():
    agent = make()
    carry, _ = agent.act(None, observation())
    restarted, action = agent.act(carry, observation(1), np.array([False, True, False]))
    _, going_on = agent.act(carry, observation(1))
    _, fresh = agent.act(None, observation(1))
    np.testing.assert_allclose(action[1], fresh[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(action[[0, 2]], going_on[[0, 2]], rtol=1e-5, atol=1e-6)
    assert not np.allclose(going_on[1], fresh[1], atol=1e-4)
    assert restarted.action.shape == (3, 2)


def test_no_noise_gives_the_mode_and_exploration_is_optional():
    agent, obs = make(), observation()
    generator = torch.Generator().manual_seed(0)
    noise = agent.noise(3, generator)
    assert agent.noise(3, generator, explore=False).exploration is None
    _, mode = agent.act(None, obs)
    np.testing.assert_array_equal(mode, agent.act(None, obs, noise=ActNoise(None, None, None))[1])
    _, sampled = agent.act(None, obs, noise=ActNoise(None, noise.actor, None))
    _, explored = agent.act(None, obs, noise=ActNoise(None, noise.actor, noise.exploration))
    expected = (torch.from_numpy(sampled) + 0.3 * noise.exploration).clamp(-1, 1).numpy()
    np.testing.assert_allclose(explored, expected, rtol=1e-6)
    assert not np.allclose(mode, sampled)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda obs: {"pixels": obs["pixels"]}, r"lacks \['state'\]"),
        (lambda obs: obs | {"pixels": obs["pixels"] / np.float32(255)}, r"'pixels' .* uint8.* given .* float32"),
        (lambda obs: obs | {"pixels": obs["pixels"][:, :8]}, r"\(16, 16, 3\).*given \(8, 16, 3\)"),
        (lambda obs: obs | {"state": obs["state"].astype(np.float64)}, "given .* float64"),
    ],
)
def test_an_observation_that_does_not_fit_is_refused(change, says):
    """Float images above all: normalization would divide them by 255 a second time."""
    with pytest.raises(UserError, match=says):
        make().act(None, change(observation()))


@pytest.mark.parametrize("discrete", [False, True])
def test_a_loaded_agent_acts_like_the_saved_one(tmp_path, discrete):
    agent = make(discrete)
    agent.save(tmp_path)
    loaded = reverie.load(tmp_path, device="cpu")
    assert loaded.config == agent.config
    np.testing.assert_array_equal(loaded.act(None, observation())[1], agent.act(None, observation())[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.json", "agent.safetensors"]


def test_load_refuses_a_folder_without_an_agent(tmp_path):
    with pytest.raises(UserError, match="holds no trained agent"):
        reverie.load(tmp_path)
    make().save(tmp_path)
    (tmp_path / "agent.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match=r"agent\.safetensors is damaged"):
        reverie.load(tmp_path)
    (tmp_path / "agent.json").write_text("{")
    with pytest.raises(UserError, match=r"agent\.json is damaged"):
        reverie.load(tmp_path)
    (tmp_path / "agent.json").write_text("{}")
    with pytest.raises(UserError, match=r"agent\.json does not fit this version"):
        reverie.load(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests the errors without a GPU")
def test_devices_without_a_gpu():
    assert agents.choose_device("auto") == torch.device("cpu")
    with pytest.raises(UserError, match="No CUDA device"):
        agents.choose_device("cuda")
    with pytest.raises(UserError, match="not a device"):
        agents.choose_device("toaster")
