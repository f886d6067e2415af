"""A plug-in of Reverie. Importing this package registers its parts."""

from reverie.envs import env_family
from reverie_example import dynamics, environment, frozen, planner, recipes

env_family(environment, environment.PointEnvironment)

__all__ = ["dynamics", "environment", "frozen", "planner", "recipes"]
