"""Every family of environments keeps the contract."""

import pytest
from dmc_needed import needs_dmc, needs_mujoco

from reverie.envs import FAMILIES, EnvConfig
from reverie.testing.environments import REMARK, check_environment

CASES = {
    "pendulum pixels": EnvConfig("Pendulum-v1", time_limit=9, repeat=2),
    "pendulum state": EnvConfig("Pendulum-v1", observe=("state",), time_limit=20),
    "cartpole": EnvConfig("CartPole-v1", observe=("pixels", "state"), image_size=32),
    "limit above the environment's own": EnvConfig("counting_worlds:Choices-v0", observe=("all",), time_limit=120),
    "discrete observations": EnvConfig("Taxi-v4", observe=("state",), time_limit=20),
    "counting": EnvConfig("counting_worlds:Counting-v0", observe=("pixels", "state"), repeat=2),
    "legal": EnvConfig("counting_worlds:Legal-v0", observe=("state",)),
    "legal choices": EnvConfig("counting_worlds:Odd-v0", observe=("chosen",)),
    "a batch": EnvConfig("vector/CartPole-v1", observe=("state",), time_limit=20),
}
DEFORMABLE_CASES = {
    "rope": EnvConfig("reverie/Rope-v0", observe=("pixels", "goal"), time_limit=3),
    "rope random": EnvConfig("reverie/Rope-v0", ("all",), kwargs=("goal=45", "randomize=step"), time_limit=3),
    "cloth": EnvConfig("reverie/Cloth-v0", observe=("pixels", "goal"), time_limit=2),
    "cloth random": EnvConfig("reverie/Cloth-v0", ("all",), kwargs=("goal=flat", "randomize=trajectory"), time_limit=2),
}
DMC_CASES = {
    "dmc stock": EnvConfig("dm_control/cartpole-swingup-v0", time_limit=5, repeat=2, image_size=32),
    "dmc fast": EnvConfig("dm_control/walker-walk-v0", time_limit=19, repeat=2, rendering="fast"),
    "dmc state": EnvConfig("dm_control/reacher-hard-v0", observe=("state", "position"), repeat=2),
    "dmc random model": EnvConfig("dm_control/point_mass-hard-v0", observe=("all",), time_limit=50),
    "dmc random ground": EnvConfig("dm_control/quadruped-escape-v0", time_limit=2, rendering="fast"),
    "dmc with an end": EnvConfig("dm_control/lqr-lqr_2_1-v0", observe=("all",), time_limit=300),
}
ATARI_CASES = {
    "atari": EnvConfig("ALE/Boxing-v5", repeat=4, time_limit=300),
    "atari in color": EnvConfig(
        "ALE/Breakout-v5", repeat=3, image_size=32, kwargs=("grayscale=false", "full_actions=false"), time_limit=400
    ),
    "atari, a life": EnvConfig("ALE/Breakout-v5", repeat=4, kwargs=("life_loss=true", "sticky=0", "noops=0")),
}
MINATAR_CASES = {
    "minatar": EnvConfig("MinAtar/Breakout-v1", image_size=10),
    "minatar, all actions": EnvConfig("MinAtar/Seaquest-v0", image_size=20, repeat=2),
    "minatar, shrunk": EnvConfig("MinAtar/Seaquest-v1", image_size=8, time_limit=60),
    "minatar cut short": EnvConfig("MinAtar/Freeway-v1", image_size=16, time_limit=30),
}


@pytest.mark.parametrize("config", CASES.values(), ids=CASES)
def test_gymnasium(config):
    assert_sound(config)


@needs_mujoco()
@pytest.mark.parametrize("config", DEFORMABLE_CASES.values(), ids=DEFORMABLE_CASES)
def test_rope_and_cloth(config):
    assert_sound(config)


@pytest.mark.slow
@needs_dmc()
@pytest.mark.parametrize("config", DMC_CASES.values(), ids=DMC_CASES)
def test_deepmind_control(config):
    assert_sound(config)


@pytest.mark.slow
@pytest.mark.parametrize("config", ATARI_CASES.values(), ids=ATARI_CASES)
def test_atari(config):
    pytest.importorskip("ale_py")
    assert_sound(config)


@pytest.mark.parametrize("config", MINATAR_CASES.values(), ids=MINATAR_CASES)
def test_minatar(config):
    pytest.importorskip("minatar")
    assert_sound(config)


def test_every_family_has_a_case():
    cases = [*CASES.values(), *DMC_CASES.values(), *ATARI_CASES.values(), *MINATAR_CASES.values()]
    for family in FAMILIES:
        assert any(family.matches(config.id) for config in cases)


def assert_sound(config):
    faults = [sentence for sentence in check_environment(config, episodes=2) if not sentence.startswith(REMARK)]
    assert faults == []
