"""Shapes of observations and actions: all that a model is built from. Imports no torch."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Space:
    """Shape and dtype of one observation; images are uint8 with shape (height, width, channels)."""

    shape: tuple[int, ...]
    dtype: Literal["uint8", "float32"]

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3


@dataclass(frozen=True)
class ActionSpace:
    """`size` numbers in [-1, 1], or a one-hot vector of `size` choices if discrete."""

    size: int
    discrete: bool


@dataclass(frozen=True)
class EnvSpec:
    """Observations by name, the action, and the frames that a decision lasts."""

    obs: dict[str, Space]
    action: ActionSpace
    repeat: int
