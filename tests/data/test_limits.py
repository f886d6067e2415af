"""Impossible settings of recorded data are refused as soon as a config is made."""

import pytest

from reverie.data.agent_replay import AgentReplayConfig
from reverie.data.arrays import ArraysConfig
from reverie.data.dataset import DatasetConfig
from reverie.data.interaction import InteractionConfig
from reverie.data.minari import MinariConfig
from reverie.data.recording import collect
from reverie.envs.base import EnvConfig
from reverie.errors import UserError


@pytest.mark.parametrize(
    ("config", "settings", "sentence"),
    [
        (InteractionConfig, {"train": 0}, "`train` of Interaction is 0: it must be 1 or more."),
        (InteractionConfig, {"test": -1}, "`test` of Interaction is -1: it must be 1 or more."),
        (DatasetConfig, {"train": 0}, "`train` of Dataset is 0: it must be 1 or more, or none."),
        (ArraysConfig, {"held_out": 0.0}, "`held_out` of Arrays is 0.0: it must be between 0.001 and 0.5."),
        (MinariConfig, {"held_out": 0.6}, "`held_out` of Minari is 0.6: it must be between 0.001 and 0.5."),
        (AgentReplayConfig, {"held_out": 1.5}, "`held_out` of AgentReplay is 1.5: it must be between 0.001 and 0.5."),
    ],
)
def test_an_impossible_setting_is_one_sentence(config, settings, sentence):
    with pytest.raises(UserError) as error:
        config(**settings)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("transitions", "held_out", "sentence"),
    [(0, 0.1, "`transitions` is 0: it must be 1 or more"), (9, 0.0, "`held_out` is 0.0: it must be between")],
)
def test_a_collection_that_cannot_be_is_one_sentence(transitions, held_out, sentence, tmp_path):
    with pytest.raises(UserError, match=sentence):
        collect(EnvConfig("worlds:Slide-v0"), tmp_path / "data", transitions, held_out=held_out)
    assert not (tmp_path / "data").exists()
