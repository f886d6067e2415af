"""Who improves a policy. Adding a learner: a file with its config and class, and its config in this union."""

from reverie.learners.actor_critic import ActorCriticConfig
from reverie.learners.base import Learner
from reverie.learners.evolution import EvolutionConfig
from reverie.planning.actor import PlanningConfig

LearnerConfig = ActorCriticConfig | EvolutionConfig | PlanningConfig

__all__ = ["Learner", "LearnerConfig"]
