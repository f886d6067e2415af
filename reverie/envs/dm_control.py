"""DeepMind Control (Tassa et al. 2018): the suite's tasks, as published agents see them.

An episode is dm_control's: its substeps, its limit of 1000 frames. A discount of 0 is terminal (`is_terminal`), the
time limit is not. `reset(seed)` starts the very episode that `suite.load(..., task_kwargs={"random": seed})` starts, so
published seeds mean the same here.
"""

import importlib.util
import logging
import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from reverie.envs.base import EnvConfig, Obs, Step
from reverie.envs.conversions import (
    check_action,
    no_episode_error,
    refuse_settings,
    scale_action,
    select_observations,
    to_vector,
)
from reverie.envs.mujoco_rendering import FastCamera, RenderCamera, StockCamera, choose_gl, require_gl
from reverie.errors import UserError, nearest
from reverie.spaces import ActionSpace, EnvSpec, Space


@dataclass(frozen=True)
class Task:
    """One task, as it was played in Dreamer's tables (Hafner et al. 2020)."""

    domain: str
    task: str
    grid: tuple[int, int] = (1, 1)
    """Rows and columns that `fast` draws for each pixel, where a part is thinner than that."""
    repeat: ClassVar = 2

    @property
    def id(self) -> str:
        return f"dm_control/{self.domain}-{self.task}-v0"

    @property
    def camera(self) -> int:
        return 2 if self.domain == "quadruped" else 0


RAIL, STRING = (2, 1), (2, 2)
_TASKS = (
    Task("acrobot", "swingup"),
    *(Task("cartpole", task, RAIL) for task in ("balance", "balance_sparse", "swingup", "swingup_sparse")),
    Task("cheetah", "run"),
    Task("ball_in_cup", "catch", STRING),
    *(Task("finger", task) for task in ("spin", "turn_easy", "turn_hard")),
    *(Task("hopper", task) for task in ("hop", "stand")),
    Task("pendulum", "swingup"),
    *(Task("quadruped", task) for task in ("run", "walk")),
    *(Task("reacher", task) for task in ("easy", "hard")),
    *(Task("walker", task) for task in ("run", "stand", "walk")),
)
PUBLISHED_TASKS = {f"{task.domain.replace('ball_in_cup', 'cup')}_{task.task}": task for task in _TASKS}
"""The 20 tasks of Dreamer's tables, by their names there."""

_INSTALLED = all(importlib.util.find_spec(name) for name in ("mujoco", "dm_control"))
LABEL = "dm_control" if _INSTALLED else "dm_control (not installed: pip install 'reverie[dmc]')"


def matches(env_id: str) -> bool:
    return env_id.startswith("dm_control/")


def ids() -> list[str]:
    """Return every task of the suite, or the published ones where the extra is missing."""
    if not _INSTALLED:
        return [task.id for task in PUBLISHED_TASKS.values()]
    choose_gl()  # importing the suite fixes the choice
    return [f"dm_control/{domain}-{task}-v0" for domain, task in _suite().ALL_TASKS]


