"""Who improves a policy. Adding a learner: a file with its config and class, and its config in this union."""

from reverie.behavior.actor_critic import ActorCriticConfig
from reverie.behavior.base import Learner
from reverie.behavior.evolution import EvolutionConfig
from reverie.planning.planning_actor import PlanningConfig

LearnerConfig = ActorCriticConfig | EvolutionConfig | PlanningConfig

__all__ = ["Learner", "LearnerConfig"]
