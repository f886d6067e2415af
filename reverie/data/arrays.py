"""Recorded data as plain arrays in one .npz file: the shortest way from a robot's log to a model."""

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from reverie.data import validation
from reverie.data.base import OnMessage, RecordedConfig, model_spec
from reverie.data.trajectories import Bounds, Trajectory, split
from reverie.envs.conversions import resize
from reverie.errors import UserError
from reverie.spaces import ActionSpace, EnvSpec, Space

NEEDED, OPTIONAL = ("images", "actions", "episode"), ("state", "rewards", "low", "high")


@dataclass(frozen=True)
class ArraysConfig(RecordedConfig):
    """`file`: an .npz whose N rows are time steps, one episode after another:

        images   (N, height, width, channels) uint8    observed as `pixels`
        actions  (N, A)          what was done after seeing the image; of an episode's last row nothing is used
        episode  (N,) integers   the same number for all rows of an episode
        state    (N, n)          optional: further numbers, observed as `state`
        rewards  (N,)            optional: what came with the image
        low, high  (A,)          optional: the actions that become -1 and 1

    Without `low` and `high` they are the least and the largest recorded; the run's `actions.json` keeps them.
    """

    file: str = ""
    held_out: float = field(default=0.1, metadata=validation.SHARE)
    """The share of the episodes that is held out."""
    image_size: int = 64
    """Height and width, in pixels, to which the images are resized by area interpolation."""
    privileged: tuple[str, ...] = ()
    """Observations that the model does not see: `state`."""

    @property
    def world(self) -> str:
        return Path(self.file).stem

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Arrays":
        return Arrays(self, folder, device, generator)


class Arrays:
    """Implements `Recorded`. What is wrong with the file is reported before anything is made of it."""

    def __init__(self, config: ArraysConfig, folder: Path, device: torch.device, generator: torch.Generator) -> None:
        arrays = _read(config.file)
        trajectories = _trajectories(arrays, config)
        size = arrays["actions"].shape[1]
        obs = {"pixels": Space((config.image_size, config.image_size, arrays["images"].shape[3]), "uint8")}
        if "state" in arrays:
            obs["state"] = Space(arrays["state"].shape[1:], "float32")
        recorded = EnvSpec(obs, ActionSpace(size, discrete=False), 1)
        self.spec = model_spec(recorded, config.privileged)
        self.folder = folder
        unknown = np.full(size, np.inf)
        self.bounds = Bounds(
            arrays.get("low", -unknown).astype(float), arrays.get("high", unknown).astype(float)
        ).fill_from(trajectories)
        self.train, self.test = split(
            trajectories, recorded, self.bounds, config.held_out, config.file, device, generator
        )

    def load(self, report: OnMessage) -> None:
        self.bounds.write(self.folder)


def _read(file: str) -> dict[str, np.ndarray]:
    """Read the arrays of a file, each of the shape and kind that it must have."""
    if not file:
        raise UserError("No arrays are named: give their .npz file with --data.file.")
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{file} cannot be read as an .npz of plain arrays ({error}): write it by numpy.savez."
        ) from None
    for name in NEEDED:
        if name not in arrays:
            raise UserError(f"{file} has no array {name!r}: it needs {', '.join(NEEDED)}.")
    for name in arrays:
        if name not in (*NEEDED, *OPTIONAL):
            raise UserError(
                f"{file} has an array {name!r}, which means nothing here: {', '.join(OPTIONAL)} may be there."
            )
    images, actions = arrays["images"], arrays["actions"]
    if images.dtype != np.uint8 or images.ndim != 4:
        raise UserError(
            f"{file} has images of {images.dtype} {images.shape}: they must be uint8 (N, height, width, channels)."
        )
    if actions.ndim != 2:
        raise UserError(f"{file} has actions of {actions.shape}: they must be ({len(images)}, A).")
    if "state" in arrays and arrays["state"].ndim != 2:
        raise UserError(f"{file} has a state of {arrays['state'].shape}: it must be ({len(images)}, n).")
    rows, size = (len(images),), actions.shape[1:]
    shapes = {"actions": rows + size, "episode": rows, "rewards": rows, "low": size, "high": size}
    if "state" in arrays:
        shapes["state"] = rows + arrays["state"].shape[1:]
    for name, shape in shapes.items():
        if name in arrays and (arrays[name].shape != shape or arrays[name].dtype.kind not in "fiub"):
            raise UserError(
                f"{file} has {name} of {arrays[name].dtype} {arrays[name].shape}: they must be numbers, {shape}, for"
                f" {len(images)} images and actions of {size[0]} numbers."
            )
    if "low" in arrays and "high" in arrays and (arrays["low"] > arrays["high"]).any():
        raise UserError(f"{file} has a bound `low` above `high`: exchange them.")
    return arrays


def _trajectories(arrays: dict[str, np.ndarray], config: ArraysConfig) -> list[Trajectory]:
    """Split the rows into episodes, with the images resized."""
    episode = arrays["episode"]
    starts = [0, *(np.flatnonzero(episode[1:] != episode[:-1]) + 1).tolist()] if len(episode) else []
    trajectories, seen = [], set()
    for start, end in zip(starts, [*starts[1:], len(episode)]):
        number = episode[start].item()
        if number in seen:
            raise UserError(f"{config.file} goes back to episode {number} in row {start}: sort its rows by episode.")
        if end - start < 2:
            raise UserError(
                f"{config.file} has one row of episode {number}: an episode needs two or more, leave it out."
            )
        seen.add(number)
        obs = {"pixels": np.stack([resize(image, config.image_size) for image in arrays["images"][start:end]])}
        if "state" in arrays:
            obs["state"] = arrays["state"][start:end].astype(np.float32)
        actions = arrays["actions"][start : end - 1].astype(np.float64)
        rewards = arrays["rewards"][start:end] if "rewards" in arrays else np.zeros(end - start)
        trajectories.append(Trajectory(obs, actions, rewards))
    validation.check_held_out(len(trajectories), config.file)
    return trajectories
