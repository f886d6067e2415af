"""Every learner keeps the contract, in the words of `reverie.testing`."""

import pytest

from reverie.config.files import decode, encode
from reverie.learners import LearnerConfig
from reverie.planning.actor import PlanningConfig
from reverie.testing import check_learner

CONFIGS = [config() for config in LearnerConfig.choices().values() if config is not PlanningConfig]
"""A planner acts without learning anything of its own; its tests are those of actors."""


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
@pytest.mark.slow
def test_learners_keep_the_contract(config):
    assert check_learner(config) == []


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
def test_a_config_survives_being_saved(config):
    assert decode(LearnerConfig, encode(config)) == config
