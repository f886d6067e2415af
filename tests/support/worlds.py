"""Small worlds for tests of the training loop, as `worlds:Id-v0`. Importing this module registers the ids."""

import os
from pathlib import Path
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


class Aside(Slide):
    """Every episode starts at the same place, far from the middle."""

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 2.0
        return self.observe(), {}


class Buttons(Slide):
    """One button moves left, one not at all, and one right."""

    action_space = spaces.Discrete(3)

    def step(self, action):
        return super().step(np.array([action - 1.0]))


class Poisoned(Slide):
    """From its fifth episode on every reward is `poison`."""

    episodes = 0
    poison = float("nan")

    def reset(self, *, seed=None, options=None):
        Poisoned.episodes += 1
        return super().reset(seed=seed)

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, self.poison if Poisoned.episodes > 4 else reward, *rest


class Square(gymnasium.Env):
    """A goal world: a white square of 4 pixels on a 16x16 image is moved by 2 pixels at most, to where it is shown.

    Episodes last four steps. Its legal actions move along one axis only; `goal` is `corner` or `anywhere`.
    """

    metadata: ClassVar = {"render_modes": ["rgb_array"]}
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    observation_space = spaces.Dict(
        {
            "pixels": spaces.Box(0, 255, (16, 16, 3), np.uint8),
            "goal": spaces.Box(0, 255, (16, 16, 3), np.uint8),
            "state": spaces.Box(-np.inf, np.inf, (2,), np.float32),
            "progress": spaces.Box(0, np.inf, (3,), np.float32),
        }
    )

    def __init__(self, render_mode=None, goal="anywhere") -> None:
        self.render_mode, self.goal = render_mode, goal

    def picture(self, place) -> np.ndarray:
        picture = np.zeros((16, 16, 3), np.uint8)
        row, column = np.round(place).astype(int)
        picture[row : row + 4, column : column + 4] = 255
        return picture

    def distance(self, place) -> float:
        return float(np.abs(place - self.wanted).sum())

    def observe(self) -> dict:
        progress = [self.distance(self.place), 0.5, self.distance(self.place) < 1]
        return {
            "pixels": self.picture(self.place),
            "goal": self.picture(self.wanted),
            "state": self.place.astype(np.float32),
            "progress": np.array(progress, np.float32),
        }

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.wanted = self.np_random.uniform(0, 12, (2, 2))
        if self.goal == "corner":
            self.wanted = np.zeros(2)
        return self.observe(), {}

    def moved(self, action) -> np.ndarray:
        return np.clip(self.place + 2 * np.asarray(action, float), 0, 12)

    def step(self, action):
        self.place = self.moved(action)
        return self.observe(), -self.distance(self.place), False, False, {}

    def reverie_sample_actions(self, count, rng) -> np.ndarray:
        return (rng.uniform(-1, 1, (count, 1)) * np.eye(2)[rng.integers(2, size=count)]).astype(np.float32)

    def foresee(self, actions) -> np.ndarray:
        return np.array([self.distance(self.moved(action)) for action in actions])

    def render(self):
        return self.observe()["pixels"]


class SquareSteps(Square):
    """The same world with five choices, each of a step. The last, a step to the left, is never legal."""

    action_space = spaces.Discrete(5)
    steps = np.array([[1, 0], [-1, 0], [0, 1], [0, 0], [0, -1]])

    def moved(self, action) -> np.ndarray:
        return super().moved(self.steps[action])

    def reverie_sample_actions(self, count, rng) -> np.ndarray:
        return rng.integers(4, size=count)


class Pushed(Slide):
    """What is worth trying in it is to move right, from where it is: 0.1 to 0.2, and its place / 100 more."""

    def reverie_sample_actions(self, count, rng):
        return (rng.uniform(0.1, 0.2, (count, 1)) + self.place / 100).astype(np.float32)


class Deadly(Slide):
    """Its process dies at the fifth step."""

    def step(self, action):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 5:
            os._exit(1)
        return super().step(action)


class DiesOnce(Slide):
    """Its process dies at the third step, unless one has died before: the variable names the file that says so."""

    def step(self, action):
        self.steps = getattr(self, "steps", 0) + 1
        died = Path(os.environ["DIES_ONCE"])
        if self.steps == 3 and not died.exists():
            died.touch()
            os._exit(1)
        return super().step(action)


LENGTHS = dict.fromkeys((Slide, Aside, Buttons, Poisoned, Pushed, Deadly, DiesOnce), 20) | {Square: 4, SquareSteps: 4}
for world, steps in LENGTHS.items():
    gymnasium.register(f"{world.__name__}-v0", f"worlds:{world.__name__}", max_episode_steps=steps)
