"""The behavior of the rope alone; `test_deformable` has what it shares with the cloth."""

import numpy as np
import pytest
from dmc_needed import needs_mujoco

from reverie_worlds.deformable import TABLE
from reverie_worlds.rope import ANGLES, LENGTH, MOST_BEND, SEGMENT, SEGMENTS, Rope

pytestmark = needs_mujoco()


@pytest.fixture(scope="module")
def rope():
    return Rope(render_mode="rgb_array")


def test_a_straight_goal_is_where_its_name_says(rope):
    for name, degrees in ANGLES.items():
        rope.reset(seed=0, options={"goal": name})
        way = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
        expected = (np.arange(SEGMENTS) - (SEGMENTS - 1) / 2)[:, None] * SEGMENT * way
        assert np.allclose(rope.goal_points, expected, atol=1e-9)


def test_distance_ignores_which_end_is_which(rope):
    straight = (np.arange(SEGMENTS) * SEGMENT)[:, None] * np.array([1.0, 0.0])
    assert rope.distance(straight[::-1], straight) == 0
    assert rope.distance(straight + [0.0, 0.1], straight) == pytest.approx(SEGMENTS * 0.1)
    # Moved along itself, it is as far as it was moved: in the other order the ends are farther.
    assert rope.distance(straight[::-1] + [0.03, 0.0], straight) == pytest.approx(SEGMENTS * 0.03)


def test_a_pull_moves_the_nearest_segment_by_the_displacement(rope):
    rope.reset(seed=0)
    rope.place("horizontal", rope.np_random)
    column = 0.2 / (TABLE / 2)  # nearest to 0.2 m: the middle of segment 22
    assert rope.pick(np.array([0.0, column])) == 22
    _, reward, _, _, info = rope.step(np.array([0.0, column, 0.0, 1.0]))
    assert rope.points[22] == pytest.approx([0.2, 0.075], abs=0.01)
    assert rope.points[0] == pytest.approx([-0.24, 0.0], abs=0.02)
    assert reward == -info["distance"] / SEGMENTS


def test_it_keeps_its_length_and_stays_inside(rope):
    rope.reset(seed=1)
    for action in np.random.default_rng(1).uniform(-1, 1, (80, 4)):
        rope.step(action)
        ways = np.diff(rope.points, axis=0)
        bends = rope.physics.qpos[3:]
        assert np.linalg.norm(ways, axis=1) == pytest.approx(SEGMENT * np.cos(bends / 2), rel=1e-6)  # joints are exact
        assert np.abs(rope.points).max() < TABLE / 2 + 0.005
        assert np.abs(np.rad2deg(bends)).max() < 1.5 * MOST_BEND
        along = np.linalg.norm(ways, axis=1).sum() + SEGMENT
        assert LENGTH * np.cos(np.deg2rad(MOST_BEND) / 2) < along <= LENGTH * (1 + 1e-9)


@pytest.mark.slow
def test_the_stiffest_corner_of_the_physics_space_does_not_explode():
    """A light rope in a thick medium, with little damping. With half the damping one action in 70 failed."""
    rope, rng = Rope(), np.random.default_rng(0)
    space = rope.physics_space
    rope.set_physics({"mass": space["mass"][0], "damping": space["damping"][0], "friction": space["friction"][1]})
    for step in range(300):
        if step % 20 == 0:
            rope.place("random", rng)
        action = rope.reverie_sample_actions(1, rng)[0]
        rope.drag(rope.pick(action[:2]), action[2:] * rope.reach)
        assert np.abs(rope.points).max() < TABLE / 2 + SEGMENT
    assert not any(warning.number for warning in rope.physics.warning)