class DMCEnvironment:
    """One task of the DeepMind Control suite, `dm_control/<domain>-<task>-v0`.

    Observations by name: `pixels` is the camera's image, `state` all of the task's numbers as one vector in the task's
    order. Single ones have dm_control's keys (`position`, `velocity`, ...). `config.time_limit`, in frames, can only
    shorten an episode.

    Raises UserError for a missing extra or OpenGL, an unknown task, observation or camera.
    """

    def __init__(self, config: EnvConfig) -> None:
        self._task, self._config = parse_id(config.id), config
        refuse_settings(config, "kwargs")
        require_gl() if "pixels" in config.observe else choose_gl()
        self._env = _load(self._task, config.id)
        self._physics = self._env.physics
        self._render_camera: RenderCamera | None = None
        self._running = False
        try:
            self._camera_number = self._choose_camera()
            self._limit = self._choose_limit()
            own = {name: int(np.prod(part.shape)) for name, part in self._env.observation_spec().items()}
            self._observed = select_observations(config.observe, own, [*own, "state", "pixels"], config.id)
            self._camera = self._make_camera() if "pixels" in self._observed else None
        except BaseException:
            self.close()
            raise
        sizes = own | {"state": sum(own.values())}
        obs = {name: Space((sizes[name],), "float32") for name in self._observed if name != "pixels"}
        if self._camera is not None:
            obs["pixels"] = Space((config.image_size, config.image_size, 3), "uint8")
        action = self._env.action_spec()
        self._low, self._high = (np.broadcast_to(end, action.shape) for end in (action.minimum, action.maximum))
        self.spec = EnvSpec(obs, ActionSpace(int(np.prod(action.shape)), discrete=False), config.repeat)

    def reset(self, seed: int) -> Step:
        self._env.task.random.seed(int(seed))
        timestep = self._env.reset()
        self._running, self._frames = True, 0
        return Step(self._normal(timestep.observation), 0.0, is_first=True, is_last=False, is_terminal=False)

    def step(self, action: np.ndarray) -> Step:
        if not self._running:
            raise no_episode_error()
        own_action = scale_action(check_action(action, self.spec.action), self._low, self._high)
        reward = 0.0
        for _ in range(self._config.repeat):
            timestep = self._env.step(own_action)
            reward += float(timestep.reward)
            self._frames += 1
            if timestep.last() or self._frames >= self._limit:
                self._running = False
                break
        terminal = timestep.last() and timestep.discount == 0
        return Step(self._normal(timestep.observation), reward, False, not self._running, terminal)

    def render(self) -> np.ndarray:
        """Draw the present frame, (240, 320, 3), as dm_control does, whatever `rendering` is."""
        if self._render_camera is None:
            require_gl()
            self._render_camera = RenderCamera(self._physics, self._camera_number)
        return self._render_camera.draw()

    def close(self) -> None:
        if self._render_camera is not None:
            self._render_camera.close()
            self._render_camera = None
        self._env.close()

    def _normal(self, observation: dict[str, Any]) -> Obs:
        """Return the observation in the normal form, with the image drawn now."""
        obs = {}
        for name in self._observed:
            if name == "pixels" and self._camera is not None:
                obs[name] = self._camera.draw()
            elif name == "state":
                obs[name] = np.concatenate([to_vector(part) for part in observation.values()])
            else:
                obs[name] = to_vector(observation[name])
        return obs

    def _make_camera(self) -> StockCamera | FastCamera:
        size = self._config.image_size
        if self._config.rendering == "fast":
            return FastCamera(self._physics, self._camera_number, size, self._task.grid)
        return StockCamera(self._physics, self._camera_number, size, size)

    def _choose_camera(self) -> int:
        camera, count = self._config.camera, self._physics.model.ncam
        camera = self._task.camera if camera is None else camera
        if not -1 <= camera < count:
            raise UserError(f"{self._config.id} has cameras 0 to {count - 1}, and -1 moves freely: set --env.camera.")
        return camera

    def _choose_limit(self) -> float:
        """Return the frames of an episode."""
        own = round(self._env._step_limit, 6)  # dm_control has it nowhere else; infinite for a few tasks
        limit = self._config.time_limit
        if limit is None and own == float("inf"):
            raise UserError(f"{self._config.id} has no time limit: give one in frames with --env.time_limit 1000.")
        if limit is not None and limit > own:
            raise UserError(f"{self._config.id} ends after {own:g} frames: --env.time_limit can only shorten it.")
        return own if limit is None else limit


def parse_id(env_id: str) -> Task:
    """Return the task of an id. The names in the tables (`dm_control/cup_catch`) are accepted too.

    The other tasks have not been checked for thin parts, so `fast` draws them at twice the size.
    """
    name = env_id.removeprefix("dm_control/").removesuffix("-v0")
    if name in PUBLISHED_TASKS:
        return PUBLISHED_TASKS[name]
    match = re.fullmatch(r"(\w+)-(\w+)", name)
    if match is None:
        raise UserError(f"{env_id!r} is not of the form dm_control/<domain>-<task>-v0.{nearest(env_id, ids())}")
    domain, task = match.groups()
    published = f"{domain.replace('ball_in_cup', 'cup')}_{task}"
    return PUBLISHED_TASKS.get(published, Task(domain, task, grid=(2, 2)))


def _suite() -> Any:
    """Import dm_control's suite when first needed (1.5 s). `choose_gl` must have been called."""
    if not _INSTALLED:
        raise UserError("DeepMind Control needs mujoco and dm_control: pip install 'reverie[dmc]'.")
    try:
        from dm_control import suite
    except (ImportError, RuntimeError, AttributeError) as error:  # how its OpenGL loaders fail
        raise UserError(
            f"DeepMind Control cannot be imported ({error}): mind MUJOCO_GL (egl, osmesa or glfw) and the"
            " packages libegl1 libgl1-mesa-dri libopengl0."
        ) from error
    return suite


def _load(task: Task, env_id: str) -> Any:
    suite = _suite()
    if (task.domain, task.task) not in suite.ALL_TASKS:
        raise UserError(f"DeepMind Control has no task {env_id!r}.{nearest(env_id, ids())} `reverie envs` lists them.")
    logging.getLogger("absl").addFilter(_is_of_use)  # adding it again changes nothing
    return suite.load(task.domain, task.task, task_kwargs={"random": 0})


def _is_of_use(record: logging.LogRecord) -> bool:
    """Return False for MuJoCo's remark that dm_control's cheetah uses `settotalmass`, which no user can change."""
    return "settotalmass" not in record.getMessage()
