"""The dream as Gymnasium's environment: one, a batch, and the real world seen through the model."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import reverie_worlds  # noqa: F401  registers the ids
from reverie.agents.agent import load
from reverie.dynamics.rollout import imagine
from reverie.envs import make
from reverie.errors import UserError
from reverie.play.dream import Dream
from reverie.play.environment import DreamVectorEnv

ROOT = Path(__file__).parents[2]
DREAM, FILTERED = "reverie/Dream-v0", "reverie/Filtered-v0"


@pytest.fixture
def endless(monkeypatch):
    """No episode of a dream terminates."""
    monkeypatch.setattr(Dream, "ends", property(lambda self: False))


@pytest.mark.parametrize(
    ("env_id", "settings"),
    [
        (DREAM, {}),
        (DREAM, {"sampled": False, "start": "prior"}),
        (DREAM, {"observe": "decoded", "render_mode": "rgb_array"}),
        (FILTERED, {}),
        (FILTERED, {"observe": "decoded"}),
    ],
)
def test_gymnasiums_checker_is_content(run, env_id, settings):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*infinity")
        env = gymnasium.make(env_id, run=run, **settings)
        check_env(env.unwrapped, skip_render_check="render_mode" not in settings)
        env.close()


def test_a_dream_is_the_models_imagination(run, endless):
    env = DreamVectorEnv(3, run, sampled=False, start="prior", horizon=5)
    model = load(run, "cpu").model
    env.reset(seed=0)
    belief, actions = env.belief, torch.linspace(-1, 1, 12).reshape(3, 4, 1)
    features = model.dynamics.features(imagine(model.dynamics, belief, actions, None)).detach()
    for step in range(4):
        observation, reward, *_ = env.step(actions[:, step].numpy())
        torch.testing.assert_close(torch.from_numpy(observation), features[:, step])
        torch.testing.assert_close(
            torch.from_numpy(reward).float(), model.reward(features[:, step], in_env_units=True).detach()
        )


def test_a_batch_equals_its_dreams_one_by_one(run, endless):
    """Without noise every dream depends on its own actions alone."""
    batch = DreamVectorEnv(4, run, sampled=False, start="prior", horizon=9)
    one = DreamVectorEnv(1, run, sampled=False, start="prior", horizon=9)
    batch.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (3, 4, 1)).astype(np.float32)
    together = [batch.step(each)[0] for each in actions]
    for index in range(4):
        one.reset(seed=0)
        for step, each in enumerate(actions):
            np.testing.assert_allclose(one.step(each[index : index + 1])[0][0], together[step][index], atol=1e-5)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_episodes_begin_anew_in_each_way(run, mode, endless):
    env = gymnasium.make_vec(DREAM, num_envs=2, horizon=4, autoreset_mode=mode, run=run)
    assert env.metadata["autoreset_mode"] is AutoresetMode(mode)
    env.reset(seed=0)
    ends, begun = [], []
    for _ in range(12):
        before = env.unwrapped.age.copy()
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert not terminated.any()
        ends.append(truncated.all())
        begun.append(bool((env.unwrapped.age == 0).all()))
        if mode == "NextStep" and begun[-1]:
            assert (before == 4).all()
            assert reward.tolist() == [0, 0], "a step that ignored its action has no reward"
        if mode == "SameStep" and ends[-1]:
            assert info["_final_obs"].all()
            assert info["final_obs"][0].shape == env.single_observation_space.shape
        if mode == "Disabled" and ends[-1]:
            with pytest.raises(UserError, match="reset_mask"):
                env.step(env.action_space.sample())
            env.reset(options={"reset_mask": np.array([True, False])})
            assert env.unwrapped.age.tolist() == [0, 4]
            env.reset(options={"reset_mask": np.array([False, True])})
    period = {"NextStep": 5, "SameStep": 4, "Disabled": 4}[mode]
    assert [number for number, end in enumerate(ends, start=1) if end] == list(range(4, 13, period))


def test_the_same_seed_gives_the_same_dreams(run):
    ways = []
    for _ in range(2):
        env = DreamVectorEnv(3, run)
        first, _ = env.reset(seed=7)
        ways.append(np.stack([first, env.step(np.zeros((3, 1), np.float32))[0]]))
    np.testing.assert_array_equal(*ways)
    assert (ways[0][0, 0] != ways[0][0, 1]).any(), "the copies begin at different recorded steps"


def test_the_filtered_world_is_what_an_agent_believes(run):
    agent = load(run, "cpu")
    env = gymnasium.make(FILTERED, run=run).unwrapped
    features, _ = env.reset(seed=3)
    real = make(agent.config.world)
    step, carry = real.reset(int(np.random.default_rng(np.random.SeedSequence(3)).integers(2**31))), None
    for _ in range(4):
        carry, action = agent.act(carry, step.obs)
        np.testing.assert_allclose(features, agent.model.dynamics.features(carry.belief)[0], atol=1e-6)
        step = real.step(action)
        features, reward, terminated, truncated, _ = env.step(action)
        assert (reward, terminated, terminated or truncated) == (step.reward, step.is_terminal, step.is_last)
    env.close()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"observe": "all"}, "take features or decoded"),
        ({"start": "middle"}, "take replay or prior"),
        ({"autoreset_mode": "never"}, "take one of NextStep, SameStep, Disabled"),
    ],
)
def test_mistakes_are_sentences(run, settings, sentence):
    with pytest.raises(UserError, match=sentence):
        DreamVectorEnv(2, run, **settings)
    with pytest.raises(UserError, match="holds no trained agent"):
        DreamVectorEnv(2, run.parent)


@pytest.mark.slow
def test_gymnasium_finds_it_without_an_import_of_reverie(run):
    code = (
        "import sys, gymnasium\n"
        "import reverie_worlds\n"
        "assert 'reverie' not in sys.modules, 'registering imports nothing'\n"
        f"env = gymnasium.make('reverie_worlds:{DREAM}', run={str(run)!r})\n"
        "env.reset(seed=0); env.step(env.action_space.sample())\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.mark.slow
def test_stable_baselines3_learns_in_the_dream(run):
    pytest.importorskip("stable_baselines3")
    command = [sys.executable, "examples/sb3_in_the_dream.py", run, "--steps", "64", "--envs", "4", "--episodes", "1"]
    paths = os.pathsep.join([str(ROOT / "tests" / "support"), *filter(None, sys.path)])
    known = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(list(map(str, command)), cwd=ROOT, env=known, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"imagined_decisions": 64' in done.stdout
