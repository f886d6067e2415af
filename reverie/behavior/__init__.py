"""Who improves a policy. Adding a learner: a file with its config and class, and its config in this union."""

from reverie.behavior.actor_critic import ActorCriticConfig

LearnerConfig = ActorCriticConfig

__all__ = ["LearnerConfig"]
