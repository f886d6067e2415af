"""Any registered Gymnasium environment, unmodified, in the normal form.

The adapter asks for one rendered frame a decision and copies everything it hands out. It does not make
rendering itself faster: of a `Pendulum-v1` pixel step (5.7 ms drawing, 1.7 ms resizing at 2.5 GHz) nearly
all is Gymnasium drawing 500 x 500 pixels, and nothing of that can be left out with the same pixels.
"""

import importlib
import inspect
import os
import warnings
from typing import Any

import numpy as np

from reverie.envs.adapter import ActionSpace, EnvConfig, EnvSpec, Obs, Space, Step
from reverie.envs.normal_form import (
    checked_action,
    normal_action,
    over,
    resized,
    scaled_action,
    uniform_actions,
    vector,
)
from reverie.envs.rendering import choose_gl
from reverie.errors import UserError, nearest

LABEL = "gymnasium"
OWN = {"reverie/Curtain-v0": "reverie.envs.curtain:Curtain", "reverie/Fork-v0": "reverie.envs.fork:Fork"}
"""Worlds that come with Reverie, registered with Gymnasium when it is first needed."""


def matches(env_id: str) -> bool:
    """Everything that no other family claims."""
    return True


def ids() -> list[str]:
    """The registered ids that can be played here: installed, with a Box or Discrete action."""
    playable = []
    for env_id, spec in _gymnasium().registry.items():
        limit = None if spec.max_episode_steps else 1
        try:
            with warnings.catch_warnings():  # being listed is no time to hear that an id is deprecated
                warnings.simplefilter("ignore")
                GymEnvironment(EnvConfig(env_id, observe=("all",), time_limit=limit)).close()
        except UserError:
            continue
        playable.append(env_id)
    return sorted(playable)


class GymEnvironment:
    """One Gymnasium environment; `module:Env-v0` imports `module`, which registers the id, first.

    Observations by name: `pixels` is the rendered frame, `state` a plain observation, and the entries of a
    Dict go by their keys (`outer/inner` where nested; an own key named `pixels` goes before rendering).
    uint8 arrays of two or three axes are images and are resized, all else becomes a float32 vector
    (Discrete one-hot). `config.time_limit`, in frames, replaces the registered limit. An environment that has a
    method `legal_actions(count, rng)`, which gives `count` actions as its `step` takes them, is asked for them.

    Raises UserError for an unknown id, a missing dependency, an observation that is not there, an action
    space other than a bounded Box or Discrete, and an episode without any time limit.
    """

    def __init__(self, config: EnvConfig) -> None:
        self._config = config
        self._env = _open(config)
        try:
            self._own = _leaves(self._env.observation_space)
            self._observed = self._chosen(config.observe)
            self._drawn = "pixels" in self._observed and "pixels" not in self._own
            spaces = {name: _described(self._own[name], name, config) for name in self._observed if name in self._own}
            if self._drawn:
                spaces["pixels"] = Space((config.image_size, config.image_size, 3), "uint8")
            self._spec = EnvSpec(spaces, _action_space(self._env.action_space, config.id), config.repeat)
        except BaseException:
            self._env.close()
            raise
        self._running = False

    @property
    def spec(self) -> EnvSpec:
        return self._spec

    def reset(self, seed: int) -> Step:
        observation, _ = self._env.reset(seed=int(seed))
        self._running = True
        return Step(self._normal(observation), 0.0, is_first=True, is_last=False, is_terminal=False)

    def step(self, action: np.ndarray) -> Step:
        if not self._running:
            raise over()
        own_action = self._own_action(checked_action(action, self._spec.action))
        reward = 0.0
        for _ in range(self._config.repeat):
            observation, frame_reward, terminated, truncated, _ = self._env.step(own_action)
            reward += float(frame_reward)
            if terminated or truncated:
                self._running = False
                break
        return Step(self._normal(observation), reward, False, not self._running, bool(terminated))

    @property
    def restricts_actions(self) -> bool:
        return hasattr(self._env.unwrapped, "legal_actions")

    def legal_actions(self, count: int, seed: int) -> np.ndarray:
        if not self._running:
            raise over()
        rng = np.random.default_rng(seed)
        if not self.restricts_actions:
            return uniform_actions(self._spec.action, count, rng)
        own, space = np.asarray(self._env.unwrapped.legal_actions(count, rng)), self._env.action_space
        if self._spec.action.discrete:
            return np.eye(self._spec.action.size, dtype=np.float32)[own - space.start]
        low, high = space.low.ravel().astype(float), space.high.ravel().astype(float)
        return normal_action(own.reshape(count, -1), low, high)

    def render(self) -> np.ndarray:
        if self._env.render_mode is None:
            raise UserError(f"{self._config.id} cannot be drawn: it has no render mode rgb_array.")
        return np.array(self._frame())

    def close(self) -> None:
        self._env.close()

    def _frame(self) -> np.ndarray:
        """The present frame, which may be the environment's own buffer."""
        return np.asarray(self._env.render(), np.uint8)

    def _chosen(self, observe: tuple[str, ...]) -> list[str]:
        """The names to observe, each checked."""
        names = [name for word in observe for name in (self._own if word == "all" else [word])]
        for name in names:
            if name == "pixels" and name not in self._own:
                if self._env.render_mode is None:
                    raise UserError(f"{self._config.id} cannot be drawn: set --env.observe to {', '.join(self._own)}.")
            elif name not in self._own:
                known = [*self._own, "pixels"]
                raise UserError(
                    f"{self._config.id} has no observation {name!r}, only {', '.join(known)}:"
                    f" choose with --env.observe.{nearest(name, known)}"
                )
        if not names:
            raise UserError("Nothing is observed: name at least one of --env.observe pixels, state, all.")
        return list(dict.fromkeys(names))

    def _normal(self, observation: Any) -> Obs:
        """What the agent sees of an observation (and the frame, drawn now)."""
        normal = {}
        for name in self._observed:
            if name == "pixels" and self._drawn:
                normal[name] = resized(self._frame(), self._config.image_size)
            elif self._spec.obs[name].is_image:
                normal[name] = resized(_channels_last(_leaf(observation, name)), self._config.image_size)
            else:
                normal[name] = vector(_gymnasium().spaces.flatten(self._own[name], _leaf(observation, name)))
        return normal

    def _own_action(self, action: np.ndarray) -> Any:
        """From the normal form to what the environment takes."""
        space = self._env.action_space
        if self._spec.action.discrete:
            return space.start + int(action.argmax())
        scaled = scaled_action(action, space.low.ravel().astype(float), space.high.ravel().astype(float))
        if np.issubdtype(space.dtype, np.integer):
            scaled = scaled.round()
        return scaled.astype(space.dtype).reshape(space.shape)


