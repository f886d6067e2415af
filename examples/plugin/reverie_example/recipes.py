"""PlaNet with this package's dynamics and planner."""

from dataclasses import replace

from reverie.planning.actor import PlanningConfig
from reverie.recipes import build, recipe
from reverie.runs.config import OnlineConfig
from reverie_example.dynamics import ObserverConfig
from reverie_example.planner import HillClimbingConfig


@recipe
def observer_planet(size: str, env_id: str | None) -> OnlineConfig:
    """PlaNet with an observer in place of the RSSM, planning by hill climbing, on `example/Point-v0`."""
    base = build("planet", size, env_id or "example/Point-v0")
    assert isinstance(base, OnlineConfig)
    model = replace(base.model, dynamics=ObserverConfig())
    planning = PlanningConfig(HillClimbingConfig())
    return replace(base, recipe="observer_planet", model=model, behavior=planning)
