"""What a model learns from. Add recorded data by a file with its config, a `RecordedConfig`, and its class."""

from reverie.data import agent_replay, arrays, dataset, digits, interaction, lerobot, minari
from reverie.data.base import Recorded, RecordedConfig

__all__ = [
    "Recorded",
    "RecordedConfig",
    "agent_replay",
    "arrays",
    "dataset",
    "digits",
    "interaction",
    "lerobot",
    "minari",
]
