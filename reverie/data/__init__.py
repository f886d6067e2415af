"""What a model learns from. Adding recorded data: a file with its config, a `RecordedConfig`, and its class."""

from reverie.data import agent_replay, arrays, dataset, digits, interaction, minari
from reverie.data.base import Recorded, RecordedConfig, Source

__all__ = [
    "Recorded",
    "RecordedConfig",
    "Source",
    "agent_replay",
    "arrays",
    "dataset",
    "digits",
    "interaction",
    "minari",
]
