"""Deformable objects on a table, picked up, dragged and let go towards a goal image: the base of rope and cloth.

The environment of the contrastive forward model (Yan, Vangipuram, Abbeel, Pinto 2020, Sec. 5). An action picks a pixel
and drags it by a displacement. An episode has twenty or forty actions to reach the shape in the goal image.

Departures: MuJoCo 3 bodies of our own replace MuJoCo 2's composites. The observation is drawn from above without OpenGL
(`drawing`).
"""

from abc import abstractmethod
from collections.abc import Callable
from copy import copy
from importlib import import_module
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from jaxtyping import Bool, Float, UInt8

from reverie.errors import UserError, nearest
from reverie.evaluation.ground_truth import GroundTruth
from reverie_worlds.drawing import Look, add_arrow, overlap

IMAGE = 64
"""Pixels of an observation, in height and width."""
TABLE = 0.6
"""Width and depth of the table in the picture, in meters. Walls stand at its edges."""
SUCCESS = 4 * TABLE / IMAGE
"""A mean distance to the goal below this, four pixels, counts as success."""

RANDOMIZE = ("none", "trajectory", "step")
LOOK_SPACE: dict[str, spaces.Space[Any]] = {
    "thing": spaces.Box(0.45, 1.0, (3,), np.float64),
    "table": spaces.Box(0.0, 0.4, (3,), np.float64),
    "light": spaces.Box(0.7, 1.2, (), np.float64),
    "slope": spaces.Box(-0.3, 0.3, (), np.float64),
    "grain": spaces.Box(0.0, 0.08, (), np.float64),
    "grain_seed": spaces.Discrete(2**16),
}
"""Ranges from which randomization draws the `Look` of a scene."""
Domain = dict[str, Any]
"""A sample of `Deformable.domain_space`: look and physics."""


def load_mujoco() -> Any:
    """Import MuJoCo when first needed. UserError where it is not installed."""
    try:
        return import_module("mujoco")
    except ImportError as error:
        raise UserError("Rope and cloth need MuJoCo: pip install 'reverie[rope]'.") from error


