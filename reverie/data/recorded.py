"""The contract of recorded data: something to learn a model from without acting, with a part held out."""

from collections.abc import Callable
from typing import Protocol

from reverie.data.replay import Replay
from reverie.envs.adapter import EnvSpec

Say = Callable[[str], None]
"""Tells the user how far something is."""


class Recorded(Protocol):
    """Known by its `spec` at once; `load` brings the data themselves, from the run's folder where it has them."""

    spec: EnvSpec
    train: Replay
    test: Replay
    """What is held out: whole episodes."""

    def load(self, say: Say) -> None:
        """Fill `train` and `test`; the same bits each time."""
        ...
