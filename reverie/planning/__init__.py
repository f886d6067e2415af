"""Acting by search in the latent space. Adding a planner: a file with its config, a `PlannerConfig`, and its class."""

from reverie.planning import cem, gradient, mppi, random_shooting
from reverie.planning.base import Planner, PlannerConfig, Score

__all__ = ["Planner", "PlannerConfig", "Score", "cem", "gradient", "mppi", "random_shooting"]
