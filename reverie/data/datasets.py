"""Recorded data to choose from. Adding some: a file with its config and class, and its config in this union."""

from reverie.data.agent_replay import AgentReplayConfig
from reverie.data.arrays import ArraysConfig
from reverie.data.dataset import DatasetConfig
from reverie.data.digits import DigitsConfig
from reverie.data.interaction import InteractionConfig
from reverie.data.minari import MinariConfig

RecordedConfig = DigitsConfig | InteractionConfig | AgentReplayConfig | DatasetConfig | MinariConfig | ArraysConfig

__all__ = ["RecordedConfig"]
