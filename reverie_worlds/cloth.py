"""A cloth on a table, `reverie/Cloth-v0`: 9 x 9 particles, picked up, carried and let fall.

The cloth is a MuJoCo flex. A soft constraint holds every edge at its length, so the sheet folds and keeps its size.
Bending has a linear spring. The air slows the particles, and the surface under them slows them much more, so a particle
that is not pulled stands still. There are no geoms: walls and table are the ends of the particles' slides. Where one
part of the cloth is over another, the lower particle is the floor of the upper one, so folds lie in layers.

Departures from Yan 2020: a flex of MuJoCo 3 instead of the cloth composite of MuJoCo 2. Viscous drag replaces friction.
Floors replace contacts, which would be the larger part of the time.

Edges are constraints that correct 0.4 of their error in a step, and bending is implicit. Both allow steps of 30 ms,
some 18 to an action; elastic edges as stiff would need 0.7 ms. Conjugate gradients need two thirds of the time of
Newton's method, with the same lengths: 14 iterations, because with 8 an edge may stretch to four times its length.
"""

from functools import lru_cache
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, UInt8

from reverie_worlds.deformable import IMAGE, TABLE, Deformable
from reverie_worlds.drawing import Canvas, Look, shade

SIDE, SPACING = 9, 0.03
"""Particles along an edge, and meters between two of them."""
PARTICLES, EDGE = SIDE * SIDE, TABLE / 2
ORDER = np.arange(PARTICLES).reshape(SIDE, SIDE)
THICKNESS = 0.004
"""Meters between two layers."""
MASS, AIR, FRICTION = 0.002, 0.006, 0.025
"""Nominal mass of a particle in kg, and its drag in N s / m, in the air and along the surface under it."""
BEND = 0.24
"""Nominal stiffness against bending, in N a meter of second difference along a row or a column."""
TIMESTEP, GRAVITY = 0.03, 9.81
STIFFNESS, DAMPING = 0.4 / TIMESTEP**2, 1 / TIMESTEP
"""Values of all constraints: one step removes 0.4 of an error and all of its speed."""
LIFT, CARRY, HOLD, REST = 2, 6, 1, 12
"""Steps in which the hand rises, moves along and waits, and the most steps in which the cloth comes to rest."""
STILL = 0.05
"""Speed in m/s below which the cloth is at rest."""
LIGHT = np.array([-0.45, 0.45, 0.77])
RELIEF = 1.6
"""Factor of a fold's slope in its shading."""
FULL = 1.3
"""The greatest brightness."""


