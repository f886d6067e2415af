import gymnasium
import numpy as np
import pytest
from dmc_needed import needs_mujoco
from gymnasium.utils.env_checker import check_env

from reverie.errors import UserError
from reverie_worlds.cloth import GRID, PARTICLES, ROUGHNESS, SIDE, SPACING, THICKNESS, TRIANGLES, Cloth, floors
from reverie_worlds.deformable import IMAGE, TABLE
from reverie_worlds.drawing import Look

pytestmark = needs_mujoco()
EDGES = np.unique(np.sort(np.concatenate([TRIANGLES[:, pair] for pair in ([0, 1], [1, 2], [0, 2])]), 1), axis=0)
LENGTHS = np.linalg.norm(GRID[EDGES[:, 0]] - GRID[EDGES[:, 1]], axis=1)
CORNER, OPPOSITE = 0, PARTICLES - 1


@pytest.fixture(scope="module")
def cloth():
    return Cloth(render_mode="rgb_array")


def uniform(rng, count):
    return rng.uniform(-1, 1, (count, 5)).astype(np.float32)


def lay_flat(cloth):
    cloth.reset(seed=0, options={"goal": "flat"})
    cloth.place("flat", cloth.np_random)


def at(particle, *displacement):
    """The action that picks where that particle of the flat cloth lies."""
    x, y = GRID[particle] / (TABLE / 2)
    return np.array([-y, x, *displacement])


def test_it_is_a_sound_gymnasium_environment(cloth):
    check_env(cloth, skip_render_check=True)


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
    # The other side up is no symmetry: the least over turns, by a slow loop.
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
    cloth.step(at(CORNER, 1, -1, 0.8))
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
    cloth.step(at(CORNER, -0.6, 0.6, -1))
    cloth.watch = None
    assert max(highest) < 0.005
    assert cloth.points[CORNER] == pytest.approx([-0.18, 0.18, 0], abs=0.015)
    assert 0.01 < cloth.points[:, 1].mean() < 0.06


def test_it_keeps_its_size_and_stays_on_the_table(cloth):
    rng, deviations = np.random.default_rng(1), []
    for seed in range(2):
        cloth.reset(seed=seed)
        for action in uniform(rng, 25):
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


def test_sampled_actions_pick_the_cloth(cloth):
    cloth.reset(seed=3)
    covered = (np.argwhere(cloth.mask(cloth.points)) + 0.5) / IMAGE * 2 - 1
    actions = cloth.reverie_sample_actions(200, np.random.default_rng(0))
    away = np.linalg.norm(actions[:, None, :2] - covered, axis=-1).min(1)
    assert actions.shape == (200, 5)
    assert away.max() <= np.sqrt(0.5) * 2 / IMAGE


def test_a_restored_state_gives_the_same_bits(cloth):
    cloth.reset(seed=2)
    actions = uniform(np.random.default_rng(2), 5)
    for action in actions[:2]:
        cloth.step(action)
    state = cloth.get_state()
    first = [cloth.step(action)[0] for action in actions[2:]]
    cloth.set_state(state)
    again = [cloth.step(action)[0] for action in actions[2:]]
    assert all(np.array_equal(one[key], other[key]) for one, other in zip(first, again) for key in one)


@pytest.mark.parametrize("randomize", ["none", "step"])
def test_the_same_seed_gives_the_same_bits_whatever_came_before(randomize):
    used, fresh = Cloth(randomize=randomize), Cloth(randomize=randomize)
    used.reset(seed=8)
    for action in uniform(np.random.default_rng(8), 2):
        used.step(action)
    one, other = used.reset(seed=5)[0], fresh.reset(seed=5)[0]
    assert all(np.array_equal(one[key], other[key]) for key in one)
    for action in uniform(np.random.default_rng(5), 3):
        one, other = used.step(action)[0], fresh.step(action)[0]
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_randomization_changes_look_and_physics_and_none_is_nominal(cloth):
    cloth.reset(seed=0)
    assert cloth.look == Look()
    assert cloth.model.body_mass[1] == pytest.approx(0.002)
    world = Cloth(randomize="step")
    world.reset(seed=0)
    masses, looks = set(), set()
    for _ in range(3):
        world.step(np.zeros(5))
        masses.add(float(world.model.body_mass[1]))
        looks.add(world.look)
    assert len(masses) == len(looks) == 3
    assert all(0.7 * 0.002 <= mass <= 1.5 * 0.002 for mass in masses)
    for _ in range(20):
        drawn = world.sample_domain()
        assert drawn.keys() == world.domain_space.spaces.keys()
        assert all(world.domain_space[name].contains(np.asarray(drawn[name])) for name in drawn if name != "grain_seed")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"goal": "flatt"}, "Did you mean flat"), ({"randomize": "always"}, "take none, trajectory or step")],
)
def test_a_mistake_is_one_sentence_that_names_the_fix(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        Cloth(**settings)


def test_observations_do_not_show_the_arrow(cloth):
    cloth.reset(seed=0)
    observation, *_ = cloth.step(np.array([0.0, 0.0, 0.5, 0.5, 0.5]))
    assert np.array_equal(observation["pixels"], cloth.picture(cloth.points, cloth.look, IMAGE))
    frame = cloth.render()
    assert frame.shape == (480, 480, 3)
    assert not np.array_equal(frame, cloth.picture(cloth.points, cloth.look, 480))


def test_it_is_registered():
    from reverie.envs.gymnasium import ids

    assert "reverie/Cloth-v0" in ids()
    assert gymnasium.spec("reverie/Cloth-v0").max_episode_steps == 40
