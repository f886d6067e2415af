"""Any registered Gymnasium environment, unmodified, in the normal form.

One frame is drawn for a decision, and every array that comes out is a copy. Drawing itself is Gymnasium's: of 7.4 ms
for a `Pendulum-v1` pixel step at 2.5 GHz it takes 5.7 ms.
"""

import warnings
from typing import Any

import numpy as np

from reverie.envs.base import EnvConfig, Obs, SampleActions, Step
from reverie.envs.border import check_frame, check_observation, check_reset, check_step, failure
from reverie.envs.conversions import (
    action_space,
    check_action,
    no_episode_error,
    normal_observation,
    normal_space,
    normalize_action,
    observation_part,
    observation_spaces,
    resize,
    scale_action,
    select_observations,
)
from reverie.envs.gymnasium_registry import load, open_registered
from reverie.errors import UserError
from reverie.spaces import ActionSpace, EnvSpec, Space

LABEL = "gymnasium"


def matches(env_id: str) -> bool:
    return True


def ids() -> list[str]:
    """Return the registered ids that can be played here: installed, with a Box or Discrete action."""
    playable = []
    for env_id, spec in list(load().registry.items()):
        if str(spec.entry_point).startswith("ale_py"):
            continue  # several hundred games, of which a family of its own lists the newest
        limit = None if spec.max_episode_steps else 1
        try:
            with warnings.catch_warnings():  # a deprecated environment may be listed
                warnings.simplefilter("ignore")
                GymEnvironment(EnvConfig(env_id, observe=("all",), time_limit=limit)).close()
        except UserError:
            continue
        playable.append(env_id)
    return sorted(playable)


