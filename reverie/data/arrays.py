"""Recorded data as plain arrays in .npz files: the shortest way from a robot's log to a model."""

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
from reverie.envs.conversions import Aspect, channels_last, resize, select_observations
from reverie.errors import UserError, nearest
from reverie.spaces import ActionSpace, EnvSpec, Space

KNOWN = {
    "actions": "N A",
    "episode": "N",
    "rewards": "N",
    "terminal": "N",
    "low": "A",
    "high": "A",
    "privileged": "P",
    "discrete": "",
}
"""The arrays of a file that are no observations, and their axes."""
CAMERA, NUMBERS = "N height width channels", "N n"
"""The axes of observations."""
FOR_ALL = ("low", "high", "privileged", "discrete")
"""The arrays that are the same for all rows, and in all files."""
NAMES = {"images": "pixels"}
"""Observations that have another name than their array."""


@dataclass(frozen=True)
class ArraysConfig(RecordedConfig):
    """.npz files whose N rows are time steps, one episode after another:

        actions  (N, A)          what was done after the observation; an episode's last row is not used
        images   (N, height, width, channels)    observed as `pixels`; more cameras have names of their own
        state    (N, n)          numbers that are observed; they may have any other name, and there may be more
        episode  (N,)            the same number for all rows of an episode; without it a file is one episode
        rewards  (N,)            optional: what came with the observation
        terminal (N,)            optional: true in the last row if no reward follows the episode
        low, high  (A,)          optional: the actions that become -1 and 1
        privileged  (P,)         optional: names of observations that the model does not see
        discrete  ()             optional: true if an action is one-hot

    An image is uint8, or floats from 0 to 1, with channels last or first. Without `low` and `high` they are the least
    and the largest recorded action. The run's `actions.json` keeps them.
    """

    file: str = field(default="", metadata=MAY_CHANGE)
    """The .npz file, a folder of some, or a pattern such as `logs/*.npz`; they are read in the order of their names."""
    held_out: float = field(default=0.1, metadata=validation.SHARE)
    """The share of the episodes that is held out, from 0.001 to 0.5."""
    observe: tuple[str, ...] = ("all",)
    """What the model sees: names of arrays (`pixels` for `images`), or `all`."""
    image_size: int = field(default=64, metadata=at_least(1))
    """Height and width, in pixels, to which the images are resized by area interpolation."""
    aspect: Aspect = "stretch"
    """How an image becomes square: `stretch` its axes, `crop` to its middle, or `pad` with black."""
    privileged: tuple[str, ...] = ()
    """Observations that the model does not see. Those of the files are added, unless `observe` has them."""

    @property
    def world(self) -> str:
        return Path(self.file).stem

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Arrays":
        return Arrays(self, folder, device, generator)


class Arrays:
    """Implements `Recorded`. The constructor reads the files and reports their faults."""

    def __init__(self, config: ArraysConfig, folder: Path, device: torch.device, generator: torch.Generator) -> None:
        self.folder, self.bounds, source = folder, None, config.file
        stored = {file: read_arrays(file, str(file)) for file in _files(source)}
        first = next(iter(stored.values()))
        for file, arrays in stored.items():
            _require_alike(str(file), arrays, first)
        own = {NAMES.get(name, name): name for name in _observations(first)}
        hidden = [name for name in first.get("privileged", np.array([], str)).tolist() if name not in config.observe]
        privileged = tuple(dict.fromkeys((*config.privileged, *hidden)))
        names = select_observations((*config.observe, *privileged), own, own, source, "--data.observe")
        discrete, size = bool(first.get("discrete", False)), first["actions"].shape[1]
        obs = {name: _space(first[own[name]], config.image_size) for name in names}
        recorded = EnvSpec(obs, ActionSpace(size, discrete), 1)
        self.spec = model_spec(recorded, privileged)
        episodes = [
            episode
            for file, arrays in stored.items()
            for episode in _episodes(str(file), arrays, {name: own[name] for name in names}, config)
        ]
        validation.check_held_out(len(episodes), source)
        if not discrete:
            unknown = np.full(size, np.inf)
            self.bounds = Bounds.of(first.get("low", unknown), first.get("high", unknown), episodes)
            episodes = [self.bounds.normalize(episode) for episode in episodes]
        self.train, self.test = split(episodes, recorded, config.held_out, source, device, generator)

    def load(self, report: OnMessage) -> None:
        if self.bounds is not None:
            self.bounds.write(self.folder)


def _files(named: str) -> list[Path]:
    """Return the files of a name. UserError if there is none."""
    if not named:
        raise UserError("No arrays are named: give their .npz file with --data.file.")
    path = Path(named)
    if path.is_dir():
        path /= "*.npz"
    elif path.exists() or "*" not in path.name:
        return [path]
    if not (found := sorted(path.parent.glob(path.name))):
        raise UserError(f"There is no file {path}: give an .npz file, a folder of some, or a pattern.")
    return found


