"""Acting by search in the latent space. Adding a planner: a file with its config, a `PlannerConfig`, and its class.

A planner knows no model and an objective no planner (`base`).
"""

from reverie.planning import cem, gradient, mppi, random_shooting, refined
from reverie.planning.base import Objective, Planner, PlannerConfig, Score

__all__ = [
    "Objective",
    "Planner",
    "PlannerConfig",
    "Score",
    "cem",
    "gradient",
    "mppi",
    "random_shooting",
    "refined",
]