class GymEnvironment:
    """One Gymnasium environment: `config.id`, or `env`, which is open already.

    A decision is `steps` steps of it, `config.repeat` if not given.

    Observations by name: `pixels` is the rendered frame and `state` a plain observation. A Dict has its keys,
    `outer/inner` where nested; its own key `pixels` replaces the rendered frame. uint8 arrays of two or three axes are
    images and are resized. All else becomes a float32 vector, Discrete one-hot.

    `config.time_limit`, in frames, replaces the registered limit. The environment may have a method
    `reverie_sample_actions(count, rng)`: `count` actions worth trying in the present state, as its `step` takes them,
    drawn from the NumPy generator `rng`. It then gives random interaction and the candidates of one-step planning.

    Raises UserError for an unknown id, observation or setting, and for a missing package. Also for an action space
    other than a bounded Box or Discrete, and for an episode without a time limit.
    """

    def __init__(self, config: EnvConfig, env: Any = None, steps: int | None = None) -> None:
        self._config, self._steps = config, steps or config.repeat
        self._env = open_registered(config) if env is None else env
        self._running = False
        try:
            self._own = observation_spaces(self._env.observation_space)
            self._observed = select_observations(config.observe, self._own, [*self._own, "pixels"], config.id)
            own_first = sorted(self._observed, key=lambda name: name not in self._own)
            self.spec = EnvSpec({name: self._space(name) for name in own_first}, self._action_space(), config.repeat)
        except BaseException:
            self._env.close()
            raise

    def reset(self, seed: int) -> Step:
        observation = self._begin(seed)
        self._running = True
        return Step(self._normal(observation), 0.0, is_first=True, is_last=False, is_terminal=False, frames=0)

    def _begin(self, seed: int) -> Any:
        """Begin an episode of the environment itself, and return its observation."""
        try:
            return check_reset(self._env.reset(seed=int(seed)), self._config.id)
        except UserError:
            raise
        except Exception as error:
            raise failure(error, "reset", self._config.id) from error

    def step(self, action: np.ndarray) -> Step:
        if not self._running:
            raise no_episode_error()
        action, reward, frames = check_action(action, self.spec.action), 0.0, 0
        for _ in range(self._steps):
            try:
                result = self._env.step(self._own_action(action))  # a new array each time: it may be changed there
            except Exception as error:
                raise failure(error, "step", self._config.id) from error
            observation, frame_reward, terminated, truncated = check_step(result, self._config.id)
            reward, frames = reward + frame_reward, frames + 1
            if terminated or truncated:
                self._running = False
                break
        played = frames * self._config.repeat // self._steps
        return Step(self._normal(observation), reward, False, not self._running, terminated, played)

    @property
    def longest_side(self) -> int | None:
        """The longest side of an image that is observed, before it is resized, in pixels. None without images."""
        sides = []
        for name in (name for name, space in self.spec.obs.items() if space.is_image):
            if name not in self._own:
                self._begin(seed=0)
            shape = self._own[name].shape if name in self._own else GymEnvironment.render(self).shape
            sides += sorted(shape)[-2:]
        return max(sides, default=None)

    @property
    def unwrapped(self) -> Any:
        """The environment itself, for what the contract does not have."""
        return self._env.unwrapped

    @property
    def sample_actions(self) -> SampleActions | None:
        return self._sample_actions if hasattr(self.unwrapped, "reverie_sample_actions") else None

    def _sample_actions(self, count: int, seed: int) -> np.ndarray:
        if not self._running:
            raise no_episode_error()
        actions = np.asarray(self.unwrapped.reverie_sample_actions(count, np.random.default_rng(seed)))
        if self.spec.action.discrete:
            return np.eye(self.spec.action.size, dtype=np.float32)[actions - self._env.action_space.start]
        return normalize_action(actions.reshape(count, -1), *self._bounds())

    def render(self) -> np.ndarray:
        try:
            frame = None if self._env.render_mode is None else self._env.render()
        except Exception as error:  # drawing may raise anything: a window that has gone, a missing library
            raise UserError(f"{self._config.id} cannot be drawn: render() raised {error!r}.") from error
        if self._env.render_mode is None:
            raise UserError(f"{self._config.id} cannot be drawn: it has no render mode rgb_array.")
        return check_frame(frame, self._config.id)

    def close(self) -> None:
        self._env.close()

    def _space(self, name: str) -> Space:
        """Return the normal form of an observation."""
        size = self._config.image_size
        if name in self._own:
            return normal_space(self._own[name], name, self._config.id, size)
        modes = getattr(self._env, "metadata", {}).get("render_modes", ["rgb_array"])
        if self._env.render_mode is None or "rgb_array" not in modes:  # it may draw all the same
            self._begin(seed=0)
            try:
                GymEnvironment.render(self)
            except UserError as error:
                choice = f"set --env.observe to {', '.join(self._own)}"
                raise UserError(f"{self._config.id} cannot be drawn: {choice}.") from error
        return Space((size, size, 3), "uint8")

    def _action_space(self) -> ActionSpace:
        normal = action_space(self._env.action_space, self._config.id)
        if not (normal.discrete or np.isfinite(self._bounds()).all()):
            raise UserError(
                f"{self._config.id} has unbounded actions: wrap it in gymnasium.wrappers.TransformAction with a bounded"
                " Box."
            )
        return normal

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the greatest action of a Box, float64 (A,)."""
        space = self._env.action_space
        return space.low.ravel().astype(float), space.high.ravel().astype(float)

    def _normal(self, observation: Any) -> Obs:
        """Return the observation in the normal form, with the frame drawn now."""
        obs = {}
        for name in self._observed:
            if name in self._own:
                part = observation_part(observation, name, self._config.id)
                part = check_observation(part, self._own[name], name, self._config.id)
                obs[name] = normal_observation(part, self._own[name], self.spec.obs[name])
            else:
                obs[name] = resize(GymEnvironment.render(self), self._config.image_size)
        return obs

    def _own_action(self, action: np.ndarray) -> Any:
        """Convert an action of the normal form to the environment's own."""
        space = self._env.action_space
        if self.spec.action.discrete:
            return space.start + int(action.argmax())
        scaled = scale_action(action, *self._bounds())
        if np.issubdtype(space.dtype, np.integer):
            scaled = scaled.round()
        return scaled.astype(space.dtype).reshape(space.shape)
