"""Learners improve a policy. To add one, write a file with its config, a `LearnerConfig`, and its class."""

from reverie.learners import actor_critic, evolution, joint_actor_critic
from reverie.learners.base import JointLearner, Learner, LearnerConfig

__all__ = ["JointLearner", "Learner", "LearnerConfig", "actor_critic", "evolution", "joint_actor_critic"]
