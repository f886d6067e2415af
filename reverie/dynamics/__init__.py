"""Latent models under one contract. Adding one: a file with its config and class, and its config in this union."""

from reverie.dynamics.base import Dynamics
from reverie.dynamics.deterministic import DeterministicConfig
from reverie.dynamics.rnn import RNNConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.dynamics.ssm import SSMConfig

DynamicsConfig = RSSMConfig | SSMConfig | RNNConfig | DeterministicConfig

__all__ = ["Dynamics", "DynamicsConfig"]
