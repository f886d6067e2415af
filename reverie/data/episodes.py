"""Whole episodes in memory: the steps of one environment until they can be handed to the replay."""

from dataclasses import dataclass, field

import numpy as np

from reverie.envs.base import Obs, Step


@dataclass
class Episode:
    """The columns of one episode so far, and the seed that it was reset with.

    There is one action fewer than there are steps until the episode ends.
    """

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

    def columns(self) -> dict[str, np.ndarray]:
        """Arrays with leading axis T, by replay name; the action at the last step is zero."""
        action = np.stack([*self.actions, np.zeros_like(self.actions[0])])
        return {
            **{f"obs/{key}": np.stack([step.obs[key] for step in self.steps]) for key in self.steps[0].obs},
            "action": action.astype(np.float32),
            "reward": np.array([step.reward for step in self.steps], np.float32),
            "is_first": np.array([step.is_first for step in self.steps]),
            "is_last": np.array([step.is_last for step in self.steps]),
            "is_terminal": np.array([step.is_terminal for step in self.steps]),
        }


def stack_obs(observations: list[Obs]) -> Obs:
    """Observations of several environments as one, leading axis their number."""
    return {key: np.stack([obs[key] for obs in observations]) for key in observations[0]}
