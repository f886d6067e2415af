"""Shapes of observations and actions: all that a model is built from. Imports no torch."""

from dataclasses import dataclass
from typing import Literal

from reverie.errors import UserError

MOST = 2**31
"""The largest size of anything here."""


@dataclass(frozen=True)
class Space:
    """Shape and dtype of one observation; images are uint8 with shape (height, width, channels)."""

    shape: tuple[int, ...]
    dtype: Literal["uint8", "float32"]

    def __post_init__(self) -> None:
        if not all(0 <= side <= MOST for side in self.shape):
            raise UserError(f"An observation cannot have the shape {self.shape}: no side is below 0 or above {MOST}.")

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3


@dataclass(frozen=True)
class ActionSpace:
    """`size` numbers in [-1, 1], or a one-hot vector of `size` choices if discrete."""

    size: int
    discrete: bool

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MOST:
            raise UserError(f"An action cannot have the size {self.size}: it is not below 0 or above {MOST}.")


@dataclass(frozen=True)
class EnvSpec:
    """Observations by name, the action, and the frames that a decision lasts."""

    obs: dict[str, Space]
    action: ActionSpace
    repeat: int

    def __post_init__(self) -> None:
        if not 1 <= self.repeat <= MOST:
            raise UserError(f"A decision cannot last {self.repeat} frames: it lasts 1 or more, up to {MOST}.")