class Deformable(gymnasium.Env[Any, np.ndarray]):
    """Observes `pixels` and `goal`, uint8 (64, 64, 3), and `state`, all coordinates in meters, float32.

    An action begins with the pixel to pick at, (row, column) from -1 (top, left) to 1. The nearest point of the object
    is picked and dragged by the displacement that follows, in units of `reach`. The reward is minus the mean distance
    to the goal, in meters.

    `progress` is for evaluation, and an agent should not observe it. It has the distance to the goal (summed over
    points, in meters, the paper's measure), the overlap of the masks (0 to 1), and success (0 or 1).

    `goal` is one of `GOALS`. `randomize` draws look and physics from `domain_space` never, at each reset or at each
    step. A subclass is one object: its physics, its goals, its symmetries and its drawing.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
    GOALS: ClassVar[tuple[str, ...]]
    POINTS: ClassVar[int]
    COORDINATES: ClassVar[int]
    symmetries: ClassVar[np.ndarray]
    """`(S, n)`: orders of the points that look the same, the identity first."""
    reach: ClassVar[float]
    """Meters of a displacement of 1."""
    physics_space: ClassVar[dict[str, tuple[float, float]]]
    """Least and greatest factor of each nominal value; randomization draws between them, log-uniformly."""

    def __init__(
        self,
        render_mode: str | None = None,
        goal: str | int = "random",
        randomize: str = "none",
        render_size: int = 480,
    ) -> None:
        goal = self.check_goal(str(goal))  # 45 comes as a number from the command line
        if randomize not in RANDOMIZE:
            raise UserError(f"`randomize` is '{randomize}': take none, trajectory or step.")
        self.render_mode, self.goal_name, self.randomize, self.render_size = render_mode, goal, randomize, render_size
        self.mujoco = load_mujoco()
        self.model = self.mujoco.MjModel.from_xml_string(self.xml())
        self.nominal = copy(self.model)
        """The model without randomization."""
        self.physics = self.mujoco.MjData(self.model)
        image = spaces.Box(0, 255, (IMAGE, IMAGE, 3), np.uint8)
        most = 2 * TABLE
        state = spaces.Box(-most, most, (self.POINTS * self.COORDINATES,))
        progress = spaces.Box(np.float32(0), np.array([self.POINTS * most, 1, 1], np.float32))
        self.observation_space = spaces.Dict({"pixels": image, "goal": image, "state": state, "progress": progress})
        self.action_space = spaces.Box(-1.0, 1.0, (2 + self.COORDINATES,))
        logarithms = {name: np.log(bounds) for name, bounds in self.physics_space.items()}
        factors: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(low, high, (), np.float64) for name, (low, high) in logarithms.items()
        }
        self.domain_space = spaces.Dict(LOOK_SPACE | factors)
        self.look = Look()
        self.dragged: tuple[np.ndarray, np.ndarray] | None = None
        """Where the last action picked and where it let go, in meters, for `render`."""
        self.watch: Callable[[], None] | None = None
        """Called after every pull of an action, for videos."""
        self.set_domain(None)

    def check_goal(self, name: str) -> str:
        """Return the name of a goal. UserError unless it is one of `GOALS`."""
        if name not in self.GOALS:
            raise UserError(f"There is no goal '{name}' here.{nearest(name, self.GOALS)} Take {', '.join(self.GOALS)}.")
        return name

    # ---- what a subclass defines

    @abstractmethod
    def xml(self) -> str:
        """Return MuJoCo's model of the object. Its first bodies are the points."""

    @abstractmethod
    def place(self, name: str, rng: np.random.Generator) -> None:
        """Lay the object down at rest in the shape `name`, one of `GOALS`. Episodes start from "random"."""

    @abstractmethod
    def drag(self, point: int, displacement: Float[np.ndarray, " c"]) -> None:
        """Pick a point, drag it by meters, let go and come to rest."""

    @abstractmethod
    def set_physics(self, factors: dict[str, float]) -> None:
        """Set the quantities of `physics_space` to their nominal values times these factors."""

    @abstractmethod
    def picture(self, points: Float[np.ndarray, "n c"], look: Look, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """Draw the scene from above."""

    @abstractmethod
    def mask(self, points: Float[np.ndarray, "n c"], size: int = IMAGE) -> Bool[np.ndarray, "size size"]:
        """Return the pixels of which the object covers more than half."""

    # ---- the state of the physics

    @property
    def points(self) -> Float[np.ndarray, "n c"]:
        """The object's points, in meters. The first two coordinates are those of the table."""
        return self.physics.xpos[1 : self.POINTS + 1, : self.COORDINATES].copy()

    def lay(self, positions: np.ndarray) -> None:
        """Begin anew with these positions of MuJoCo's joints, at rest."""
        self.mujoco.mj_resetData(self.model, self.physics)
        self.physics.qpos[:] = positions
        self.mujoco.mj_forward(self.model, self.physics)

    def get_state(self) -> np.ndarray:
        """Return the whole state of the physics as one vector."""
        parts = self.mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(self.mujoco.mj_stateSize(self.model, parts))
        self.mujoco.mj_getState(self.model, self.physics, state, parts)
        return state

    def set_state(self, state: np.ndarray) -> None:
        """Restore a state from `get_state`."""
        self.mujoco.mj_setState(self.model, self.physics, state, self.mujoco.mjtState.mjSTATE_INTEGRATION)
        self.mujoco.mj_forward(self.model, self.physics)

    # ---- the episode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Start an episode. `options` may name another `goal` for it."""
        super().reset(seed=seed)
        goal = self.check_goal((options or {}).get("goal", self.goal_name))
        self.set_domain(None if self.randomize == "none" else self.sample_domain())
        self.place(goal, self.np_random)
        self.goal_points = self.points
        self.goal_image = self.picture(self.goal_points, self.look, IMAGE)
        self.goal_mask = self.mask(self.goal_points)
        self.place("random", self.np_random)
        self.dragged = None
        measures = self.measures()
        return self.observe(measures), measures

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        if self.randomize == "step":
            self.set_domain(self.sample_domain())
        action = np.clip(np.asarray(action, np.float64), -1, 1)
        point, displacement = self.pick(action[:2]), action[2:] * self.reach
        begin = self.points[point]
        self.drag(point, displacement)
        self.dragged = (begin[:2], np.clip(begin[:2] + displacement[:2], -TABLE / 2, TABLE / 2))
        measures = self.measures()
        return self.observe(measures), -measures["distance"] / self.POINTS, False, False, measures

    def observe(self, measures: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the present observation."""
        points = self.points
        return {
            "pixels": self.picture(points, self.look, IMAGE),
            "goal": self.goal_image.copy(),
            "state": points.astype(np.float32).ravel(),
            "progress": np.array([measures[name] for name in ("distance", "iou", "success")], np.float32),
        }

    def render(self) -> np.ndarray | None:
        """Draw the scene at `render_size` pixels, with an arrow along the last action's displacement."""
        if self.render_mode != "rgb_array":
            return None
        frame = self.picture(self.points, self.look, self.render_size)
        return frame if self.dragged is None else add_arrow(frame, *self.dragged, TABLE)

    # ---- acting

    def pick(self, pixel: Float[np.ndarray, " 2"]) -> int:
        """Return the index of the point nearest to (row, column), each in [-1, 1]."""
        place = np.array([pixel[1], -pixel[0]]) * TABLE / 2
        return int(np.square(self.points[:, :2] - place).sum(-1).argmin())

    def reverie_sample_actions(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "count a"]:
        """Draw actions that pick the object: a uniform pixel of its mask and a uniform displacement."""
        pixels = np.argwhere(self.mask(self.points))
        if not len(pixels):  # the object lies outside the picture: take the pixels nearest to its points
            pixels = np.clip(np.floor((self.points[:, [1, 0]] * [-1, 1] / TABLE + 0.5) * IMAGE), 0, IMAGE - 1)
        chosen = pixels[rng.integers(len(pixels), size=count)]
        pick = (chosen + 0.5) / IMAGE * 2 - 1
        return np.concatenate([pick, rng.uniform(-1, 1, (count, self.COORDINATES))], 1).astype(np.float32)

    def foresee(self, actions: Float[np.ndarray, "count a"]) -> Float[np.ndarray, " count"]:
        """Return the distance to the goal after each action, in meters. The state stays as it is."""
        state, distances = self.get_state(), []
        for action in np.asarray(actions, np.float64):
            self.drag(self.pick(action[:2]), action[2:] * self.reach)
            distances.append(self.distance(self.points, self.goal_points))
            self.set_state(state)
        return np.array(distances)

    # ---- evaluation

    def distance(self, points: Float[np.ndarray, "n c"], goal: Float[np.ndarray, "n c"]) -> float:
        """Return the `symmetric_distance` of the points to a goal, in meters."""
        return float(symmetric_distance(points, goal, self.symmetries))

    def measures(self) -> dict[str, Any]:
        """Return `distance` to the goal, summed over points in meters, `iou` of the masks, and `success`."""
        points = self.points
        distance = self.distance(points, self.goal_points)
        iou = overlap(self.mask(points), self.goal_mask)
        return {"distance": distance, "iou": iou, "success": distance / self.POINTS < SUCCESS}

    def ground_truth(self) -> GroundTruth:
        """Return the part of `state` that an image shows, for probes and distances."""
        return points_ground_truth(self.symmetries, self.POINTS)

    # ---- randomization

    def sample_domain(self) -> Domain:
        """Draw look and physics, uniform in `domain_space`, by the environment's own generator."""
        rng = self.np_random
        return {
            name: rng.uniform(space.low, space.high) if isinstance(space, spaces.Box) else int(rng.integers(2**16))
            for name, space in self.domain_space.spaces.items()
        }

    def set_domain(self, domain: Domain | None) -> None:
        """Set look and physics (logarithms of the factors). None is the nominal domain."""
        looks = {} if domain is None else {name: np.asarray(domain[name]).tolist() for name in LOOK_SPACE}
        values: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in looks.items()}
        self.look = Look(**values)
        self.set_physics({name: 1.0 if domain is None else float(np.exp(domain[name])) for name in self.physics_space})


def points_ground_truth(symmetries: np.ndarray, points: int) -> GroundTruth:
    """Return the ground truth of `state`, the coordinates of points that look the same in several orders."""

    def by_point(state: Float[np.ndarray, "N n"]) -> Float[np.ndarray, "N points c"]:
        return state.reshape(len(state), points, -1)

    return GroundTruth(
        "state",
        lambda state: invariants(by_point(state), symmetries),
        lambda state, other: symmetric_distance(by_point(state), by_point(other), symmetries),
    )


def symmetric_distance(
    points: Float[np.ndarray, "*b n c"], goal: Float[np.ndarray, "*b n c"], symmetries: np.ndarray
) -> Float[np.ndarray, "*b"]:
    """Return the distance on the table, summed over points, the least over the orders that look the same."""
    ways = goal[..., symmetries, :2]
    return np.asarray(np.linalg.norm(points[..., None, :, :2] - ways, axis=-1).sum(-1).min(-1))


def invariants(points: Float[np.ndarray, "*b n c"], symmetries: np.ndarray) -> Float[np.ndarray, "*b k"]:
    """Return the targets of probes: what an image shows of points, whose order it cannot show.

    These are the means over the orders that look the same (each once), and the second moments about the center.
    """
    planar = points[..., :2]
    mean = planar[..., symmetries, :].mean(-3)
    _, once = np.unique(np.sort(symmetries, 0), axis=1, return_index=True)
    about = planar - planar.mean(-2, keepdims=True)
    moments = np.einsum("...ni,...nj->...ij", about, about) / planar.shape[-2]
    return np.concatenate(
        [mean[..., np.sort(once), :].reshape(*points.shape[:-2], -1), moments[..., [0, 0, 1], [0, 1, 1]]], -1
    )