def read_arrays(path: Path, file: str) -> dict[str, np.ndarray]:
    """Read the arrays of a file, images as uint8 with channels last. UserError unless each is as its name asks.

    It calls the file `file`.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
    except Exception as error:  # a damaged file may raise anything
        raise UserError(f"{file} is no .npz of plain arrays ({error}): write it by numpy.savez.") from None
    if "actions" not in arrays:
        hint = nearest("actions", arrays)
        raise UserError(f"{file} has no array 'actions': a model of the world needs what was done.{hint}")
    lengths: dict[str, int] = {}
    for name in sorted(arrays, key=lambda name: name != "actions"):  # they say how many rows there are
        _check(f"{file} has", name, arrays[name], lengths)
    if not (names := _observations(arrays)):
        raise UserError(f"{file} has no observation: add `images`, or numbers such as `state`.")
    for name in names:
        if arrays[name].ndim == 4:
            arrays[name] = _as_images(arrays[name], f"`{name}` of {file}")
    if "low" in arrays and "high" in arrays and (arrays["low"] > arrays["high"]).any():
        raise UserError(f"{file} has a bound `low` above `high`: exchange them.")
    return arrays


def _check(source: str, name: str, array: np.ndarray, lengths: dict[str, int]) -> None:
    """Raise UserError unless an array has the type and axes of its name. `lengths` are those of known axes."""
    if name in KNOWN:
        axes, kind, letters = KNOWN[name].split(), "names" if name == "privileged" else "numbers", "fiub"
    elif name == "images" or array.ndim == 4:
        axes, kind, letters = CAMERA.split(), "uint8 or floats", "f"
    elif name == "state" or array.ndim == 2:
        axes, kind, letters = NUMBERS.split(), "numbers", "fiub"
    else:
        form = f"{array.dtype} {array.shape}: observed numbers have two axes, and images four.{nearest(name, KNOWN)}"
        raise UserError(f"{source} an unknown array {name!r} of {form}")
    own = lengths | {axis: length for axis, length in zip(axes, array.shape) if axis not in lengths}
    typed = array.dtype.kind == "U" if kind == "names" else array.dtype.kind in letters or array.dtype == np.uint8
    if not typed or array.ndim != len(axes) or array.shape != tuple(own[axis] for axis in axes):
        known = ", ".join(f"{axis} = {lengths[axis]}" for axis in axes if axis in lengths)
        raise UserError(
            f"{source} {name} of {array.dtype} {array.shape}: they must be {kind} ({', '.join(axes)})"
            + (f", with {known}." if known else ".")
        )
    lengths.update({axis: own[axis] for axis in ("N", "A") if axis in own})


def _observations(arrays: dict[str, np.ndarray]) -> list[str]:
    return [name for name in arrays if name not in KNOWN]


def _as_images(images: np.ndarray, what: str) -> np.ndarray:
    """Return images as uint8 with channels last. Floats are taken as 0 to 1."""
    order = channels_last(np.empty(images.shape[1:], np.uint8), what).shape
    if order != images.shape[1:]:
        images = np.moveaxis(images, 1, 3)
    if images.dtype == np.uint8:
        return images
    if not ((images >= 0) & (images <= 1)).all():
        raise UserError(f"{what} are floats outside 0 to 1: divide them by their largest value, or convert to uint8.")
    return np.rint(images * 255).astype(np.uint8)


def _require_alike(file: str, arrays: dict[str, np.ndarray], first: dict[str, np.ndarray]) -> None:
    """Raise UserError unless a file has the arrays of the first one, with the same columns and bounds."""
    for name in sorted((arrays.keys() ^ first.keys()) - {"episode"}):
        raise UserError(
            f"{file} {'has' if name in arrays else 'lacks'} {name}, unlike the first file: give all the same."
        )
    for name, array in arrays.items():
        same = np.array_equal(array, first[name]) if name in FOR_ALL else True
        if name != "episode" and not (same and _form(array) == _form(first[name])):
            raise UserError(f"{file} has other {name} than the first file: give all the same.")


def _form(array: np.ndarray) -> tuple[int, ...]:
    """Return what all files must agree in: the number of columns, or of channels."""
    return (array.ndim, *array.shape[-1:][: array.ndim - 1])


def _space(array: np.ndarray, image_size: int) -> Space:
    if array.ndim == 4:
        return Space((image_size, image_size, array.shape[3]), "uint8")
    return Space(array.shape[1:], "float32")


def _episodes(
    file: str, arrays: dict[str, np.ndarray], observed: dict[str, str], config: ArraysConfig
) -> list[Columns]:
    """Split the rows of a file into episodes, with resized images and actions in their recorded unit."""
    rows = len(arrays["actions"])
    episode = arrays.get("episode", np.zeros(rows))
    rewards, terminal = arrays.get("rewards", np.zeros(rows)), arrays.get("terminal", np.zeros(rows, bool))
    borders = [row for row in range(rows + 1) if row in (0, rows) or episode[row] != episode[row - 1]]
    episodes, seen = [], set()
    for start, end in pairwise(borders):
        number = episode[start].item()
        if number in seen:
            raise UserError(f"{file} goes back to episode {number} in row {start}: sort its rows by episode.")
        if end - start < 2:
            raise UserError(f"{file} has one row of episode {number}, which needs two or more: leave it out.")
        seen.add(number)
        obs = {}
        for name, own in observed.items():
            values = arrays[own][start:end]
            images = values.ndim == 4
            size, aspect = config.image_size, config.aspect
            obs[name] = (
                np.stack([resize(image, size, aspect) for image in values]) if images else values.astype(np.float32)
            )
        actions = arrays["actions"][start : end - 1].astype(np.float32 if arrays.get("discrete") else np.float64)
        episodes.append(to_columns(obs, actions, rewards[start:end], bool(terminal[end - 1])))
    return episodes
