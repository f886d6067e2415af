"""Worlds that count, so that every number an adapter makes of them can be foretold.

Frame n of an episode gives the reward n. Importing this module registers the ids, as `module:Env-v0` asks.
"""

import os
import signal
from typing import ClassVar

import cv2
import gymnasium
import numpy as np
from gymnasium import spaces

from reverie.envs import EnvConfig, Step, make
from reverie.envs.conversions import uniform_actions
from reverie.errors import UserError
from reverie.spaces import EnvSpec

END = 7


class Counting(gymnasium.Env):
    """Observes [frames so far, the action it got (2)], always in the same buffer; terminates at frame `END`."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 10.0]), dtype=np.float64)
    end = END

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.buffer = np.zeros(3)
        self.drawn = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.start = self.np_random.integers(100)
        self.buffer[:] = 0
        return self.buffer, {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.buffer[:] = self.buffer[0] + 1, *np.ravel(action)[:2]
        return self.buffer, self.buffer[0], bool(self.buffer[0] == self.end), False, {}

    def render(self):
        self.drawn += 1
        return np.full((20, 30, 3), 10 * self.buffer[0], np.uint8)


class Endless(Counting):
    end = -1


class Blind(Counting):
    metadata: ClassVar = {"render_modes": []}

    def render(self):
        raise NotImplementedError


class Choices(gymnasium.Env):
    """Discrete actions from 5 on, and one observation of every kind."""

    metadata: ClassVar = {"render_modes": []}
    action_space = spaces.Discrete(3, start=5)
    observation_space = spaces.Dict(
        camera=spaces.Box(0, 255, (10, 20), np.uint8),
        chosen=spaces.Discrete(3, start=5),
        inner=spaces.Dict(matrix=spaces.Box(-9, 9, (2, 2), np.float64)),
        planes=spaces.Box(0, 255, (4, 8, 8), np.uint8),
    )
    render_mode = None

    def _observed(self, chosen):
        planes = np.stack([np.full((8, 8), value, np.uint8) for value in (1, 2, 3, 4)])
        camera = np.zeros((10, 20), np.uint8)
        camera[:, 10:] = 200
        return {
            "camera": camera,
            "chosen": chosen,
            "inner": {"matrix": np.arange(4.0).reshape(2, 2)},
            "planes": planes,
        }

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observed(5), {}

    def step(self, action):
        return self._observed(action), 0.0, False, False, {}


class Whole(Counting):
    """A matrix of whole-number actions."""

    action_space = spaces.Box(0, 10, (1, 2), np.int64)


class Unbounded(Counting):
    action_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)


class Stacked(Choices):
    observation_space = spaces.Box(0, 255, (4, 8, 8, 3), np.uint8)


class Many(Choices):
    action_space = spaces.MultiDiscrete([2, 2])


class Legal(Counting):
    """Legal is what its first number has grown to so far: [n / 10, 10 or 0]."""

    def reverie_sample_actions(self, count, rng):
        return np.stack([np.full(count, self.buffer[0] / 10), 10.0 * rng.integers(2, size=count)], axis=1)


class Chess(Counting):
    """Its `legal_actions` is a method of its own, which knows nothing of Reverie."""

    def legal_actions(self):
        return ["e4", "d4"]


class Odd(Choices):
    """Of its three choices 5, 6, 7 only 5 and 7 are legal."""

    def reverie_sample_actions(self, count, rng):
        return 5 + 2 * rng.integers(2, size=count)


gymnasium.register("Counting-v0", Counting, max_episode_steps=100)
gymnasium.register("Endless-v0", Endless)
for world in (Blind, Choices, Legal, Chess, Odd, Whole, Unbounded, Stacked, Many):
    gymnasium.register(f"{world.__name__}-v0", world, max_episode_steps=100)


class Perilous:
    """The counting world in a worker: the action's first number decides what happens to its process."""

    def __init__(self, config: EnvConfig):
        self._world = make(config)

    @property
    def spec(self) -> EnvSpec:
        return self._world.spec

    def sample_actions(self, count: int, seed: int) -> np.ndarray:
        if seed == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return uniform_actions(self.spec.action, count, np.random.default_rng(seed))

    def reset(self, seed: int) -> Step:
        return self._world.reset(seed)

    def step(self, action: np.ndarray) -> Step:
        if action[0] == 1.0:
            os.kill(os.getpid(), signal.SIGKILL)
        if action[0] == 0.5:
            raise ZeroDivisionError("the world is flat")
        return self._world.step(action)

    def render(self) -> np.ndarray:
        return self._world.render()

    def close(self) -> None:
        self._world.close()


class Threads(Perilous):
    """Observes how many threads its process may use."""

    def reset(self, seed: int) -> Step:
        threads = [cv2.getNumThreads(), int(os.environ["OMP_NUM_THREADS"]), int(os.environ["LP_NUM_THREADS"])]
        return Step({"state": np.array(threads, np.float32)}, 0.0, True, False, False)


def make_stillborn(config: EnvConfig) -> Perilous:
    os.kill(os.getpid(), signal.SIGKILL)
    return Perilous(config)


def make_refused(config: EnvConfig) -> Perilous:
    raise UserError("This world needs a ticket: buy one.")
