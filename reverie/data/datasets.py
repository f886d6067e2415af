"""Recorded data to choose from. Adding some: a file with its config and class, and its config in this union."""

from reverie.data.dataset import DatasetConfig
from reverie.data.digits import DigitsConfig
from reverie.data.interaction import InteractionConfig
from reverie.data.replayed import ReplayedConfig

RecordedConfig = DigitsConfig | InteractionConfig | ReplayedConfig | DatasetConfig

__all__ = ["RecordedConfig"]
