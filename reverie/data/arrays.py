"""Recorded data as plain arrays in one .npz file: the shortest way from a robot's log to a model."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from reverie.config.checks import MAY_CHANGE, at_least
from reverie.data import validation
from reverie.data.base import OnMessage, RecordedConfig, model_spec
from reverie.data.chunks import Columns
from reverie.data.episodes import Bounds, split, to_columns
from reverie.envs.conversions import channels_last, resize
from reverie.errors import UserError
from reverie.spaces import ActionSpace, EnvSpec, Space

NEEDED = {"images": "N height width channels", "actions": "N A", "episode": "N"}
OPTIONAL = {"state": "N n", "rewards": "N", "low": "A", "high": "A"}
"""The arrays of a file and their axes."""


@dataclass(frozen=True)
class ArraysConfig(RecordedConfig):
    """An .npz file whose N rows are time steps, one episode after another:

        images   (N, height, width, channels) uint8    observed as `pixels`
        actions  (N, A)          what was done after the image; an episode's last row is not used
        episode  (N,)            the same number for all rows of an episode
        state    (N, n)          optional: further numbers, observed as `state`
        rewards  (N,)            optional: what came with the image
        low, high  (A,)          optional: the actions that become -1 and 1

    Without `low` and `high` they are the least and the largest recorded action. The run's `actions.json` keeps them.
    """

    file: str = field(default="", metadata=MAY_CHANGE)
    """The .npz file."""
    held_out: float = field(default=0.1, metadata=validation.SHARE)
    """The share of the episodes that is held out, from 0.001 to 0.5."""
    image_size: int = field(default=64, metadata=at_least(1))
    """Height and width, in pixels, to which the images are resized by area interpolation."""
    privileged: tuple[str, ...] = ()
    """Observations that the model does not see: `state`."""

    @property
    def world(self) -> str:
        return Path(self.file).stem

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Arrays":
        return Arrays(self, folder, device, generator)


class Arrays:
    """Implements `Recorded`. The constructor reads the file and reports its faults."""

    def __init__(self, config: ArraysConfig, folder: Path, device: torch.device, generator: torch.Generator) -> None:
        self.folder, arrays = folder, _read(config.file)
        episodes = _episodes(arrays, config)
        size = arrays["actions"].shape[1]
        obs = {"pixels": Space((config.image_size, config.image_size, arrays["images"].shape[3]), "uint8")}
        if "state" in arrays:
            obs["state"] = Space(arrays["state"].shape[1:], "float32")
        recorded = EnvSpec(obs, ActionSpace(size, discrete=False), 1)
        self.spec = model_spec(recorded, config.privileged)
        unknown = np.full(size, np.inf)
        self.bounds = Bounds.of(arrays.get("low", unknown), arrays.get("high", unknown), episodes)
        episodes = [self.bounds.normalize(episode) for episode in episodes]
        self.train, self.test = split(episodes, recorded, config.held_out, config.file, device, generator)

    def load(self, report: OnMessage) -> None:
        self.bounds.write(self.folder)


def _read(file: str) -> dict[str, np.ndarray]:
    """Read the arrays of a file. UserError unless each has the shape and type of its name."""
    if not file:
        raise UserError("No arrays are named: give their .npz file with --data.file.")
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
    except Exception as error:  # a damaged file may raise anything
        raise UserError(f"{file} is no .npz of plain arrays ({error}): write it by numpy.savez.") from None
    if missing := NEEDED.keys() - arrays:
        raise UserError(f"{file} has no array {min(missing)!r}: it needs {', '.join(NEEDED)}.")
    if unknown := arrays.keys() - (NEEDED | OPTIONAL):
        raise UserError(f"{file} has an unknown array {min(unknown)!r}: {', '.join(OPTIONAL)} may be there.")
    lengths: dict[str, int] = {}
    for name, axes in {name: axes.split() for name, axes in (NEEDED | OPTIONAL).items() if name in arrays}.items():
        array = arrays[name]
        wanted = tuple(lengths.setdefault(axis, length) for axis, length in zip(axes, array.shape))
        typed = array.dtype == np.uint8 if name == "images" else array.dtype.kind in "fiub"
        if not typed or array.ndim != len(axes) or array.shape != wanted:
            known = ", ".join(f"{axis} = {lengths[axis]}" for axis in axes if axis in lengths)
            raise UserError(
                f"{file} has {name} of {array.dtype} {array.shape}: they must be"
                f" {'uint8' if name == 'images' else 'numbers'} ({', '.join(axes)}), with {known}."
            )
    images = arrays["images"]
    order = channels_last(np.empty(images.shape[1:], np.uint8), f"`images` of {file}").shape
    if order != images.shape[1:]:
        arrays["images"] = np.moveaxis(images, 1, 3)
    if "low" in arrays and "high" in arrays and (arrays["low"] > arrays["high"]).any():
        raise UserError(f"{file} has a bound `low` above `high`: exchange them.")
    return arrays


def _episodes(arrays: dict[str, np.ndarray], config: ArraysConfig) -> list[Columns]:
    """Split the rows into episodes, with resized images and actions in their recorded unit."""
    episode, rows = arrays["episode"], len(arrays["episode"])
    rewards = arrays.get("rewards", np.zeros(rows))
    borders = [row for row in range(rows + 1) if row in (0, rows) or episode[row] != episode[row - 1]]
    episodes, seen = [], set()
    for start, end in pairwise(borders):
        number = episode[start].item()
        if number in seen:
            raise UserError(f"{config.file} goes back to episode {number} in row {start}: sort its rows by episode.")
        if end - start < 2:
            raise UserError(f"{config.file} has one row of episode {number}, which needs two or more: leave it out.")
        seen.add(number)
        obs = {"pixels": np.stack([resize(image, config.image_size) for image in arrays["images"][start:end]])}
        if "state" in arrays:
            obs["state"] = arrays["state"][start:end].astype(np.float32)
        actions = arrays["actions"][start : end - 1].astype(np.float64)
        episodes.append(to_columns(obs, actions, rewards[start:end]))
    validation.check_held_out(len(episodes), config.file)
    return episodes
