"""Handwritten digits, 8x8 gray levels with their labels: 1,797 real images that scikit-learn ships.

Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits (test set).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from reverie.data.base import OnMessage, RecordedConfig
from reverie.data.replay import Replay, ReplayConfig
from reverie.errors import UserError
from reverie.spaces import ActionSpace, EnvSpec, Space

HELD_OUT = 297
"""The last images, which other people wrote."""


@dataclass(frozen=True)
class DigitsConfig(RecordedConfig):
    """Nothing to choose."""

    @property
    def world(self) -> str:
        return "digits"

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Digits":
        return Digits(device, generator)


class Digits:
    """Implements `Recorded`: each image an episode of one step, observed as `pixels` and a one-hot `label`."""

    spec = EnvSpec({"pixels": Space((8, 8, 1), "uint8"), "label": Space((10,), "float32")}, ActionSpace(0, False), 1)

    def __init__(self, device: torch.device, generator: torch.Generator) -> None:
        self.train = Replay(ReplayConfig(1797 - HELD_OUT), self.spec, device, generator)
        self.test = Replay(ReplayConfig(HELD_OUT), self.spec, device, generator)

    def load(self, report: OnMessage) -> None:
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise UserError("The digits come with scikit-learn: pip install scikit-learn.") from error
        images, labels = cast(tuple[np.ndarray, np.ndarray], load_digits(return_X_y=True))
        true = torch.ones(len(images), dtype=torch.bool)
        columns = {
            # 17 gray levels, 0 to 16
            "obs/pixels": torch.from_numpy((images / 16 * 255).round().astype(np.uint8)).reshape(-1, 8, 8, 1),
            "obs/label": torch.eye(10)[torch.from_numpy(labels).long()],
            "action": torch.zeros(len(images), 0),
            "reward": torch.zeros(len(images)),
            **dict.fromkeys(("is_first", "is_last", "is_terminal"), true),
        }
        self.train.add({name: column[:-HELD_OUT] for name, column in columns.items()})
        self.test.add({name: column[-HELD_OUT:] for name, column in columns.items()})
