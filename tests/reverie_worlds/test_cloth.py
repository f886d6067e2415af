"""The behavior of the cloth alone; `test_deformable` has what it shares with the rope."""

import numpy as np
import pytest
from dmc_needed import needs_mujoco

from reverie_worlds.cloth import GRID, PARTICLES, ROUGHNESS, SIDE, SPACING, THICKNESS, TRIANGLES, Cloth, floors
from reverie_worlds.deformable import TABLE
from reverie_worlds.drawing import Look

pytestmark = needs_mujoco()
EDGES = np.unique(np.sort(np.concatenate([TRIANGLES[:, pair] for pair in ([0, 1], [1, 2], [0, 2])]), 1), axis=0)
LENGTHS = np.linalg.norm(GRID[EDGES[:, 0]] - GRID[EDGES[:, 1]], axis=1)
CORNER, OPPOSITE = 0, PARTICLES - 1


@pytest.fixture(scope="module")
def cloth():
    return Cloth(render_mode="rgb_array")


def lay_flat(cloth):
    cloth.reset(seed=0, options={"goal": "flat"})
    cloth.place("flat", cloth.np_random)


def pick_at(particle, *displacement):
    """Return the action that picks at the place of a particle of the flat cloth."""
    x, y = GRID[particle] / (TABLE / 2)
    return np.array([-y, x, *displacement])


def test_the_flat_goal_is_a_grid_in_the_middle(cloth):
    lay_flat(cloth)
    assert cloth.points == pytest.approx(np.concatenate([GRID, np.zeros((PARTICLES, 1))], 1))
    assert GRID[0].tolist() == pytest.approx([-0.12, 0.12])
    assert GRID[SIDE].tolist() == pytest.approx([-0.12, 0.12 - SPACING])
    assert cloth.measures() == {"distance": 0.0, "iou": 1.0, "success": True}
    rows = np.flatnonzero(cloth.mask(cloth.points).any(1))
    assert (rows[0], rows[-1]) == (19, 44)  # 0.24 m are 25.6 pixels in the middle


def test_its_mesh_is_the_same_after_a_quarter_of_a_turn(cloth):
    edges = {tuple(edge) for edge in EDGES}
    for order in cloth.symmetries:
        assert sorted(order) == list(range(PARTICLES))
        assert {tuple(sorted((order[a], order[b]))) for a, b in edges} == edges
    turned = GRID[cloth.symmetries[1]]
    assert turned == pytest.approx(GRID @ np.array([[0.0, -1.0], [1.0, 0.0]])) or turned == pytest.approx(
        GRID @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    )


def test_distance_ignores_quarter_turns(cloth):
    goal = np.concatenate([GRID, np.zeros((PARTICLES, 1))], 1)
    for order in cloth.symmetries:
        assert cloth.distance(goal[order] + [0.0, 0.0, 0.3], goal) == pytest.approx(0, abs=1e-12)
        assert cloth.distance(goal[order] + [0.01, 0.0, 0.0], goal) == pytest.approx(PARTICLES * 0.01)
    # A flip is no symmetry. The distance is the least over turns, by a slow loop.
    flipped = goal[np.arange(PARTICLES).reshape(SIDE, SIDE)[:, ::-1].ravel()] + [0.05, 0.02, 0.0]
    slow = min(sum(np.hypot(*(flipped[i] - goal[o[i]])[:2]) for i in range(PARTICLES)) for o in cloth.symmetries)
    assert cloth.distance(flipped, goal) == pytest.approx(slow)


def test_floors_are_a_layer_above_what_is_below():
    flat = np.concatenate([GRID, np.zeros((PARTICLES, 1))], 1)
    assert floors(flat).tolist() == [0.0] * PARTICLES
    folded = flat.copy()
    folded[CORNER] = [*GRID[20], 0.05]
    expected = np.zeros(PARTICLES)
    expected[CORNER] = THICKNESS
    assert floors(folded) == pytest.approx(expected)
    folded[OPPOSITE] = [*GRID[20] + 0.01, 0.07]
    expected[OPPOSITE] = 0.05 + THICKNESS
    assert floors(folded) == pytest.approx(expected)


def test_bending_is_the_square_of_second_differences():
    points = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    energy = sum(
        (line[i - 1] - 2 * line[i] + line[i + 1]) ** 2 for line in (*points, *points.T) for i in range(1, SIDE - 1)
    )
    assert points.ravel() @ ROUGHNESS @ points.ravel() == pytest.approx(energy)


def test_the_uppermost_particle_is_picked(cloth):
    lay_flat(cloth)
    place = np.array([-GRID[20][1], GRID[20][0]]) / (TABLE / 2)
    assert cloth.pick(place) == 20
    over = cloth.physics.qpos.reshape(PARTICLES, 3)
    over[CORNER] = [*(GRID[20] - GRID[CORNER] + 0.004), THICKNESS]
    cloth.mujoco.mj_forward(cloth.model, cloth.physics)
    assert cloth.pick(place) == CORNER
    assert cloth.pick(np.array([-1.0, -1.0])) == 1  # nothing is near: the nearest to the table's corner


def test_a_corner_is_folded_onto_the_cloth_and_shows_its_back(cloth):
    lay_flat(cloth)
    cloth.step(pick_at(CORNER, 1, -1, 0.8))
    points = cloth.points
    assert points[CORNER] == pytest.approx([-0.02, 0.02, THICKNESS], abs=0.03)
    assert points[OPPOSITE] == pytest.approx([0.12, -0.12, 0], abs=0.01)
    assert 0.5 * THICKNESS < points[CORNER, 2] < 4 * THICKNESS
    picture = cloth.picture(points, Look(), 480).astype(int)
    row, column = round(240 - 0.05 * 800), round(240 - 0.05 * 800)  # in the flap, between crease and corner
    front, back = picture[300, 300], picture[row, column]
    assert front / front.sum() == pytest.approx(np.array(Look().thing) / sum(Look().thing), abs=0.01)
    other = np.array(Look().thing) * Look().back
    assert back / back.sum() == pytest.approx(other / other.sum(), abs=0.01)


def test_a_negative_lift_drags_along_the_table(cloth):
    lay_flat(cloth)
    highest = []
    cloth.watch = lambda: highest.append(cloth.points[CORNER, 2])
    cloth.step(pick_at(CORNER, -0.6, 0.6, -1))
    cloth.watch = None
    assert max(highest) < 0.005
    assert cloth.points[CORNER] == pytest.approx([-0.18, 0.18, 0], abs=0.015)
    assert 0.01 < cloth.points[:, 1].mean() < 0.06


def test_it_keeps_its_size_and_stays_on_the_table(cloth):
    rng, deviations = np.random.default_rng(1), []
    for seed in range(2):
        cloth.reset(seed=seed)
        for action in rng.uniform(-1, 1, (12, 5)):
            cloth.step(action)
            points = cloth.points
            length = np.linalg.norm(points[EDGES[:, 0]] - points[EDGES[:, 1]], axis=1) / LENGTHS
            deviations.append([abs(length.mean() - 1), np.sqrt(np.square(length - 1).mean())])
            assert np.abs(points[:, :2]).max() < TABLE / 2 + 0.01
            assert points[:, 2].min() > -1e-6
            assert points[:, 2].max() < 0.3
    mean, root = np.array(deviations).T
    assert mean.max() < 0.04
    assert np.median(root) < 0.03
    assert root.max() < 0.12
