"""Random trajectories by number: each a function of the environment, the seed and its own number alone.

So it does not matter which process plays which, or what was played before.
"""

import os
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from multiprocessing.util import Finalize
from threading import Thread

import numpy as np
import torch

from reverie import envs
from reverie.data.collector import Collector, random_actions
from reverie.data.episodes import Episode
from reverie.envs.base import EnvConfig
from reverie.envs.vector import inherited_by_a_worker
from reverie.errors import UserError

STREAM = 3
"""Of the collector's seeds; of the actions' it is one more."""

Columns = dict[str, np.ndarray]
"""A trajectory by replay name, leading axis T."""


def cores() -> int:
    """How many processes this one may keep busy."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Player:
    """One environment and whoever acts at random in it; `close` it."""

    def __init__(self, config: EnvConfig, seed: int) -> None:
        self.environments = envs.make_many(config)
        self.collector = Collector(self.environments, seed, STREAM)

    def play(self, number: int, stop: Event | None = None) -> Columns:
        """Trajectory `number`: random actions, legal ones where the environment knows which are, until its end.

        Once `stop` is set it is given up, and what has been played is returned.
        """
        noise = np.random.SeedSequence([self.collector.seed, STREAM + 1, number]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(noise >> 1))
        self.collector.started, self.collector.episodes = [number], [Episode(0)]
        finished: list[Episode] = []
        while not finished and not (stop and stop.is_set()):
            finished = self.collector.step(lambda obs, is_first: random_actions(self.environments, generator))
        return finished[0].columns() if finished else {}

    def close(self) -> None:
        self.environments.close()


def played(config: EnvConfig, seed: int, first: int, workers: int) -> Generator[Columns, None, None]:
    """The trajectories `first`, `first + 1`, ... in order and without end; `workers` processes play ahead. Close it."""
    if workers == 1:
        player = Player(config, seed)
        try:
            for number in count(first):
                yield player.play(number)
        finally:
            player.close()
    else:
        yield from _played_ahead(config, seed, first, workers)


def _played_ahead(config: EnvConfig, seed: int, first: int, workers: int) -> Generator[Columns, None, None]:
    context = get_context("spawn")  # forked copies of torch, OpenGL and their threads hang
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, context, _begin, (config, seed, stop))
    numbers = count(first)

    def ask() -> Future[Columns]:
        with inherited_by_a_worker():
            return pool.submit(_play, next(numbers))

    try:
        asked = deque(ask() for _ in range(2 * workers))
        while True:
            columns = asked.popleft().result()
            asked.append(ask())
            yield columns
    except BrokenProcessPool as error:
        raise UserError(
            f"A process that played {config.id} died: the same command goes on where this one stood; if it dies again,"
            " take --workers 1 to see why."
        ) from error
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


_ASSIGNMENT: tuple[EnvConfig, int, Event]
"""What a worker process plays, and when it is to stop."""
_PLAYER: list[Player] = []
"""The worker's own, once it has begun."""


def _begin(*assignment: object) -> None:
    global _ASSIGNMENT
    _ASSIGNMENT = assignment  # type: ignore[assignment]
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """A pool's process would otherwise wait for ever for a parent that was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _play(number: int) -> Columns:
    config, seed, stop = _ASSIGNMENT
    if not _PLAYER:
        import cv2

        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        _PLAYER.append(Player(config, seed))
        Finalize(None, _PLAYER[0].close, exitpriority=10)
    try:
        return _PLAYER[0].play(number, stop)
    except UserError:
        raise
    except Exception as error:  # not every exception survives the way to the parent
        raise RuntimeError(f"Trajectory {number} of {config.id} failed: {type(error).__name__}: {error}") from None
