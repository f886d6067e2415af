"""The world that needs memory."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from reverie_worlds.curtain import FORK_STEP, HIDDEN_ROWS, LANDING_ROW, START_ROW, STEPS, Curtain, picture
from studies.dynamics.baselines import baseline_returns


def test_it_is_a_sound_gymnasium_environment():
    gymnasium.register("Curtain-test-v0", Curtain)
    check_env(gymnasium.make("Curtain-test-v0").unwrapped, skip_render_check=True)


def test_the_ball_forks_both_ways_then_falls_straight():
    world, jumps = Curtain(), set()
    for seed in range(20):
        world.reset(seed=seed)
        columns = [world.column]
        for _ in range(STEPS):
            _, reward, ended, truncated, _ = world.step(np.zeros(1, np.float32))
            columns.append(world.column)
            assert (ended, truncated) == (world.row == LANDING_ROW, False)
            assert ended or reward == 0
        assert reward == max(0, 1 - abs(world.paddle - world.column) / 4)
        assert len(set(columns[:FORK_STEP])) == len(set(columns[FORK_STEP:])) == 1
        jumps.add(columns[FORK_STEP] - columns[0])
    assert jumps == {-3, 3}


def test_no_image_shows_where_the_hidden_ball_is():
    for row in HIDDEN_ROWS:
        assert np.array_equal(picture(row, 3, 7.5), picture(row, 12, 7.5))
    assert not np.array_equal(picture(START_ROW, 3, 7.5), picture(START_ROW, 12, 7.5))
    assert not np.array_equal(picture(LANDING_ROW, 3, 7.5), picture(LANDING_ROW, 12, 7.5))


def test_the_paddle_moves_within_the_picture():
    world = Curtain("rgb_array")
    world.reset(seed=0)
    world.step(np.array([-0.5], np.float32))
    assert world.paddle == pytest.approx(7.5 - 0.55)
    for _ in range(STEPS - 1):
        world.step(np.array([-9.0], np.float32))
    assert world.paddle == 1.5
    assert world.render().shape == (256, 256, 3)


def test_memory_is_worth_most_of_the_reward():
    returns = baseline_returns(episodes=100)
    assert returns["perfect"] > 0.95
    assert returns["random"] < returns["forgetful"] + 0.05 < 0.5
