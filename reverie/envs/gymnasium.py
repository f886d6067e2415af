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

from reverie.envs.base import EnvConfig, Obs, Step
from reverie.envs.conversions import (
    channels_last,
    checked_action,
    described,
    leaf,
    leaves,
    normal_action,
    over,
    resized,
    scaled_action,
    uniform_actions,
    vector,
)
from reverie.envs.mujoco_rendering import choose_gl
from reverie.errors import UserError, nearest
from reverie.spaces import ActionSpace, EnvSpec, Space

LABEL = "gymnasium"
OWN = {
    "reverie/Curtain-v0": ("reverie_worlds.curtain:Curtain", 1000),
    "reverie/Fork-v0": ("reverie_worlds.fork:Fork", 1000),
    "reverie/Rope-v0": ("reverie_worlds.rope:Rope", 20),
    "reverie/Cloth-v0": ("reverie_worlds.cloth:Cloth", 40),
}
"""Worlds that come with Reverie, with the steps of an episode, registered with Gymnasium when it is first needed."""


def matches(env_id: str) -> bool:
    """Everything that no other family claims."""
    return True


def ids() -> list[str]:
    """The registered ids that can be played here: installed, with a Box or Discrete action."""
    playable = []
    for env_id, spec in load().registry.items():
        if str(spec.entry_point).startswith("ale_py"):
            continue  # several hundred games, of which a family of its own lists the newest
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
        self._env = self._open(config)
        try:
            self._own = leaves(self._env.observation_space)
            self._observed = self._chosen(config.observe)
            self._drawn = "pixels" in self._observed and "pixels" not in self._own
            spaces = {
                name: described(self._own[name], name, config.id, config.image_size)
                for name in self._observed
                if name in self._own
            }
            if self._drawn:
                spaces["pixels"] = Space((config.image_size, config.image_size, 3), "uint8")
            self._spec = EnvSpec(spaces, _action_space(self._env.action_space, config.id), config.repeat)
        except BaseException:
            self._env.close()
            raise
        self._running = False

    def _open(self, config: EnvConfig) -> Any:
        """The Gymnasium environment that is played."""
        return _open(config)

    @property
    def spec(self) -> EnvSpec:
        return self._spec

    def reset(self, seed: int) -> Step:
        observation, _ = self._env.reset(seed=int(seed))
        self._running = True
        return Step(self._normal(observation), 0.0, is_first=True, is_last=False, is_terminal=False)

    def step(self, action: np.ndarray) -> Step:
        return self._step(action, self._config.repeat)

    def _step(self, action: np.ndarray, repeat: int) -> Step:
        """One decision, held for `repeat` steps of the environment."""
        if not self._running:
            raise over()
        own_action = self._own_action(checked_action(action, self._spec.action))
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
                normal[name] = resized(channels_last(leaf(observation, name)), self._config.image_size)
            else:
                normal[name] = vector(load().spaces.flatten(self._own[name], leaf(observation, name)))
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


def load() -> Any:
    """Gymnasium, imported when first needed (0.3 s), without pygame's greeting or its search for a screen."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    import gymnasium

    for env_id, (entry_point, steps) in OWN.items():
        if env_id not in gymnasium.registry:
            gymnasium.register(env_id, entry_point, max_episode_steps=steps)
    return gymnasium


def _open(config: EnvConfig) -> Any:
    """`gymnasium.make`, with every way in which it fails as one sentence."""
    if config.rendering != "stock" or config.camera is not None:
        raise UserError(
            f"--env.rendering and --env.camera are for DeepMind Control: leave them out, as {config.id} is"
            " drawn by Gymnasium."
        )
    gymnasium = load()
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
        settings = own_kwargs(config.kwargs) | {"disable_env_checker": True}
        if config.time_limit is not None:
            settings["max_episode_steps"] = config.time_limit
        if _draws(spec):
            settings["render_mode"] = "rgb_array"
        env = gymnasium.make(name, **settings)
    except (gymnasium.error.Error, ImportError) as error:
        raise UserError(f"{config.id} cannot be made: {error}") from error
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        if not config.kwargs:
            raise
        given = ",".join(config.kwargs)
        raise UserError(f"{config.id} does not take --env.kwargs {given}: {_first_line(error)}") from error
    if spec.max_episode_steps is None and config.time_limit is None:
        env.close()
        raise UserError(f"{config.id} has no time limit: give one in frames with --env.time_limit 1000.")
    return env


def own_kwargs(texts: tuple[str, ...]) -> dict[str, Any]:
    """`name=value` each, the value an int, a float, true, false or else a text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if not (name.isidentifier() and value):
            raise UserError(f"{text!r} in --env.kwargs is not of the form name=value.")
        if name in ("render_mode", "max_episode_steps", "disable_env_checker"):
            raise UserError(f"--env.kwargs cannot set {name}: Reverie chooses it (--env.time_limit, --env.observe).")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _draws(spec: Any) -> bool:
    """Whether an environment has the render mode rgb_array; of a function, whether it takes a render mode."""
    entry = spec.entry_point
    creator = entry if callable(entry) else load().envs.registration.load_env_creator(entry)
    if hasattr(creator, "metadata"):
        return "rgb_array" in creator.metadata.get("render_modes", [])
    return "render_mode" in inspect.signature(creator).parameters


def _action_space(space: Any, env_id: str) -> ActionSpace:
    spaces = load().spaces
    if isinstance(space, spaces.Discrete):
        return ActionSpace(int(space.n), discrete=True)
    if not isinstance(space, spaces.Box):
        raise UserError(f"{env_id} takes actions of {space}: Reverie plays Box and Discrete actions.")
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise UserError(f"{env_id} has unbounded actions: wrap it in gymnasium.wrappers.RescaleAction with bounds.")
    return ActionSpace(int(np.prod(space.shape)), discrete=False)
