"""Reverie: learn from pixels how a world moves, and act by planning or practicing inside the learned model.

import reverie

agent = reverie.load("runs/demo")          # a trained run's folder
carry, action = agent.act(None, obs)       # one observation or a batch
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reverie.agents.agent import Agent, load, replan, towards
    from reverie.errors import UserError
    from reverie.recipes import build as recipe
    from reverie.runs.config import OnlineConfig
    from reverie.runs.loop import resume, train

__all__ = ["Agent", "OnlineConfig", "UserError", "load", "recipe", "replan", "resume", "towards", "train"]

_PLACES = {
    "Agent": ("reverie.agents.agent", "Agent"),
    "OnlineConfig": ("reverie.runs.config", "OnlineConfig"),
    "UserError": ("reverie.errors", "UserError"),
    "load": ("reverie.agents.agent", "load"),
    "recipe": ("reverie.recipes", "build"),
    "replan": ("reverie.agents.agent", "replan"),
    "towards": ("reverie.agents.agent", "towards"),
    "resume": ("reverie.runs.loop", "resume"),
    "train": ("reverie.runs.loop", "train"),
}


def __getattr__(name: str) -> Any:
    """Import on first use: `import reverie` takes milliseconds, and a command that needs no torch never loads it."""
    if name not in _PLACES:
        raise AttributeError(f"module 'reverie' has no attribute '{name}'")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)
