"""The contract of where sequences come from: replay and offline dataset alike."""

from typing import Protocol

from reverie.types import Batch


class Source(Protocol):
    """Gives batches of sequences; the randomness is its own and restorable."""

    def sample(self, batch: int, length: int) -> Batch:
        """`batch` sequences of `length` decisions, on the model's device."""
        ...