class Cloth(Deformable):
    """Goals: `flat` in the middle with its edges along the table's, or `random`: laid down anywhere, then folded."""

    GOALS: ClassVar = ("flat", "random")
    POINTS: ClassVar = PARTICLES
    COORDINATES: ClassVar = 3
    symmetries: ClassVar = np.stack([np.rot90(ORDER, turn).ravel() for turn in range(4)])
    reach: ClassVar = 0.1
    physics_space: ClassVar = {
        "mass": (0.7, 1.5),
        "damping": (0.5, 2.0),
        "friction": (0.6, 1.6),
        "stiffness": (0.5, 2.0),
    }

    def xml(self) -> str:
        """Return the model: particles on slides that end at walls and table, the flex, and a hand to tie them to."""
        hard, numbers = f"{-STIFFNESS} {-DAMPING}", range(PARTICLES)
        bodies = ""
        for i, (x, y) in enumerate(GRID):
            bodies += f"""<body name="v{i}" pos="{x} {y} 0">
              <joint range="{-EDGE - x} {EDGE - x}" axis="1 0 0"/>
              <joint range="{-EDGE - y} {EDGE - y}" axis="0 1 0"/>
              <joint range="0 {2 * TABLE}" axis="0 0 1"/>
              <site name="s{i}"/><inertial pos="0 0 0" mass="{MASS}" diaginertia="1e-6 1e-6 1e-6"/>
            </body>"""
        ties = "".join(f'<connect site1="hand" site2="s{i}" active="false"/>' for i in numbers)
        return f"""<mujoco>
          <option timestep="{TIMESTEP}" integrator="Euler" solver="CG" iterations="14" gravity="0 0 {-GRAVITY}">
            <flag contact="disable"/>
          </option>
          <default>
            <joint type="slide" limited="true" solreflimit="{hard}" solimplimit="0.97 0.97 0.001"/>
            <equality solref="{hard}" solimp="0.9999 0.9999 0.001"/>
          </default>
          <worldbody>{bodies}<body name="hand" mocap="true"><site name="hand"/></body></worldbody>
          <deformable>
            <flex name="cloth" dim="2" body="{" ".join(f"v{i}" for i in numbers)}" radius="0.002"
              element="{" ".join(map(str, TRIANGLES.ravel()))}">
              <contact contype="0" conaffinity="0" selfcollide="none"/>
            </flex>
          </deformable>
          <equality><flex flex="cloth" solimp="0.98 0.98 0.001"/>{ties}</equality>
        </mujoco>"""

    def place(self, name: str, rng: np.random.Generator) -> None:
        if name == "flat":
            self.lay(np.zeros(3 * PARTICLES))
            return
        angle = rng.uniform(-np.pi, np.pi)
        turned = GRID @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        room = EDGE - np.abs(turned).max(0)
        places = turned + rng.uniform(-room, room)
        self.lay(np.pad(places - GRID, [(0, 0), (0, 1)]).ravel())
        for _ in range(rng.integers(1, 4)):
            way, length = rng.uniform(-np.pi, np.pi), rng.uniform(0.05, 0.2)
            lifted = np.array([length * np.cos(way), length * np.sin(way), rng.uniform(0.03, 0.1)])
            self.drag(int(rng.integers(PARTICLES)), lifted)

    def pick(self, pixel: Float[np.ndarray, " 2"]) -> int:
        """Return the uppermost particle within half a spacing of (row, column), or else the nearest."""
        points = self.points
        distance = np.linalg.norm(points[:, :2] - np.array([pixel[1], -pixel[0]]) * EDGE, axis=-1)
        near = np.flatnonzero(distance <= max(distance.min(), SPACING / 2))
        layer = np.round(points[near, 2] / THICKNESS)
        return int(near[np.lexsort((distance[near], -layer))[0]])

    def drag(self, point: int, displacement: Float[np.ndarray, " 3"]) -> None:
        """Lift by the third coordinate (not at all where it is negative), carry along by the others, let go."""
        begin = self.physics.xpos[point + 1].copy()
        above = begin + np.array([0, 0, max(displacement[2], 0)])
        end = np.clip(above + [*displacement[:2], 0], -EDGE, EDGE)
        rises = np.linspace(begin, above, LIFT + 1)[1:] if displacement[2] > 0 else []
        tie = self.model.neq - PARTICLES + point
        self.physics.eq_active[tie] = 1
        for hand in [*rises, *np.linspace(above, end, CARRY + 1)[1:], *[end] * HOLD]:
            self.physics.mocap_pos[0] = hand
            self._advance()
        self.physics.eq_active[tie] = 0
        for _ in range(REST):
            self._advance()
            if np.abs(self.physics.qvel).max() < STILL:
                break
        self.physics.qvel[:] = 0
        self.physics.qpos[2::3] = np.maximum(self.physics.qpos[2::3], 0)  # what was pulled into the table
        self.mujoco.mj_forward(self.model, self.physics)

    def _advance(self) -> None:
        """Advance by one step, with the floors and the drag of the present positions."""
        points = self.physics.xpos[1 : PARTICLES + 1]
        floor = floors(points)
        self.model.jnt_range[2::3, 0] = floor
        velocity = self.physics.qvel.reshape(PARTICLES, 3)
        # Before the step and not as forces in it, so that the constraints see what drag and bending have done.
        lies = points[:, 2] < floor + THICKNESS
        velocity[:, :2] *= np.where(lies, self.slowed["lying"], self.slowed["air"])[:, None]
        velocity[:, 2] *= self.slowed["air"]
        velocity[:] = self.smooth @ (velocity - self.bend * (ROUGHNESS @ points))
        # The slides' ends act when they are passed: by then a falling particle would be under the layer below.
        velocity[:, 2] = np.maximum(velocity[:, 2], (floor - points[:, 2]) / TIMESTEP + GRAVITY * TIMESTEP)
        self.mujoco.mj_step(self.model, self.physics)
        self.mujoco.mj_kinematics(self.model, self.physics)
        if self.watch is not None:
            self.watch()

    def set_physics(self, factors: dict[str, float]) -> None:
        mass = MASS * factors["mass"]
        drags = {"air": AIR * factors["damping"], "lying": FRICTION * factors["friction"]}
        self.slowed = {name: np.exp(-TIMESTEP * drag / mass) for name, drag in drags.items()}
        self.bend = TIMESTEP * BEND * factors["stiffness"] / mass
        self.smooth = np.linalg.inv(np.eye(PARTICLES) + TIMESTEP * self.bend * ROUGHNESS)
        self.model.body_mass[:] = self.nominal.body_mass * factors["mass"]
        self.mujoco.mj_setConst(self.model, self.mujoco.MjData(self.model))

    def picture(self, points: Float[np.ndarray, "n 3"], look: Look, size: int) -> UInt8[np.ndarray, "size size 3"]:
        front, back, coverage = np.moveaxis(
            _draw(np.asarray(points, float).tobytes(), size).astype(np.float32) / 255, -1, 0
        )
        thing = np.asarray(look.thing, np.float32)
        other = thing * np.asarray(look.back, np.float32)
        return shade(coverage, look, FULL * (front[..., None] * thing + back[..., None] * other))

    def mask(self, points: Float[np.ndarray, "n 3"], size: int = IMAGE) -> Bool[np.ndarray, "size size"]:
        return _draw(np.asarray(points, float).tobytes(), size)[..., 2] > 127


