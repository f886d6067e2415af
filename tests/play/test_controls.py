"""What the actions mean to a person."""

from types import SimpleNamespace

import pytest

from reverie.play.controls import action_names, describe, directions
from reverie.spaces import ActionSpace


@pytest.mark.parametrize(
    ("name", "keys"),
    [("left", ["left"]), ("upleftfire", ["left", "up", "fire"]), ("noop", []), ("choice 3", None), ("nothing", [])],
)
def test_a_name_means_keys(name, keys):
    assert directions(name) == keys


def test_an_environment_names_its_own_actions():
    game = SimpleNamespace(unwrapped=SimpleNamespace(get_action_meanings=lambda: ["NOOP", "FIRE"]))
    assert action_names("ALE/Pong-v5", game, ActionSpace(2, discrete=True)) == ["noop", "fire"]
    assert action_names("CartPole-v1", None, ActionSpace(2, discrete=True)) == ["left", "right"]
    assert action_names("CartPole-v1", None, ActionSpace(3, discrete=True)) == ["choice 1", "choice 2", "choice 3"]
    assert action_names("mine:Robot-v0", None, ActionSpace(1, discrete=False)) == ["action 1"]


def test_rope_and_cloth_are_dragged():
    assert describe("reverie/Rope-v0", None, ActionSpace(4, discrete=False))["drag"] == 8
    assert describe("Pendulum-v1", None, ActionSpace(1, discrete=False))["drag"] is None


def test_a_drag_across_the_picture_is_as_long_as_it_looks():
    pytest.importorskip("mujoco")
    from reverie_worlds.cloth import Cloth
    from reverie_worlds.deformable import TABLE
    from reverie_worlds.rope import Rope

    for env_id, world in (("reverie/Rope-v0", Rope), ("reverie/Cloth-v0", Cloth)):
        size = world().action_space.shape[0]
        assert describe(env_id, None, ActionSpace(size, discrete=False))["drag"] == pytest.approx(TABLE / world.reach)
