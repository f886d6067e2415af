"""How fast a run is on this machine: a few of its decisions and updates are made and timed, and thrown away."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

from reverie.data.chunks import bytes_per_decision
from reverie.runs.base import Reporter
from reverie.runs.config import OnlineConfig, check_consistent
from reverie.runs.interrupt import StopRequest
from reverie.runs.online import OnlineRun, updates_after
from reverie.types import Metrics

UPDATES, SECONDS = 4, 6.0
"""Updates that are made, the first of which is not timed, and seconds after which no further one begins."""


@dataclass(frozen=True)
class Speed:
    """What was measured, and what follows for the whole run."""

    config: OnlineConfig
    decision: float
    """Seconds of a decision: the policy's choice, the environment's step and the observation."""
    update: float
    """Seconds of an update."""
    replay_bytes: int
    """What the replay will take."""

    @property
    def updates(self) -> int:
        """Updates of the whole run."""
        return self.updates_of(self.config.training.frames)

    def updates_of(self, frames: int) -> int:
        """Return the updates within so many frames."""
        decisions = max(0, frames - self.config.training.prefill) // self.config.env.repeat
        return updates_after(self.config.training, decisions)

    def seconds(self, frames: int | None = None) -> float:
        """Return how long these frames take, all by default, without evaluations."""
        frames = self.config.training.frames if frames is None else frames
        return frames / self.config.env.repeat * self.decision + self.updates_of(frames) * self.update

    def frames_in(self, seconds: float) -> int:
        """Return how many frames this time allows, to two digits."""
        low, high = 0, 2**40
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.seconds(middle) <= seconds else (low, middle)
        unit = 10 ** max(0, len(str(low)) - 2)
        return low // unit * unit


class _Unheard(Reporter):
    """Reports nothing: there is no log."""

    def episode(self, undiscounted_return: float, decisions: int) -> None:
        pass


def measure(config: OnlineConfig) -> Speed:
    """Play one environment by the untrained policy until a sequence is recorded, and make a few updates.

    Episodes are cut short for it. The run itself is not touched, and no random number of it is used. UserError for
    settings that contradict each other.
    """
    check_consistent(config)
    training, env, length = config.training, config.env, config.training.length
    limit = length * env.repeat if env.time_limit is None else min(env.time_limit, length * env.repeat)
    trial = replace(
        config,
        env=replace(env, time_limit=limit, count=1, workers=False),
        replay=replace(config.replay, capacity=8 * length, windows="anywhere"),
        training=replace(training, prefill=0, pretrain=UPDATES, ratio=None, round=2**40, starts=1, minutes=None),
    )
    with TemporaryDirectory() as folder, closing(OnlineRun(trial, Path(folder))) as run:
        report, steps, updates = _Unheard(run, [], StopRequest()), [], []
        while run.learning_since < 0:
            steps.append(_timed(lambda: run.step(report)))
        began = time.monotonic()
        while len(updates) < UPDATES and (len(updates) < 2 or time.monotonic() - began < SECONDS):
            updates.append(_timed(lambda: _finish(run.update(*run.next_batch()))))
        in_turns = 1 if env.workers else env.count
        return Speed(
            config,
            decision=fmean(steps[1:]) * in_turns / env.count,
            update=median(updates[1:]),
            replay_bytes=config.replay.capacity * bytes_per_decision(run.spec),
        )


def _finish(metrics: Metrics) -> None:
    """Wait for a device that works by itself."""
    for value in metrics.values():
        value.item()


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
