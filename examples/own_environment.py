"""Your own environment, whole: an image and a vector are observed, two actions push, and Dreamer learns it.

    python examples/own_environment.py                  # check it, train at size tiny, evaluate
    python examples/own_environment.py --size laptop    # learn it, in about an hour on two cores

The same from the command line, from the folder of this file:

    reverie check-env own_environment:Magnet-v0
    reverie train dreamer_v1 --env.id own_environment:Magnet-v0 --env.observe camera,speed --env.image_size 32
"""

import argparse
from dataclasses import replace

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict

import reverie


class Magnet(gymnasium.Env):
    """Pull a ball over a table to the dark disc in the middle, by two magnets. The ball keeps its speed."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(self, render_mode: str | None = "rgb_array") -> None:
        self.render_mode = render_mode
        self.action_space = Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = Dict(
            {"camera": Box(0, 255, (32, 32, 3), np.uint8), "speed": Box(-np.inf, np.inf, (2,), np.float32)}
        )

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)  # seeds self.np_random: the same seed gives the same episode
        self.place, self.speed = self.np_random.uniform(-1, 1, 2), np.zeros(2)
        return self._observe(), {}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        self.speed = 0.9 * self.speed + 0.02 * np.asarray(action, np.float64)
        self.place = self.place + self.speed
        fell = bool(np.abs(self.place).max() > 1.2)  # from the table: this ends an episode, unlike a time limit
        return self._observe(), float(np.exp(-4 * self.place @ self.place)), fell, False, {}

    def render(self) -> np.ndarray:
        """Return the camera's image: each pixel is shaded by its distance to the ball and to the goal."""
        axis = np.linspace(-1.3, 1.3, 32)
        points = np.stack(np.meshgrid(axis, axis), -1)
        ball = np.clip(3 - np.linalg.norm(points - self.place, axis=-1) / 0.08, 0, 1)[..., None]
        goal = np.clip(3 - np.linalg.norm(points, axis=-1) / 0.12, 0, 1)[..., None]
        table = (1 - goal) * np.array([0.8, 0.8, 0.75]) + goal * np.array([0.2, 0.3, 0.4])
        return (255 * ((1 - ball) * table + ball * np.array([0.9, 0.2, 0.1]))).astype(np.uint8)

    def _observe(self) -> dict[str, np.ndarray]:
        return {"camera": self.render(), "speed": self.speed.astype(np.float32)}


gymnasium.register("Magnet-v0", entry_point=Magnet, max_episode_steps=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("tiny", "laptop"), default="tiny")
    parser.add_argument("--frames", type=int, help="environment frames in all")
    parser.add_argument("--run", help="folder of the run")
    options = parser.parse_args()
    config = reverie.recipe("dreamer_v1", options.size, "Magnet-v0")
    image_size = 16 if options.size == "tiny" else 32
    config = replace(config, env=replace(config.env, observe=("camera", "speed"), image_size=image_size))
    if options.frames is not None:
        config = replace(config, training=replace(config.training, frames=options.frames))
    folder = reverie.train(config, options.run)
    print(f"mean return {reverie.evaluate(folder, episodes=3).values['mean']:.1f}, run {folder}")


if __name__ == "__main__":
    main()
