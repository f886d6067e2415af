"""Random trajectories by number: each a function of the environment, the seed and its own number alone.

So it does not matter how many processes play, which plays which, or what was played before.
"""

import os
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from itertools import count

import numpy as np
import torch

from reverie.data.collector import Collector, random_action, sampled_actions
from reverie.data.trajectories import Columns
from reverie.envs import EnvConfig, Environments, make_many
from reverie.envs.base import own_samplers
from reverie.envs.vector import MAX_DEATHS
from reverie.errors import UserError

STREAM = 3
"""Of the collector's seeds; of the actions' it is one more."""


def available_cores() -> int:
    """How many processes this one may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def random_trajectories(config: EnvConfig, seed: int, first: int, workers: int) -> Generator[Columns, None, None]:
    """Play the trajectories `first`, `first + 1`, ... in order and without end; `workers` processes play at once.

    Actions are random: the environment's own `sample_actions` if it has it, else uniform. A trajectory whose process
    dies is begun again. Raises UserError if that happens `MAX_DEATHS` times to one.
    """
    with closing(make_many(replace(config, count=workers, workers=workers > 1))) as environments:
        player = _Player(environments, seed, first)
        finished: dict[int, Columns] = {}
        for number in count(first):
            while number not in finished:
                finished |= player.step()
            yield finished.pop(number)


class _Player:
    """Plays numbered trajectories, one in each environment."""

    def __init__(self, environments: Environments, seed: int, first: int) -> None:
        self.environments, self.seed = environments, seed
        self.collector = Collector(environments, seed, STREAM, alike=True)
        self.numbers = count(first)
        self.playing = [next(self.numbers) for _ in range(environments.count)]
        self.collector.started = list(self.playing)  # the collector derives an episode's seed from it
        self.generators = [torch.Generator() for _ in self.playing]
        self.deaths: Counter[int] = Counter()

    def step(self) -> dict[int, Columns]:
        """Play one decision in every environment. Returns the trajectories that it finished, by number."""
        self.collector.step(self._act)
        finished = {}
        for i, episode in enumerate(self.collector.episodes):
            if episode.finished:
                finished[self.playing[i]] = episode.columns()
                self.playing[i] = next(self.numbers)
                self.collector.started[i] = self.playing[i]
            elif not episode.steps:
                self._count_death(self.playing[i])
        return finished

    def _act(self, _: object, is_first: np.ndarray) -> np.ndarray:
        for i in np.flatnonzero(is_first):
            noise = np.random.SeedSequence([self.seed, STREAM + 1, self.playing[i]]).generate_state(1, np.uint64)[0]
            self.generators[i].manual_seed(int(noise >> 1))
        sample, space = own_samplers(self.environments), self.environments.spec.action
        if sample is None:
            return np.concatenate([random_action(space, 1, generator) for generator in self.generators])
        seeds = {i: int(torch.randint(2**31, (1,), generator=each)) for i, each in enumerate(self.generators)}
        return sampled_actions(sample, self.environments, seeds)

    def _count_death(self, number: int) -> None:
        self.deaths[number] += 1
        if self.deaths[number] == MAX_DEATHS:
            raise UserError(
                f"The process that played trajectory {number} died {MAX_DEATHS} times: take --workers 1 to see why. The"
                " same command goes on where this one stood."
            )
