"""Handwritten digits: 1,797 real images of 8x8 gray levels with their labels, which scikit-learn ships.

Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits (test set).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reverie.data.base import OnMessage, RecordedConfig
from reverie.data.episodes import to_columns
from reverie.data.replay import Replay, replay_of
from reverie.spaces import ActionSpace, EnvSpec, Space

HELD_OUT = 297
"""The number of held-out images: the last ones, by other writers."""


@dataclass(frozen=True)
class DigitsConfig(RecordedConfig):
    """The digits, without settings."""

    @property
    def world(self) -> str:
        return "digits"

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Digits":
        return Digits(device, generator)


class Digits:
    """Implements `Recorded`: each image is an episode of one step, observed as `pixels` and a one-hot `label`."""

    spec = EnvSpec({"pixels": Space((8, 8, 1), "uint8"), "label": Space((10,), "float32")}, ActionSpace(0, False), 1)
    train: Replay
    test: Replay

    def __init__(self, device: torch.device, generator: torch.Generator) -> None:
        self.device, self.generator = device, generator

    def load(self, report: OnMessage) -> None:
        from sklearn.datasets import load_digits

        digits: Any = load_digits()
        images = (digits.images / 16 * 255).round().astype(np.uint8)[..., None]  # gray levels 0 to 16
        labels = np.eye(10, dtype=np.float32)[digits.target]
        no_action, no_reward = np.zeros((0, 0), np.float32), np.zeros(1)
        episodes = [
            to_columns({"pixels": image[None], "label": label[None]}, no_action, no_reward, terminal=True)
            for image, label in zip(images, labels)
        ]
        self.train = replay_of(episodes[:-HELD_OUT], self.spec, self.device, self.generator)
        self.test = replay_of(episodes[-HELD_OUT:], self.spec, self.device, self.generator)
