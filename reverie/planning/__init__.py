"""Acting by search in the latent space. Adding a planner: a file with its config and class, a name below.

A planner knows no model and an objective no planner (`base`).
"""

from reverie.planning.base import Objective, Planner, Score
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.planning.gradient import GradientConfig
from reverie.planning.mppi import MPPIConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.planning.refined import CEMThenGradientConfig

PlannerConfig = CEMConfig | ICEMConfig | MPPIConfig | GradientConfig | CEMThenGradientConfig | RandomShootingConfig

__all__ = ["Objective", "Planner", "PlannerConfig", "Score"]