@lru_cache(maxsize=2)
def _draw(points: bytes, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Draw the brightness of the front and of the back in each pixel, and the coverage; low triangles first."""
    corners = np.frombuffer(points).reshape(PARTICLES, 3)[TRIANGLES]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    side = normal[:, 2] > 0
    # Half of a triangle's own direction and half of its corners', that of all triangles around: a softer cloth.
    around = AROUND @ normal
    up = np.where(side[:, None], 1, -1) * (
        normal / SPACING**2 + around / np.linalg.norm(around, axis=-1, keepdims=True).clip(1e-9)
    )
    up = np.stack([RELIEF * up[:, 0], RELIEF * up[:, 1], up[:, 2].clip(0)], -1)
    bright = up @ LIGHT / np.linalg.norm(up, axis=-1).clip(1e-9) / LIGHT[2]
    shades = np.clip(0.4 + 0.6 * bright, 0.25, FULL)
    colors = np.stack([shades * side / FULL, shades * ~side / FULL, np.ones_like(shades)], -1)
    order = np.argsort(corners[:, :, 2].mean(1), kind="stable")
    canvas = Canvas(size, TABLE)
    return canvas.average(canvas.triangles(corners[:, :, :2], np.round(colors * 255), order))


def floors(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " n"]:
    """Return the least height of each particle: the table, or a layer above the highest particle below it.

    A particle is below another if it is lower and within 0.6 of a spacing as seen from above.
    """
    place, height = points[:, :2], points[:, 2]
    length = np.square(place).sum(-1)
    near = length[:, None] + length - 2 * place @ place.T < (0.6 * SPACING) ** 2
    below = near & (height < height[:, None])
    return np.where(below, np.maximum(height, 0) + THICKNESS, 0.0).max(1)


def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the flat cloth and the corners of its triangles.

    Diagonals alternate, so that the cloth is the same after a quarter of a turn.
    """
    row, column = np.divmod(np.arange(PARTICLES), SIDE)
    places = np.stack([column - SIDE // 2, SIDE // 2 - row], -1) * SPACING
    triangles = []
    for r, c in np.ndindex(SIDE - 1, SIDE - 1):
        (a, b), (d, e) = ORDER[r : r + 2, c : c + 2]
        triangles += [(a, d, e), (a, e, b)] if (r + c) % 2 == 0 else [(a, d, b), (b, d, e)]
    return places, np.array(triangles)


GRID, TRIANGLES = _grid()
AROUND = (TRIANGLES[:, :, None, None] == TRIANGLES).any((1, 3)).astype(float)
"""`(triangles, triangles)`: pairs that share a corner."""


def _roughness() -> np.ndarray:
    """Return D^T D of the second differences D along all rows and columns: the gradient of the bending energy."""
    triples = np.concatenate([np.stack([way[:, :-2], way[:, 1:-1], way[:, 2:]], -1) for way in (ORDER, ORDER.T)])
    differences = np.tensordot(np.eye(PARTICLES)[triples], [1, -2, 1], axes=(2, 0)).reshape(-1, PARTICLES)
    return differences.T @ differences


ROUGHNESS = _roughness()
