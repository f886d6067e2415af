"""Latent models under one contract. Adding one: a file with its config, a `DynamicsConfig`, and its class."""

from reverie.dynamics import block_rssm, deterministic, rssm
from reverie.dynamics.base import Dynamics, DynamicsConfig

__all__ = ["Dynamics", "DynamicsConfig", "block_rssm", "deterministic", "rssm"]