def _gymnasium() -> Any:
    """Gymnasium, imported when first needed (0.3 s), without pygame's greeting or its search for a screen."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    import gymnasium

    for env_id, entry_point in OWN.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point, max_episode_steps=1000)
    return gymnasium


def _open(config: EnvConfig) -> Any:
    """`gymnasium.make`, with every way in which it fails as one sentence."""
    if config.rendering != "stock" or config.camera is not None:
        raise UserError(
            f"--env.rendering and --env.camera are for DeepMind Control: leave them out, as {config.id} is"
            " drawn by Gymnasium."
        )
    gymnasium = _gymnasium()
    module, _, name = config.id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        spec = gymnasium.spec(name)
    except ImportError as error:
        raise UserError(f"{config.id} needs the module {module!r}, which cannot be imported: {error}") from error
    except gymnasium.error.UnregisteredEnv as error:
        hint = nearest(name, gymnasium.registry)
        raise UserError(
            f"Gymnasium knows no environment {name!r}.{hint} `reverie envs` lists the ids;"
            " one of another package is written module:Env-v0."
        ) from error
    if "mujoco" in str(spec.entry_point):
        choose_gl()
    try:
        # Gymnasium's own checker warns of what `reverie check-env` names in full.
        settings: dict[str, Any] = {"disable_env_checker": True}
        if config.time_limit is not None:
            settings["max_episode_steps"] = config.time_limit
        if _draws(spec):
            settings["render_mode"] = "rgb_array"
        env = gymnasium.make(name, **settings)
    except (gymnasium.error.Error, ImportError) as error:
        raise UserError(f"{config.id} cannot be made: {error}") from error
    if spec.max_episode_steps is None and config.time_limit is None:
        env.close()
        raise UserError(f"{config.id} has no time limit: give one in frames with --env.time_limit 1000.")
    return env


def _draws(spec: Any) -> bool:
    """Whether an environment has the render mode rgb_array; of a function, whether it takes a render mode."""
    entry = spec.entry_point
    creator = entry if callable(entry) else _gymnasium().envs.registration.load_env_creator(entry)
    if hasattr(creator, "metadata"):
        return "rgb_array" in creator.metadata.get("render_modes", [])
    return "render_mode" in inspect.signature(creator).parameters


def _leaves(space: Any, prefix: str = "") -> dict[str, Any]:
    """The observation spaces by name: `state`, or a Dict's keys joined by slashes."""
    spaces = _gymnasium().spaces
    if not isinstance(space, spaces.Dict):
        return {prefix or "state": space}
    leaves: dict[str, Any] = {}
    for key, part in space.items():
        leaves |= _leaves(part, f"{prefix}/{key}" if prefix else str(key))
    return leaves


def _leaf(observation: Any, name: str) -> Any:
    """The part of an observation that `_leaves` calls `name`."""
    if isinstance(observation, dict):
        if name in observation:
            return observation[name]
        for key, part in observation.items():
            if name.startswith(f"{key}/"):
                return _leaf(part, name.removeprefix(f"{key}/"))
    return observation


def _described(space: Any, name: str, config: EnvConfig) -> Space:
    """The normal form of one observation space."""
    spaces = _gymnasium().spaces
    if isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) > 1:
        if len(space.shape) > 3:
            raise UserError(
                f"{config.id} observes {name!r} as {space.shape}, a stack of images: take the environment"
                " without frame stacking, for the model remembers by itself."
            )
        channels = _channels_last(np.empty(space.shape, np.uint8)).shape[2]
        return Space((config.image_size, config.image_size, channels), "uint8")
    if not space.is_np_flattenable:
        raise UserError(f"{config.id} observes {name!r} as {space}, which is no array: observe something else.")
    return Space((spaces.flatdim(space),), "float32")


def _channels_last(image: np.ndarray) -> np.ndarray:
    """(height, width, channels), from that, (height, width) or (channels, height, width)."""
    if image.ndim == 2:
        return image[:, :, None]
    channels_first = image.shape[0] <= 4 < image.shape[2]
    return np.moveaxis(image, 0, 2) if channels_first else image


def _action_space(space: Any, env_id: str) -> ActionSpace:
    spaces = _gymnasium().spaces
    if isinstance(space, spaces.Discrete):
        return ActionSpace(int(space.n), discrete=True)
    if not isinstance(space, spaces.Box):
        raise UserError(f"{env_id} takes actions of {space}: Reverie plays Box and Discrete actions.")
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise UserError(f"{env_id} has unbounded actions: wrap it in gymnasium.wrappers.RescaleAction with bounds.")
    return ActionSpace(int(np.prod(space.shape)), discrete=False)
