"""A budget of wall time: training ends early enough to be evaluated in it, and learning rates fall to zero until then.

The rates are those of the config, and over the last fifth of the training they fall linearly to zero. This is the
cooldown of Zhai 2022 ("Scaling Vision Transformers"). Hägele 2024 ("Scaling Laws and Compute-Optimal Training Beyond
Fixed Training Durations") found it as good as schedules that know their number of updates from the start.

Before the cooldown a run computes what it would without a budget. Within it the rates depend on the clock of the wall,
so two runs differ. A run that is resumed has the time that its last checkpoint had, whatever the machine or the pause,
and its rates follow from that time and the present budget. A larger budget raises them again.
"""

import math
import time

COOLDOWN = 0.2
"""The part of the training in which learning rates fall."""
AFTERWARDS = 10.0
"""Seconds for figures and films at the end, and for the start of Python."""
MOST_AFTERWARDS = 0.25
"""The largest part of a budget that is kept for what follows training."""


class TimeBudget:
    """The seconds that a run has trained in all its processes, and its budget of `minutes` if it has one."""

    def __init__(self, minutes: float | None) -> None:
        self.limit = math.inf if minutes is None else 60 * minutes
        self.before, self.began = 0.0, time.monotonic()
        """Seconds of earlier processes, and when this one began."""
        self.reserve = 0.0
        """Seconds that are kept for what follows training."""

    @property
    def limited(self) -> bool:
        return self.limit < math.inf

    @property
    def spent(self) -> float:
        """Seconds of training until now."""
        return self.before + time.monotonic() - self.began

    @property
    def left(self) -> float:
        """Seconds of training that are left, infinity without a budget."""
        return max(0.0, self.limit - self.reserve - self.spent)

    @property
    def share(self) -> float:
        """The part of the training that is over."""
        return 1 - self.left / (self.limit - self.reserve) if self.limited else 0.0

    @property
    def rate(self) -> float:
        """What learning rates are multiplied by now: 1, and in the cooldown linearly down to 0."""
        return cooldown(1 - self.share, COOLDOWN)

    def keep(self, evaluating: float | None, saving: float) -> None:
        """Keep seconds for the final evaluation, which takes about so many, and for saving. None changes nothing."""
        if evaluating is not None and self.limited:
            self.reserve = min(AFTERWARDS + 1.1 * evaluating + 2 * saving, MOST_AFTERWARDS * self.limit)

    def state(self) -> dict[str, float]:
        """Return what a checkpoint holds. A run that has ended by its budget is then over at once when resumed."""
        return {"spent": self.spent, "reserve": self.reserve}

    def load_state(self, state: dict[str, float]) -> None:
        """Go on from what `state` returned: the time between the two does not count."""
        self.before, self.reserve = state["spent"], state["reserve"]


def cooldown(left: float, part: float) -> float:
    """Return the factor of learning rates when so much of the training is left, and they fall over its last `part`."""
    return min(1.0, left / part) if part else 1.0


def in_words(minutes: float) -> str:
    """Return a budget as it is typed: `1h30m`."""
    seconds = round(60 * minutes)
    parts = {"h": seconds // 3600, "m": seconds // 60 % 60, "s": seconds % 60}
    return "".join(f"{count}{unit}" for unit, count in parts.items() if count) or "0s"
