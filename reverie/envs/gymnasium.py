"""Any registered Gymnasium environment, unmodified, in the normal form.

The adapter asks for one rendered frame a decision and copies everything it hands out. It does not make
rendering itself faster: of a `Pendulum-v1` pixel step (5.7 ms drawing, 1.7 ms resizing at 2.5 GHz) nearly
all is Gymnasium drawing 500 x 500 pixels, and nothing of that can be left out with the same pixels.
"""

import warnings
from typing import Any

import numpy as np

from reverie.envs.base import EnvConfig, Obs, SampleActions, Step
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
    """Everything that no other family claims."""
    return True


def ids() -> list[str]:
    """The registered ids that can be played here: installed, with a Box or Discrete action."""
    playable = []
    for env_id, spec in list(load().registry.items()):
        if str(spec.entry_point).startswith("ale_py"):
            continue  # several hundred games, of which a family of its own lists the newest
        limit = None if spec.max_episode_steps else 1
        try:
            with warnings.catch_warnings():  # listing an id is no use of it, so a deprecation is not reported
                warnings.simplefilter("ignore")
                GymEnvironment(EnvConfig(env_id, observe=("all",), time_limit=limit)).close()
        except UserError:
            continue
        playable.append(env_id)
    return sorted(playable)


class GymEnvironment:
    """One Gymnasium environment: `config.id`, or one that was opened already.

    Observations by name: `pixels` is the rendered frame, `state` a plain observation, and the entries of a
    Dict go by their keys (`outer/inner` where nested; an own key named `pixels` goes before rendering).
    uint8 arrays of two or three axes are images and are resized, all else becomes a float32 vector
    (Discrete one-hot). `config.time_limit`, in frames, replaces the registered limit.

    The environment may have a method `reverie_sample_actions(count, rng)`: `count` actions worth trying in the
    present state, as its `step` takes them, all chance from the NumPy generator `rng`. Random interaction and
    candidates of one-step planning then come from it.

    Raises UserError for an unknown id, a missing dependency, an observation that is not there, an action
    space other than a bounded Box or Discrete, and an episode without any time limit.
    """

    def __init__(self, config: EnvConfig, env: Any = None) -> None:
        self._config = config
        self._env = open_registered(config) if env is None else env
        self._running = False
        try:
            self._own = observation_spaces(self._env.observation_space)
            self._observed = select_observations(config.observe, self._own, [*self._own, "pixels"], config.id)
            self._drawn = "pixels" in self._observed and "pixels" not in self._own
            self.spec = EnvSpec(self._spaces(), self._action_space(), config.repeat)
        except BaseException:
            self._env.close()
            raise

    def reset(self, seed: int) -> Step:
        observation, _ = self._env.reset(seed=int(seed))
        self._running = True
        return Step(self._normal(observation), 0.0, is_first=True, is_last=False, is_terminal=False)

    def step(self, action: np.ndarray) -> Step:
        return self._step(action, self._config.repeat)

    def _step(self, action: np.ndarray, repeat: int) -> Step:
        """Play one decision, held for `repeat` steps of the environment."""
        if not self._running:
            raise no_episode_error()
        own_action = self._own_action(check_action(action, self.spec.action))
        reward = 0.0
        for _ in range(repeat):
            observation, frame_reward, terminated, truncated, _ = self._env.step(own_action)
            reward += float(frame_reward)
            if terminated or truncated:
                self._running = False
                break
        return Step(self._normal(observation), reward, False, not self._running, bool(terminated))

    @property
    def unwrapped(self) -> Any:
        """The environment itself, for what the contract does not have."""
        return self._env.unwrapped

    @property
    def sample_actions(self) -> SampleActions | None:
        """The environment's own choice of random actions; None if it has no `reverie_sample_actions`."""
        return self._sample_actions if hasattr(self.unwrapped, "reverie_sample_actions") else None

    def _sample_actions(self, count: int, seed: int) -> np.ndarray:
        if not self._running:
            raise no_episode_error()
        actions = np.asarray(self.unwrapped.reverie_sample_actions(count, np.random.default_rng(seed)))
        space = self._env.action_space
        if self.spec.action.discrete:
            return np.eye(self.spec.action.size, dtype=np.float32)[actions - space.start]
        low, high = space.low.ravel().astype(float), space.high.ravel().astype(float)
        return normalize_action(actions.reshape(count, -1), low, high)

    def render(self) -> np.ndarray:
        if self._env.render_mode is None:
            raise UserError(f"{self._config.id} cannot be drawn: it has no render mode rgb_array.")
        return np.array(self._frame())

    def close(self) -> None:
        self._env.close()

    def _frame(self) -> np.ndarray:
        """Return the present frame, which may be the environment's own buffer."""
        return np.asarray(self._env.render(), np.uint8)

    def _spaces(self) -> dict[str, Space]:
        """Return the normal form of what is observed."""
        if self._drawn and self._env.render_mode is None:
            raise UserError(f"{self._config.id} cannot be drawn: set --env.observe to {', '.join(self._own)}.")
        size = self._config.image_size
        spaces = {
            name: normal_space(self._own[name], name, self._config.id, size)
            for name in self._observed
            if name in self._own
        }
        return spaces | ({"pixels": Space((size, size, 3), "uint8")} if self._drawn else {})

    def _action_space(self) -> ActionSpace:
        space = self._env.action_space
        normal = action_space(space, self._config.id)
        if not (normal.discrete or (np.isfinite(space.low).all() and np.isfinite(space.high).all())):
            raise UserError(
                f"{self._config.id} has unbounded actions: wrap it in gymnasium.wrappers.RescaleAction with bounds."
            )
        return normal

    def _normal(self, observation: Any) -> Obs:
        """Return what the agent sees of an observation, with the frame drawn now."""
        obs = {}
        for name in self._observed:
            if name == "pixels" and self._drawn:
                obs[name] = resize(self._frame(), self._config.image_size)
            else:
                part = observation_part(observation, name)
                obs[name] = normal_observation(part, self._own[name], self.spec.obs[name])
        return obs

    def _own_action(self, action: np.ndarray) -> Any:
        """Return an action of the normal form as the environment takes it."""
        space = self._env.action_space
        if self.spec.action.discrete:
            return space.start + int(action.argmax())
        scaled = scale_action(action, space.low.ravel().astype(float), space.high.ravel().astype(float))
        if np.issubdtype(space.dtype, np.integer):
            scaled = scaled.round()
        return scaled.astype(space.dtype).reshape(space.shape)
