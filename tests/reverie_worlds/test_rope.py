import gymnasium
import numpy as np
import pytest
from dmc_needed import needs_mujoco
from gymnasium.utils.env_checker import check_env

from reverie.errors import UserError
from reverie_worlds.deformable import IMAGE, SUCCESS, TABLE
from reverie_worlds.drawing import Look, overlap
from reverie_worlds.rope import ANGLES, LENGTH, MOST_BEND, SEGMENT, SEGMENTS, Rope

pytestmark = needs_mujoco()


@pytest.fixture(scope="module")
def rope():
    return Rope(render_mode="rgb_array")


def uniform(rng, count):
    return rng.uniform(-1, 1, (count, 4)).astype(np.float32)


def test_it_is_a_sound_gymnasium_environment(rope):
    check_env(rope, skip_render_check=True)


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
    # A rope that is moved along itself is as far as it was moved: in the other order the ends are farther.
    assert rope.distance(straight[::-1] + [0.03, 0.0], straight) == pytest.approx(SEGMENTS * 0.03)


def test_at_the_goal_distance_is_zero_and_overlap_is_one(rope):
    rope.reset(seed=0, options={"goal": "45"})
    rope.place("45", rope.np_random)
    measures = rope.measures()
    assert measures == {"distance": 0.0, "iou": 1.0, "success": True}
    assert SUCCESS == 4 * TABLE / IMAGE


def test_overlap_counts_pixels():
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert overlap(one, other) == 1
    one[0], other[:, 0] = True, True
    assert overlap(one, other) == 1 / 7


def test_a_pull_moves_the_nearest_segment_by_the_displacement(rope):
    rope.reset(seed=0)
    rope.place("horizontal", rope.np_random)
    column = 0.2 / (TABLE / 2)  # nearest to 0.2 m: the middle of segment 22
    assert rope.pick(np.array([0.0, column])) == 22
    _, reward, _, _, info = rope.step(np.array([0.0, column, 0.0, 1.0]))
    assert rope.points[22] == pytest.approx([0.2, 0.075], abs=0.01)
    assert rope.points[0] == pytest.approx([-0.24, 0.0], abs=0.02)
    assert reward == -info["distance"] / SEGMENTS


def test_sampled_actions_pick_the_rope(rope):
    rope.reset(seed=3)
    covered = (np.argwhere(rope.mask(rope.points)) + 0.5) / IMAGE * 2 - 1
    actions = rope.reverie_sample_actions(200, np.random.default_rng(0))
    away = np.linalg.norm(actions[:, None, :2] - covered, axis=-1).min(1)
    assert actions.shape == (200, 4)
    assert away.max() <= np.sqrt(0.5) * 2 / IMAGE
    assert np.abs(actions).max() <= 1


def test_it_keeps_its_length_and_stays_inside(rope):
    rope.reset(seed=1)
    for action in uniform(np.random.default_rng(1), 200):
        rope.step(action)
        ways = np.diff(rope.points, axis=0)
        bends = rope.physics.qpos[3:]
        assert np.linalg.norm(ways, axis=1) == pytest.approx(SEGMENT * np.cos(bends / 2), rel=1e-6)  # joints are exact
        assert np.abs(rope.points).max() < TABLE / 2 + 0.005
        assert np.abs(np.rad2deg(bends)).max() < 1.5 * MOST_BEND
        along = np.linalg.norm(ways, axis=1).sum() + SEGMENT
        assert LENGTH * np.cos(np.deg2rad(MOST_BEND) / 2) < along <= LENGTH * (1 + 1e-9)


def test_a_restored_state_gives_the_same_bits(rope):
    rope.reset(seed=2)
    actions = uniform(np.random.default_rng(2), 6)
    for action in actions[:3]:
        rope.step(action)
    state = rope.get_state()
    first = [rope.step(action)[0] for action in actions[3:]]
    rope.set_state(state)
    again = [rope.step(action)[0] for action in actions[3:]]
    assert all(np.array_equal(one[key], other[key]) for one, other in zip(first, again) for key in one)


@pytest.mark.parametrize("randomize", ["none", "step"])
def test_the_same_seed_gives_the_same_bits_whatever_came_before(randomize):
    used, fresh = Rope(randomize=randomize), Rope(randomize=randomize)
    used.reset(seed=8)
    for action in uniform(np.random.default_rng(8), 4):
        used.step(action)
    for one, other in ((used.reset(seed=5)[0], fresh.reset(seed=5)[0]),):
        assert all(np.array_equal(one[key], other[key]) for key in one)
    for action in uniform(np.random.default_rng(5), 4):
        one, other = used.step(action)[0], fresh.step(action)[0]
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_each_domain_is_in_its_declared_space():
    rope = Rope(randomize="step")
    rope.reset(seed=0)
    for _ in range(20):
        assert rope.domain_space.contains(
            {name: np.asarray(value) if name != "grain_seed" else value for name, value in rope.sample_domain().items()}
        )


def test_the_stiffest_corner_of_the_physics_space_does_not_explode():
    """A light rope in a thick medium, with little damping: with half of it one action in 70 went wrong."""
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


def test_randomization_changes_the_look_and_none_is_nominal(rope):
    rope.reset(seed=0)
    assert rope.look == Look()
    assert rope.model.opt.viscosity == 1.2
    changing, constant = Rope(randomize="step"), Rope(randomize="trajectory")
    still = np.array([0.0, 0.0, 0.0, 0.0])
    for world, changes in ((changing, True), (constant, False)):
        world.reset(seed=0)
        look, points = world.look, world.points
        world.step(still)
        assert (world.look != look) is changes
        assert look != Look()
        assert world.points == pytest.approx(points, abs=2e-3)


def test_observations_do_not_show_the_arrow(rope):
    rope.reset(seed=0)
    observation, *_ = rope.step(np.array([0.0, 0.0, 0.5, 0.5]))
    assert np.array_equal(observation["pixels"], rope.picture(rope.points, rope.look, IMAGE))
    frame = rope.render()
    assert frame.shape == (480, 480, 3)
    assert not np.array_equal(frame, rope.picture(rope.points, rope.look, 480))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"goal": "horizntal"}, "Did you mean horizontal"),
        ({"randomize": "always"}, "take none, trajectory or step"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_fix(settings, sentence):
    with pytest.raises(UserError, match=sentence):
        Rope(**settings)
    with pytest.raises(UserError, match="There is no goal"):
        Rope().reset(options={"goal": "flat"})


def test_watch_is_called_after_every_pull(rope):
    rope.reset(seed=0)
    seen = []
    rope.watch = lambda: seen.append(rope.points)
    rope.step(np.array([0.0, 0.0, 1.0, 0.0]))
    rope.watch = None
    assert len(seen) == 10
    assert not np.array_equal(seen[0], seen[-1])


def test_it_is_registered():
    from reverie.envs.gymnasium import ids

    assert "reverie/Rope-v0" in ids()
    assert gymnasium.spec("reverie/Rope-v0").max_episode_steps == 20
