"""Every learner keeps the contract."""

import pytest

from reverie.agents.policies import PolicyConfig
from reverie.config.files import decode, encode
from reverie.learners import LearnerConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.learners.evolution import EvolutionConfig
from reverie.learners.joint_actor_critic import JointActorCriticConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.two_hot import TwoHotConfig
from reverie.planning.actor import PlanningConfig
from reverie.testing import check_learner

CONFIGS = [config() for config in LearnerConfig.choices().values() if config is not PlanningConfig]
"""A planner learns nothing of its own; its tests are those of actors."""

SMALL = PolicyConfig(MLPConfig(1, 8))


@pytest.mark.parametrize(
    ("config", "discrete"),
    [
        pytest.param(ActorCriticConfig(SMALL, SMALL.mlp, horizon=2), False, id="ActorCritic"),
        pytest.param(JointActorCriticConfig(SMALL, TwoHotConfig(SMALL.mlp), horizon=2), False, id="JointActorCritic"),
        pytest.param(EvolutionConfig(SMALL, population=8, starts=4, horizon=4), True, id="Evolution"),
    ],
)
def test_small_learners_keep_the_contract(config, discrete):
    assert check_learner(config, (discrete,)) == []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
@pytest.mark.slow
def test_learners_keep_the_contract(config):
    assert check_learner(config) == []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
def test_a_config_survives_being_saved(config):
    assert decode(LearnerConfig, encode(config)) == config
