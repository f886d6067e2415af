"""Agents: actors and the policy networks; acting, saving and loading. An actor's file is imported here."""

from reverie.agents import policies
from reverie.agents.base import Actor, ActorConfig

__all__ = ["Actor", "ActorConfig", "policies"]
