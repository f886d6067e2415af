"""Small worlds for tests of the training loop, as `worlds:Id-v0`. Importing this module registers the ids."""

import os
from typing import ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces


class Slide(gymnasium.Env):
    """A white column on a 16x16 image; the action moves it, the reward is less the farther it is from the middle.

    Episodes start anywhere and are cut after 20 frames; one that leaves the image ends early.
    """

    metadata: ClassVar = {"render_modes": ["rgb_array"]}
    observation_space = spaces.Dict(
        {"picture": spaces.Box(0, 255, (16, 16, 3), np.uint8), "place": spaces.Box(-np.inf, np.inf, (1,), np.float32)}
    )
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, render_mode=None) -> None:
        self.render_mode = render_mode

    def observe(self) -> dict:
        picture = np.zeros((16, 16, 3), np.uint8)
        picture[:, int(np.clip(round(self.place), 0, 15))] = 255
        return {"picture": picture, "place": np.array([self.place], np.float32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(4, 12)
        return self.observe(), {}

    def step(self, action):
        self.place += float(action[0]) + 0.1 * self.np_random.normal()
        reward = 1 - abs(self.place - 8) / 8
        return self.observe(), reward, not 0 <= self.place <= 15, False, {}

    def render(self):
        return self.observe()["picture"]


class Poisoned(Slide):
    """Its fifth episode has a reward that is no number."""

    episodes = 0

    def reset(self, *, seed=None, options=None):
        Poisoned.episodes += 1
        return super().reset(seed=seed)

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, float("nan") if Poisoned.episodes > 4 else reward, *rest


class Pushed(Slide):
    """What is worth trying in it is to move right, from where it is: 0.1 to 0.2, and its place / 100 more."""

    def legal_actions(self, count, rng):
        return (rng.uniform(0.1, 0.2, (count, 1)) + self.place / 100).astype(np.float32)


class Deadly(Slide):
    """Its process dies at the fifth step."""

    def step(self, action):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 5:
            os._exit(1)
        return super().step(action)


for world in (Slide, Poisoned, Pushed, Deadly):
    gymnasium.register(f"{world.__name__}-v0", f"worlds:{world.__name__}", max_episode_steps=20)
