"""A rope on a table, `reverie/Rope-v0`: 25 capsules in a chain, dragged by one of them.

The chain moves in the plane of the table. A viscous drag, large against the inertia, slows every segment. So a segment
that is not pulled stands still, as on a table with friction, without the cost of contacts. Joints cannot stretch: the
rope keeps its length exactly. Segments do not collide with each other, so the rope may lie over itself.

Departures from Yan 2020: the chain is planar in a viscous medium instead of spatial on a table (26 times as fast). The
spring that drags is a soft constraint, so its stiffness does not limit the time step.
"""

from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, UInt8

from reverie_worlds.deformable import IMAGE, TABLE, Deformable
from reverie_worlds.drawing import Canvas, Look, shade

SEGMENTS, LENGTH, RADIUS = 25, 0.5, 0.009
"""Number of segments, total length and half the width, in meters."""
SEGMENT = LENGTH / SEGMENTS
MASS, DAMPING, VISCOSITY = 0.008, 5e-5, 1.2
"""Nominal mass of a segment in kg, damping of a joint in N m s, viscosity of the medium in Pa s."""
STIFFNESS = 6e-3
"""Stiffness of a joint against bending away from its last shape, in N m."""
TIMESTEP = 0.01
PULLS, STEPS_A_PULL, REST = 10, 3, 10
"""Equal pulls of an action, simulation steps of a pull, and steps of rest after them: 40 in all."""
MOST_BEND = 60
"""Greatest angle between neighboring segments, in degrees."""
MOST_CURVED = 0.13
"""Greatest standard deviation of the change of the bend from joint to joint in random shapes, in radians."""
ANGLES = {"horizontal": 0, "vertical": 90, "45": 45, "135": 135}


class Rope(Deformable):
    """Goals: a straight rope through the middle at 0 (`horizontal`), 90 (`vertical`), 45, 135 degrees, or `random`."""

    GOALS: ClassVar = (*ANGLES, "random")
    POINTS: ClassVar = SEGMENTS
    COORDINATES: ClassVar = 2
    symmetries: ClassVar = np.stack([np.arange(SEGMENTS), np.arange(SEGMENTS)[::-1]])
    reach: ClassVar = 0.075
    # Less damping than nominal would need a smaller time step wherever a light rope lies in a thick medium.
    physics_space: ClassVar = {"mass": (0.7, 1.5), "damping": (1.0, 4.0), "friction": (0.6, 1.6)}

    def xml(self) -> str:
        """Return the model: the chain, walls, and a gripper to which any segment can be tied."""
        half, edge = SEGMENT / 2, TABLE / 2
        free = '<joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 1 0"/><joint axis="0 0 1"/>'
        chain = ""
        for i in range(SEGMENTS):
            joints = '<joint class="bend"/>' if i else free
            place = SEGMENT if i else 0
            chain += f'<body pos="{place} 0 0">{joints}<geom class="segment"/><site name="s{i}"/>'
        walls = "".join(
            f'<geom class="wall" pos="{-edge * x} {-edge * y} 0" zaxis="{x} {y} 0"/>'
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1))
        )
        tie = '<connect site1="gripper" site2="s{}" active="false" solref="0.02 1"/>'
        ties = "".join(tie.format(i) for i in range(SEGMENTS))
        return f"""<mujoco>
          <option timestep="{TIMESTEP}" integrator="Euler" gravity="0 0 0" viscosity="{VISCOSITY}"/>
          <default>
            <geom condim="1"/>
            <default class="bend"><joint pos="{-half} 0 0" axis="0 0 1" damping="{DAMPING}" stiffness="{STIFFNESS}"
              limited="true" range="{-MOST_BEND} {MOST_BEND}"/></default>
            <default class="segment"><geom type="capsule" fromto="{-half} 0 0 {half} 0 0" size="{RADIUS}"
              mass="{MASS}" contype="1" conaffinity="0"/></default>
            <default class="wall"><geom type="plane" size="1 1 1" contype="0" conaffinity="1"/></default>
          </default>
          <worldbody>{chain}{"</body>" * SEGMENTS}{walls}
            <body name="hand" mocap="true"><site name="gripper"/></body>
          </worldbody>
          <equality>{ties}</equality>
        </mujoco>"""

    def place(self, name: str, rng: np.random.Generator) -> None:
        if name == "random":
            points, angles = _random_shape(rng)
        else:
            angles = np.full(SEGMENTS, np.deg2rad(ANGLES[name]))
            points = _chain(np.zeros(2), angles)
            points -= points.mean(0)
        self.lay(np.array([*points[0], angles[0], *np.diff(angles)]))

    def drag(self, point: int, displacement: Float[np.ndarray, " 2"]) -> None:
        begin = self.physics.xpos[point + 1, :2].copy()
        edge = TABLE / 2 - RADIUS
        end = np.clip(begin + displacement, -edge, edge)
        self.model.qpos_spring[:] = self.physics.qpos  # a rope keeps its present shape
        self.physics.eq_active[point] = 1
        for pull in range(1, PULLS + 1):
            self.physics.mocap_pos[0, :2] = begin + (end - begin) * pull / PULLS
            self.mujoco.mj_step(self.model, self.physics, STEPS_A_PULL)
            if self.watch is not None:
                self.watch()
        self.physics.eq_active[point] = 0
        self.mujoco.mj_step(self.model, self.physics, REST)
        self.physics.qvel[:] = 0
        self.mujoco.mj_forward(self.model, self.physics)

    def set_physics(self, factors: dict[str, float]) -> None:
        self.model.body_mass[:] = self.nominal.body_mass * factors["mass"]
        self.model.body_inertia[:] = self.nominal.body_inertia * factors["mass"]
        self.model.dof_damping[:] = self.nominal.dof_damping * factors["damping"]
        self.model.opt.viscosity = VISCOSITY * factors["friction"]
        self.mujoco.mj_setConst(self.model, self.mujoco.MjData(self.model))

    def picture(self, points: Float[np.ndarray, "n 2"], look: Look, size: int) -> UInt8[np.ndarray, "size size 3"]:
        return shade(self._coverage(points, size), look)

    def mask(self, points: Float[np.ndarray, "n 2"], size: int = IMAGE) -> Bool[np.ndarray, "size size"]:
        return self._coverage(points, size) > 0.5

    def _coverage(self, points: Float[np.ndarray, "n 2"], size: int) -> Float[np.ndarray, "size size"]:
        canvas = Canvas(size, TABLE)
        return canvas.average(canvas.line(points, 2 * RADIUS))


def _chain(begin: np.ndarray, angles: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
    """Return the centers of segments with those directions, joined end to end, the first at `begin`."""
    ways = SEGMENT * np.stack([np.cos(angles), np.sin(angles)], -1)
    return begin + np.concatenate([np.zeros((1, 2)), np.cumsum((ways[:-1] + ways[1:]) / 2, 0)])


def _random_shape(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw centers and directions of a rope anywhere on the table, smoothly bent, from almost straight to coiled."""
    edge = TABLE / 2 - SEGMENT
    while True:
        strength = rng.uniform(0, MOST_CURVED)
        bend, bends = 0.0, [rng.uniform(-np.pi, np.pi)]
        for _ in range(SEGMENTS - 1):
            bend = 0.85 * bend + rng.normal(0, strength)
            bends.append(float(np.clip(bend, -0.9, 0.9)))
        angles = np.cumsum(bends)
        points = _chain(np.zeros(2), angles)
        points += rng.uniform(-edge, edge, 2) - points.mean(0)
        if np.abs(points).max() < edge:
            return points, angles
