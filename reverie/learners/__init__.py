"""Learners improve a policy. To add one, write a file with its config, a `LearnerConfig`, and its class."""

from reverie.learners import actor_critic, evolution
from reverie.learners.base import Learner, LearnerConfig

__all__ = ["Learner", "LearnerConfig", "actor_critic", "evolution"]
