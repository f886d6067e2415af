"""The behavior that rope and cloth share."""

import numpy as np
import pytest
from dmc_needed import needs_mujoco
from gymnasium.utils.env_checker import check_env

from reverie.errors import UserError
from reverie_worlds.cloth import Cloth
from reverie_worlds.deformable import IMAGE, SUCCESS, TABLE
from reverie_worlds.drawing import Look, overlap
from reverie_worlds.rope import Rope

pytestmark = needs_mujoco()
both = pytest.mark.parametrize("kind", [Rope, Cloth])


@pytest.fixture(scope="module")
def rope():
    return Rope(render_mode="rgb_array")


@pytest.fixture(scope="module")
def cloth():
    return Cloth(render_mode="rgb_array")


@pytest.fixture(params=["rope", "cloth"])
def world(request):
    return request.getfixturevalue(request.param)


def uniform_actions(world, seed, count):
    return np.random.default_rng(seed).uniform(-1, 1, (count, *world.action_space.shape)).astype(np.float32)


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_it_is_a_sound_gymnasium_environment(world):
    check_env(world, skip_render_check=True)


def test_at_the_goal_distance_is_zero_and_overlap_is_one(world):
    goal = world.GOALS[0]
    world.reset(seed=0, options={"goal": goal})
    world.place(goal, world.np_random)
    assert world.measures() == {"distance": 0.0, "iou": 1.0, "success": True}
    assert SUCCESS == 4 * TABLE / IMAGE


def test_overlap_counts_pixels():
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert overlap(one, other) == 1
    one[0], other[:, 0] = True, True
    assert overlap(one, other) == 1 / 7


def test_sampled_actions_pick_the_object(world):
    world.reset(seed=3)
    covered = (np.argwhere(world.mask(world.points)) + 0.5) / IMAGE * 2 - 1
    actions = world.reverie_sample_actions(200, np.random.default_rng(0))
    away = np.linalg.norm(actions[:, None, :2] - covered, axis=-1).min(1)
    assert actions.shape == (200, 2 + world.COORDINATES)
    assert away.max() <= np.sqrt(0.5) * 2 / IMAGE
    assert np.abs(actions).max() <= 1


def test_a_restored_state_gives_the_same_bits(world):
    world.reset(seed=2)
    actions = uniform_actions(world, 2, 4)
    for action in actions[:2]:
        world.step(action)
    state = world.get_state()
    first = [world.step(action)[0] for action in actions[2:]]
    world.set_state(state)
    for action, observation in zip(actions[2:], first):
        assert_equal(world.step(action)[0], observation)


@both
@pytest.mark.parametrize("randomize", ["none", "step"])
def test_a_seed_gives_the_same_bits_after_another_episode(kind, randomize):
    used, fresh = kind(randomize=randomize), kind(randomize=randomize)
    used.reset(seed=8)
    for action in uniform_actions(used, 8, 2):
        used.step(action)
    assert_equal(used.reset(seed=5)[0], fresh.reset(seed=5)[0])
    for action in uniform_actions(used, 5, 2):
        assert_equal(used.step(action)[0], fresh.step(action)[0])


@both
def test_randomization_draws_look_and_physics_at_each_step(kind):
    world = kind(randomize="step")
    world.reset(seed=0)
    nominal = world.nominal.body_mass[1]
    masses, looks = set(), set()
    for _ in range(3):
        world.step(np.zeros(2 + kind.COORDINATES))
        masses.add(float(world.model.body_mass[1]))
        looks.add(world.look)
    assert len(masses) == len(looks) == 3
    assert all(0.7 * nominal <= mass <= 1.5 * nominal for mass in masses)
    for _ in range(20):
        drawn = world.sample_domain()
        arrays = {name: value if name == "grain_seed" else np.asarray(value) for name, value in drawn.items()}
        assert world.domain_space.contains(arrays)


def test_randomization_can_be_off_or_once_an_episode(rope):
    rope.reset(seed=0)
    assert rope.look == Look()
    assert (rope.model.opt.viscosity, rope.model.body_mass[1]) == (1.2, pytest.approx(0.008))
    constant = Rope(randomize="trajectory")
    constant.reset(seed=0)
    look, points = constant.look, constant.points
    constant.step(np.zeros(4))
    assert constant.look == look != Look()
    assert constant.points == pytest.approx(points, abs=2e-3)


def test_observations_do_not_show_the_arrow(world):
    world.reset(seed=0)
    observation, *_ = world.step(np.array([0.0, 0.0, 0.5, 0.5, 0.5])[: 2 + world.COORDINATES])
    np.testing.assert_array_equal(observation["pixels"], world.picture(world.points, world.look, IMAGE))
    frame = world.render()
    assert frame.shape == (480, 480, 3)
    assert not np.array_equal(frame, world.picture(world.points, world.look, 480))


@pytest.mark.parametrize(
    ("kind", "settings", "sentence"),
    [
        (Rope, {"goal": "horizntal"}, "Did you mean horizontal"),
        (Cloth, {"goal": "flatt"}, "Did you mean flat"),
        (Rope, {"randomize": "always"}, "take none, trajectory or step"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_fix(kind, settings, sentence):
    with pytest.raises(UserError, match=sentence):
        kind(**settings)


def test_an_unknown_goal_of_an_episode_is_refused(rope):
    with pytest.raises(UserError, match="There is no goal"):
        rope.reset(options={"goal": "flat"})


def test_watch_is_called_after_every_pull(rope):
    rope.reset(seed=0)
    seen = []
    rope.watch = lambda: seen.append(rope.points)
    rope.step(np.array([0.0, 0.0, 1.0, 0.0]))
    rope.watch = None
    assert len(seen) == 10
    assert not np.array_equal(seen[0], seen[-1])
