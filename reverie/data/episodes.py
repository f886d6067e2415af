"""Whole episodes in memory: the steps of one environment until they can be handed to the replay."""

from dataclasses import dataclass, field

import numpy as np

from reverie.data.trajectories import Columns, Trajectory
from reverie.envs.base import Obs, Step


@dataclass
class Episode:
    """One episode so far, and the seed that it was reset with. There is one action fewer than there are steps."""

    seed: int
    steps: list[Step] = field(default_factory=list)
    actions: list[np.ndarray] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return bool(self.steps) and self.steps[-1].is_last

    @property
    def undiscounted_return(self) -> float:
        """The sum of rewards, in the environment's unit."""
        return float(sum(step.reward for step in self.steps))

    def columns(self) -> Columns:
        """Return a finished episode's columns."""
        actions, rewards = np.stack(self.actions), np.array([step.reward for step in self.steps])
        obs = stack_obs([step.obs for step in self.steps])
        return Trajectory(obs, actions, rewards, self.steps[-1].is_terminal).columns(actions)


def stack_obs(observations: list[Obs]) -> Obs:
    """Return several observations as one, with their number as the leading axis."""
    return {key: np.stack([obs[key] for obs in observations]) for key in observations[0]}
