"""Random trajectories by number. Each is a function of the environment, the seed and its number alone.

It does not depend on the number of processes, on the process that plays it, or on what was played before.
"""

import os
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from itertools import count

import numpy as np
import torch

from reverie.data.collector import Collector, random_actions
from reverie.data.replay import Columns
from reverie.envs import EnvConfig, make_many
from reverie.envs.base import Obs
from reverie.envs.vector import MAX_DEATHS
from reverie.errors import UserError

STREAM = 3
"""The stream of the collector's seeds. The stream of the actions' seeds is one more."""


def available_cores() -> int:
    """Return how many processes can run at once here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def random_trajectories(config: EnvConfig, seed: int, first: int, workers: int) -> Generator[Columns, None, None]:
    """Play the trajectories `first`, `first + 1`, ... without end, by `workers` processes, and yield them in order.

    A trajectory whose process dies is played again. UserError if that happens `MAX_DEATHS` times to one.
    """
    with closing(make_many(replace(config, count=workers, workers=workers > 1))) as environments:
        collector = Collector(environments, seed, STREAM, alike=True)
        playing, upcoming = list(range(first, first + workers)), count(first + workers)
        collector.started = list(playing)  # the collector derives an episode's seed from its number
        generators = [torch.Generator() for _ in playing]
        finished: dict[int, Columns] = {}
        deaths: Counter[int] = Counter()

        def act(_: Obs, is_first: np.ndarray) -> np.ndarray:
            for i in np.flatnonzero(is_first):
                sequence = np.random.SeedSequence([seed, STREAM + 1, playing[i]])
                generators[i].manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
            return random_actions(environments, *generators)

        while True:
            collector.step(act)
            for i, episode in enumerate(collector.episodes):
                if episode.finished:
                    finished[playing[i]] = episode.columns()
                    playing[i] = collector.started[i] = next(upcoming)
                elif not episode.steps:
                    deaths[playing[i]] += 1
                    if deaths[playing[i]] == MAX_DEATHS:
                        raise UserError(
                            f"The process that played trajectory {playing[i]} died {MAX_DEATHS} times: take --workers 1"
                            " to see why. The same command goes on from the last written trajectory."
                        )
            while first in finished:
                yield finished.pop(first)
                first += 1
