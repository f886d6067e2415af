"""Acting by search in the latent space: the contracts of planners and objectives (`base`)."""

from reverie.planning.base import Objective, Planner, Score

__all__ = ["Objective", "Planner", "Score"]
