"""The collection loop: play environments one decision at a time and return whole episodes.

Training, evaluation and data collection all play through `Collector.step`. Every episode has a seed of its own, derived
from the run's. So an unfinished episode is saved as its seed and actions, and restored by playing them again.
"""

import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from reverie.data.episodes import Episode, stack_obs
from reverie.envs.base import Environments, Obs, SampleManyActions, Step, own_samplers
from reverie.spaces import ActionSpace

Act = Callable[[Obs, np.ndarray], np.ndarray]
"""Observations (count, ...) and `is_first` (count,) to actions (count, A)."""


def fingerprint(step: Step) -> int:
    """Return a checksum of the reward and everything observed."""
    crc = zlib.crc32(np.float64(step.reward).tobytes())
    for _, value in sorted(step.obs.items()):
        crc = zlib.crc32(value.tobytes(), crc)
    return crc


def random_action(space: ActionSpace, count: int, generator: torch.Generator) -> np.ndarray:
    """Draw uniform actions in the normal form, (count, A)."""
    uniform = torch.rand(count, space.size, generator=generator).numpy()
    if space.discrete:
        return np.eye(space.size, dtype=np.float32)[uniform.argmax(-1)]
    return 2 * uniform - 1


def random_actions(environments: Environments, generator: torch.Generator) -> np.ndarray:
    """Draw a random action for each environment, (count, A): by its own `sample_actions` if it has it, else uniform."""
    sample = own_samplers(environments)
    if sample is None:
        return random_action(environments.spec.action, environments.count, generator)
    seeds = torch.randint(2**31, (environments.count,), generator=generator).tolist()
    return sampled_actions(sample, environments, dict(enumerate(seeds)))


def sampled_actions(sample: SampleManyActions, environments: Environments, seeds: dict[int, int]) -> np.ndarray:
    """Draw one action for each environment by its own `sample_actions`, (count, A); zeros where its worker died."""
    none = np.zeros((1, environments.spec.action.size), np.float32)  # there will be no step either
    return np.concatenate([none if actions is None else actions for actions in sample(1, seeds).values()])


class Collector:
    """Plays `environments` in lock step. `stream` keeps the seeds of training and evaluation apart.

    `alike`: the n-th episode has the same seed in every environment, to compare policies.
    """

    def __init__(self, environments: Environments, seed: int, stream: int = 0, alike: bool = False) -> None:
        self.environments, self.seed, self.stream, self.alike = environments, seed, stream, alike
        self.started = [0] * environments.count
        """Episodes started in each environment."""
        self.episodes: list[Episode] = [Episode(0) for _ in range(environments.count)]

    def _start(self, indices: list[int]) -> None:
        seeds = {}
        for i in indices:
            player = 0 if self.alike else i
            sequence = np.random.SeedSequence([self.seed, self.stream, player, self.started[i]])
            seeds[i] = int(sequence.generate_state(1)[0] >> 1)
            self.started[i] += 1
        for i, step in self.environments.reset(seeds).items():
            self.episodes[i] = Episode(seeds[i], [step])

    def begin(self) -> None:
        """Reset every environment in which no episode is running."""
        waiting = [i for i, episode in enumerate(self.episodes) if not episode.steps or episode.finished]
        if waiting:
            self._start(waiting)

    def observations(self) -> tuple[Obs, np.ndarray]:
        """Return the newest observation of each environment, and whether it begins an episode."""
        newest = [episode.steps[-1] for episode in self.episodes]
        return stack_obs([step.obs for step in newest]), np.array([step.is_first for step in newest])

    def step(self, act: Act) -> list[Episode]:
        """Play one decision in every environment, and return the episodes that it finished.

        Where a worker died, its unfinished episode is discarded and a new one begins, of the same seed if `alike`.
        """
        self.begin()
        actions = act(*self.observations())
        steps = self.environments.step(dict(enumerate(actions)))
        finished = []
        for i, step in steps.items():
            if step is None:
                self.episodes[i] = Episode(0)
                self.started[i] -= self.alike
                continue
            self.episodes[i].actions.append(np.array(actions[i], np.float32))
            self.episodes[i].steps.append(step)
            if step.is_last:
                finished.append(self.episodes[i])
        return finished

    def state(self) -> dict[str, Any]:
        """Return what restores the unfinished episodes: seeds and actions."""
        return {
            "started": list(self.started),
            "seeds": [episode.seed for episode in self.episodes],
            "begun": [bool(episode.steps) and not episode.finished for episode in self.episodes],
            "actions": [[a.tolist() for a in episode.actions] for episode in self.episodes],
            "fingerprints": [[fingerprint(step) for step in episode.steps] for episode in self.episodes],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Play the unfinished episodes again. One that differs now is discarded, with a warning."""
        self.started = list(state["started"])
        for i, begun in enumerate(state["begun"]):
            if not begun:
                continue
            self.episodes[i] = Episode(state["seeds"][i], [self.environments.reset({i: state["seeds"][i]})[i]])
            for action in state["actions"][i]:
                array = np.array(action, np.float32)
                step = self.environments.step({i: array})[i]
                if step is None or step.is_last:
                    break
                self.episodes[i].actions.append(array)
                self.episodes[i].steps.append(step)
            if [fingerprint(step) for step in self.episodes[i].steps] != state["fingerprints"][i]:
                warnings.warn(
                    f"Environment {i} does not repeat itself from the same seed and actions: its unfinished episode "
                    "is discarded, and the run goes on with a new one.",
                    stacklevel=2,
                )
                self.episodes[i] = Episode(0)
