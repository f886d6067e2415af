"""DeepMind Control (Tassa et al. 2018): the suite's tasks, as published agents see them.

An episode is dm_control's: its substeps, its limit of 1000 frames. A discount of 0 is terminal (`is_terminal`), the
time limit is not. `reset(seed)` starts the very episode that `suite.load(..., task_kwargs={"random": seed})` starts, so
published seeds mean the same here.
"""

import importlib.util
import logging
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from reverie.envs.base import EnvConfig
from reverie.envs.conversions import refuse_settings, to_vector
from reverie.envs.gymnasium import GymEnvironment
from reverie.envs.gymnasium_registry import load
from reverie.envs.mujoco_rendering import FastCamera, RenderCamera, StockCamera, choose_gl, require_gl
from reverie.errors import UserError, nearest


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


class DMCEnvironment(GymEnvironment):
    """One task of the DeepMind Control suite, `dm_control/<domain>-<task>-v0`.

    Observations by name: `pixels` is the camera's image, `state` all of the task's numbers as one vector in the task's
    order. Single ones have dm_control's keys (`position`, `velocity`, ...). `config.time_limit`, in frames, can only
    shorten an episode.

    Raises UserError for a missing extra or OpenGL, an unknown task, observation or camera.
    """

    def __init__(self, config: EnvConfig) -> None:
        task = parse_id(config.id)
        refuse_settings(config, "kwargs")
        require_gl() if "pixels" in config.observe else choose_gl()
        suite_task = _SuiteTask(task, config)
        keys = [name for name in suite_task.observation_space if name != "state"]
        observe = [name for word in config.observe for name in (keys if word == "all" else [word])]
        super().__init__(replace(config, observe=tuple(observe)), suite_task)

    def render(self) -> np.ndarray:
        """Draw the present frame, (240, 320, 3), as dm_control does, whatever `rendering` is."""
        return self.unwrapped.frame_camera.draw()


class _SuiteTask:
    """A task of the suite with Gymnasium's methods. `render` draws what the agent observes."""

    render_mode = "rgb_array"

    def __init__(self, task: Task, config: EnvConfig) -> None:
        self.unwrapped, self.env = self, _load(task, config.id)
        self.physics, self.frames = self.env.physics, 0
        self.number = task.camera if config.camera is None else config.camera
        count = self.physics.model.ncam
        if not -1 <= self.number < count:
            raise UserError(f"{config.id} has cameras 0 to {count - 1}, and -1 moves freely: set --env.camera.")
        own = round(self.env._step_limit, 6)  # dm_control has it nowhere else; infinite for a few tasks
        self.limit = config.time_limit or own
        if self.limit == float("inf"):
            raise UserError(f"{config.id} has no time limit: give one in frames with --env.time_limit 1000.")
        if self.limit > own:
            raise UserError(f"{config.id} ends after {own:g} frames: --env.time_limit can only shorten it.")
        self.camera: StockCamera | FastCamera
        size = config.image_size
        if "pixels" in config.observe and config.rendering == "fast":
            self.camera = FastCamera(self.physics, self.number, size, task.grid)
        elif "pixels" in config.observe:
            self.camera = StockCamera(self.physics, self.number, size, size)
        spaces = load().spaces
        shapes = {name: (int(np.prod(part.shape)),) for name, part in self.env.observation_spec().items()}
        shapes["state"] = (sum(size for (size,) in shapes.values()),)
        self.observation_space = spaces.Dict([(name, spaces.Box(-np.inf, np.inf, shapes[name])) for name in shapes])
        action = self.env.action_spec()
        low, high = (np.broadcast_to(end, action.shape).astype(float) for end in (action.minimum, action.maximum))
        self.action_space = spaces.Box(low, high, dtype=np.float64)

    def reset(self, seed: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        self.env.task.random.seed(seed)
        self.frames = 0
        return _add_state(self.env.reset()), {}

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        timestep = self.env.step(action)
        self.frames += 1
        terminal = timestep.last() and timestep.discount == 0
        return _add_state(timestep), timestep.reward, terminal, timestep.last() or self.frames >= self.limit, {}

    def render(self) -> np.ndarray:
        return self.camera.draw()

    @cached_property
    def frame_camera(self) -> RenderCamera:
        require_gl()
        return RenderCamera(self.physics, self.number)

    def close(self) -> None:
        if "frame_camera" in vars(self):
            self.frame_camera.close()
            del self.frame_camera
        self.env.close()


def _add_state(timestep: Any) -> dict[str, np.ndarray]:
    """Return the observations in the normal form, with all of them in one vector as `state`."""
    parts = {name: to_vector(part) for name, part in timestep.observation.items()}
    return {**parts, "state": np.concatenate(list(parts.values()))}


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
