"""Vector environments of Gymnasium: three ways in which episodes begin, and the same transitions in all of them."""

from contextlib import closing

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reverie.data.collector import Collector
from reverie.envs import EnvConfig, make, make_many, vectorized
from reverie.envs.vectorized import VectorEnvironments
from reverie.errors import UserError

COUNT = 3
CONFIG = EnvConfig("vector/CartPole-v1", observe=("state",), count=COUNT)
LEFT = np.array([1, 0], np.float32)


def batch(mode):
    env = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * COUNT, autoreset_mode=mode)
    return VectorEnvironments(CONFIG, env)


@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.value)
def test_every_transition_is_one_of_the_environment(mode):
    rng, episodes, frames = np.random.default_rng(0), [], 0
    with closing(batch(mode)) as environments:
        collector = Collector(environments, seed=0)
        while len(episodes) < 12:
            episodes += collector.step(lambda obs, is_first: np.eye(2, dtype=np.float32)[rng.integers(2, size=COUNT)])
            frames += sum(collector.frames)
    physics = gymnasium.make("CartPole-v1").unwrapped
    for episode in episodes:
        assert [step.is_first for step in episode.steps] == [True] + [False] * len(episode.actions)
        assert [step.is_last for step in episode.steps] == [False] * len(episode.actions) + [True]
        assert np.abs(episode.steps[0].obs["state"]).max() <= 0.05
        assert [step.reward for step in episode.steps] == [0] + [1] * len(episode.actions)
        for before, action, after in zip(episode.steps, episode.actions, episode.steps[1:]):
            physics.reset(seed=0)
            physics.state, physics.steps_beyond_terminated = before.obs["state"].astype(float), None
            np.testing.assert_allclose(physics.step(int(action.argmax()))[0], after.obs["state"], atol=1e-4)
    unfinished = sum(len(episode.actions) for episode in collector.episodes if not episode.finished)
    assert frames == unfinished + sum(len(episode.actions) for episode in episodes), "no ignored action is a frame"


def test_a_batch_that_is_told_when_to_begin_has_the_bits_of_single_environments():
    rng = np.random.default_rng(0)
    actions = np.eye(2, dtype=np.float32)[rng.integers(2, size=(60, COUNT))]
    single = EnvConfig("CartPole-v1", observe=("state",), count=COUNT)
    played = []
    for environments in (batch(AutoresetMode.DISABLED), make_many(single)):
        with closing(environments):
            collector, choices = Collector(environments, seed=1), iter(actions)
            episodes = [one for _ in actions for one in collector.step(lambda obs, is_first, c=choices: next(c))]
            played.append([[step.obs["state"] for step in episode.steps] for episode in episodes])
    np.testing.assert_equal(*played)
    assert len(played[0]) > 3


def test_the_own_vector_environment_of_an_id_is_taken():
    with closing(make_many(CONFIG)) as environments:
        steps = environments.reset({index: 5 for index in range(COUNT)})
        assert [step.is_first for step in steps.values()] == [True] * COUNT
        assert environments.step(dict.fromkeys(range(COUNT), LEFT))[0].frames == 1
    with closing(make(EnvConfig("vector/CartPole-v1", image_size=16))) as environment:
        first = environment.reset(3)
        assert first.obs["pixels"].shape == (16, 16, 3)
        assert not environment.step(LEFT).is_first
        np.testing.assert_array_equal(environment.reset(3).obs["pixels"], first.obs["pixels"])


def test_only_what_can_be_played_is_listed():
    listed = vectorized.ids()
    assert "vector/CartPole-v1" in listed
    assert not [env_id for env_id in listed if "Dream" in env_id], "a dream needs a run"


def test_what_a_batch_cannot_do_is_a_sentence():
    with closing(batch(AutoresetMode.NEXT_STEP)) as environments:
        environments.reset({0: 0, 1: 1, 2: 2})
        with pytest.raises(UserError, match="step all of its 3 copies"):
            environments.step({0: LEFT})
        with pytest.raises(UserError, match="cannot be broken off"):
            environments.reset({1: 4})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"repeat": 2}, "take --env.repeat 1"),
        ({"workers": True}, "leave workers out"),
        ({"id": "vector/CartPole-v9"}, "CartPole-v9"),
        ({"kwargs": ("wind=1",)}, "cannot be made"),
        ({"camera": 1}, "has no settings"),
    ],
)
def test_a_wrong_setting_is_a_sentence(changed, sentence):
    settings = {"id": "vector/CartPole-v1", "observe": ("state",), "count": 2} | changed
    with pytest.raises(UserError, match=sentence):
        make_many(EnvConfig(**settings))


def test_an_environment_that_does_not_say_how_it_begins_is_refused():
    env = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")] * COUNT)
    env.metadata = {}
    with pytest.raises(UserError, match="how its episodes begin"):
        VectorEnvironments(CONFIG, env)


def test_a_vector_environment_as_an_object_is_refused_with_the_way_to_name_it():
    import reverie

    env = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")])
    with closing(env), pytest.raises(UserError, match="vector/ID"):
        reverie.make_env(env)
