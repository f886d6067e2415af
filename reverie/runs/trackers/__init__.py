"""Trackers, which show the log of a run elsewhere. A file is a tracker; a plug-in may bring others."""

from reverie.runs.trackers.base import LogConfig as LogConfig
from reverie.runs.trackers.tensorboard import TensorBoardConfig as TensorBoardConfig
from reverie.runs.trackers.trackio import TrackioConfig as TrackioConfig
from reverie.runs.trackers.wandb import WandbConfig as WandbConfig
