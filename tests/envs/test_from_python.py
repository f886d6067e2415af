"""Environments that are given as Python code and have no id of their own."""

import numpy as np
import pytest
from counting_worlds import Counting

from reverie.envs import EnvConfig, from_python, make
from reverie.errors import UserError


def no_environment():
    return {}


@pytest.mark.parametrize(
    "env", [Counting("rgb_array"), Counting, lambda: Counting("rgb_array")], ids=["object", "class", "factory"]
)
def test_an_environment_without_an_id_is_played(env):
    config = EnvConfig(from_python.register(env), observe=("pixels", "state"), time_limit=4, image_size=8)
    environment = make(config)
    assert environment.reset(0).obs["pixels"].shape == (8, 8, 3)
    assert [environment.step(np.zeros(2, np.float32)).is_last for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("env", "settings", "sentence"),
    [
        (no_environment, {}, "python/no_environment-v0 gives no environment: its class or factory must give"),
        (Counting, {"kwargs": ("size=3",)}, "python/Counting-v0 does not take --env.kwargs size=3"),
        (Counting(), {"kwargs": ("size=3",)}, "python/Counting-v0 does not take --env.kwargs size=3"),
        (Counting(), {}, "python/Counting-v0 cannot be drawn"),
    ],
)
def test_a_mistake_is_one_sentence(env, settings, sentence):
    with pytest.raises(UserError, match=sentence):
        make(EnvConfig(from_python.register(env), time_limit=9, **settings))
