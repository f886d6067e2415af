"""Latent models under one contract. Adding one: a file with its config and class, and its config in this union."""

from reverie.dynamics.base import Dynamics
from reverie.dynamics.rssm import RSSMConfig

DynamicsConfig = RSSMConfig

__all__ = ["Dynamics", "DynamicsConfig"]
