"""The collection loop: play environments one decision at a time and return whole episodes.

Training, evaluation and data collection all play through `Collector.step`. Each episode has a seed of its own, derived
from the run's seed. An unfinished episode is saved as its seed and actions, and restored by playing it again.
"""

import warnings
import zlib
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
import torch

from reverie.data.episodes import Episode, stack_obs
from reverie.envs.base import Environments, Obs, Step, own_samplers

Act = Callable[[Obs, np.ndarray], np.ndarray]
"""Maps observations (count, ...) and `is_first` (count,) to actions (count, A)."""


def fingerprint(step: Step) -> int:
    """Return a checksum of the reward and all observations."""
    arrays = [np.float64(step.reward), *(value for _, value in sorted(step.obs.items()))]
    return zlib.crc32(b"".join(array.tobytes() for array in arrays))


def random_actions(environments: Environments, *generators: torch.Generator) -> np.ndarray:
    """Draw a random action for each environment, (count, A), by one generator for all or by one for each.

    The environment's own `sample_actions` draws it, if there is one. Otherwise it is uniform in the normal form. It is
    zero if a worker died, because no step follows.
    """
    space, each = environments.spec.action, list(zip(range(environments.count), cycle(generators)))
    if (sample := own_samplers(environments)) is not None:
        seeds = {i: int(torch.randint(2**31, (1,), generator=generator)) for i, generator in each}
        dead = np.zeros((1, space.size), np.float32)
        return np.concatenate([dead if actions is None else actions for actions in sample(1, seeds).values()])
    uniform = torch.cat([torch.rand(1, space.size, generator=generator) for _, generator in each]).numpy()
    return np.eye(space.size, dtype=np.float32)[uniform.argmax(-1)] if space.discrete else 2 * uniform - 1


class Collector:
    """Plays `environments` in lock step. `stream` keeps the seeds of training and evaluation apart.

    With `alike`, the n-th episode has the same seed in each environment, to compare policies.
    """

    def __init__(self, environments: Environments, seed: int, stream: int = 0, alike: bool = False) -> None:
        self.environments, self.seed, self.stream, self.alike = environments, seed, stream, alike
        self.started = [0] * environments.count
        """The number of episodes that were started in each environment."""
        self.episodes = [Episode(0) for _ in range(environments.count)]
        self.frames = [0] * environments.count
        """Environment frames that the newest decision took in each environment."""

    def waiting(self) -> list[int]:
        """Return the environments without a running episode."""
        return [i for i, episode in enumerate(self.episodes) if not episode.steps or episode.finished]

    def begin(self) -> None:
        """Reset each environment without a running episode."""
        seeds = {}
        for i in self.waiting():
            sequence = np.random.SeedSequence([self.seed, self.stream, 0 if self.alike else i, self.started[i]])
            seeds[i] = int(sequence.generate_state(1)[0] >> 1)
            self.started[i] += 1
        if seeds:
            for i, step in self.environments.reset(seeds).items():
                self.episodes[i] = Episode(seeds[i], [step])  # others begin with the next step

    def observations(self) -> tuple[Obs, np.ndarray]:
        """Return the newest observation of each environment, and whether it begins an episode."""
        newest = [episode.steps[-1] for episode in self.episodes]
        return stack_obs([step.obs for step in newest]), np.array([step.is_first for step in newest])

    def step(self, act: Act) -> list[Episode]:
        """Play one decision in each environment, and return the episodes that it finished.

        If a worker died, its unfinished episode is discarded and a new one begins. It has the same seed if `alike`.
        """
        self.begin()
        actions = act(*self.observations())
        return self._record(actions, self.environments.step(dict(enumerate(actions))))

    def send(self, actions: np.ndarray) -> None:
        """Begin to play actions (count, A), one in each environment, which all have a running episode."""
        self.environments.send(dict(enumerate(actions)))

    def receive(self, actions: np.ndarray) -> list[Episode]:
        """Record the outcome of the actions that were sent, and return the episodes that they finished."""
        return self._record(actions, self.environments.receive())

    def _record(self, actions: np.ndarray, steps: dict[int, Step | None]) -> list[Episode]:
        finished = []
        for i, step in steps.items():
            episode, repeat = self.episodes[i], self.environments.spec.repeat
            self.frames[i] = repeat if step is None or step.frames is None else step.frames
            if step is None:
                self.episodes[i] = Episode(0)
                self.started[i] -= self.alike
                continue
            if step.is_first:  # it has begun its own episode, and ignored the action
                self.episodes[i] = Episode(0, [step])
                continue
            episode.actions.append(np.array(actions[i], np.float32))
            episode.steps.append(step)
            if step.is_last:
                finished.append(episode)
        return finished

    def state(self) -> dict[str, Any]:
        """Return what restores the unfinished episodes: seeds, actions and fingerprints."""
        return {
            "started": list(self.started),
            "seeds": [episode.seed for episode in self.episodes],
            "begun": [bool(episode.steps) and not episode.finished for episode in self.episodes],
            "actions": [[action.tolist() for action in episode.actions] for episode in self.episodes],
            "fingerprints": [[fingerprint(step) for step in episode.steps] for episode in self.episodes],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Play the unfinished episodes again, in a new collector. Discard one that differs now, with a warning."""
        self.started = list(state["started"])
        if getattr(self.environments, "together", False):
            if any(state["begun"]):
                warnings.warn("A batch begins new episodes: the unfinished ones are discarded.", stacklevel=2)
            return
        for i in np.flatnonzero(state["begun"]).tolist():
            seed = state["seeds"][i]
            episode = Episode(seed, [self.environments.reset({i: seed})[i]])
            for numbers in state["actions"][i]:
                action = np.array(numbers, np.float32)
                step = self.environments.step({i: action})[i]
                if step is None or step.is_last:
                    break
                episode.actions.append(action)
                episode.steps.append(step)
            if [fingerprint(step) for step in episode.steps] == state["fingerprints"][i]:
                self.episodes[i] = episode
            else:
                warnings.warn(
                    f"Environment {i} does not repeat itself from the same seed and actions: its unfinished episode "
                    "is discarded, and the run goes on with a new one.",
                    stacklevel=2,
                )
