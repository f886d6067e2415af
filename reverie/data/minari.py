"""Reading and writing of Minari datasets, Farama's format of offline data."""

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reverie.data import validation
from reverie.data.base import OnMessage, RecordedConfig, model_spec
from reverie.data.recording import Manifest, read_manifest
from reverie.data.replay import Replay, chunks, columns, read_chunk
from reverie.data.trajectories import Bounds, Trajectory, split
from reverie.envs.conversions import (
    action_space,
    normal_observation,
    normal_space,
    observation_part,
    observation_spaces,
    select_observations,
)
from reverie.errors import UserError, nearest
from reverie.spaces import EnvSpec, Space


@dataclass(frozen=True)
class MinariConfig(RecordedConfig):
    """The local dataset `id`. Images are resized, and actions scaled by the bounds of the dataset's action space.

    Where that has none, the least and largest recorded action become -1 and 1; the run's `actions.json` keeps both.
    """

    id: str = ""
    held_out: float = field(default=0.1, metadata=validation.SHARE)
    """The share of the episodes that is held out."""
    observe: tuple[str, ...] = ("all",)
    """What the model sees: `state` (an observation that is no dict), a key of a dict observation, or `all`."""
    image_size: int = 64
    """Height and width, in pixels, to which every image is resized by area interpolation."""
    privileged: tuple[str, ...] = ()
    """Of these, what the model does not see."""

    @property
    def world(self) -> str:
        return self.id

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Minari":
        return Minari(self, folder, device, generator)


class Minari:
    """Implements `Recorded`. An episode that was cut is not terminal; it has one action fewer than observations."""

    train: Replay
    test: Replay

    def __init__(self, config: MinariConfig, folder: Path, device: torch.device, generator: torch.Generator) -> None:
        self.config, self.folder, self.device, self.generator = config, folder, device, generator
        self.stored = _open(config.id)
        self.spaces = _select(observation_spaces(self.stored.observation_space), config)
        obs = {name: normal_space(space, name, config.id, config.image_size) for name, space in self.spaces.items()}
        self.recorded = EnvSpec(obs, action_space(self.stored.action_space, config.id), 1)
        self.spec = model_spec(self.recorded, config.privileged)
        validation.check_held_out(int(self.stored.total_episodes), config.id)

    def load(self, report: OnMessage) -> None:
        trajectories = []
        for episode in self.stored.iterate_episodes():
            trajectories.append(self._trajectory(episode))
            report(f"reading episode {len(trajectories)} of {self.stored.total_episodes} of {self.config.id}")
        bounds = None
        if not self.recorded.action.discrete:
            space = self.stored.action_space
            bounds = Bounds(space.low.ravel().astype(float), space.high.ravel().astype(float)).fill_from(trajectories)
            bounds.write(self.folder)
        share, source = self.config.held_out, self.config.id
        self.train, self.test = split(trajectories, self.recorded, bounds, share, source, self.device, self.generator)

    def _trajectory(self, episode: Any) -> Trajectory:
        length, action = len(episode.rewards) + 1, self.recorded.action
        source = f"Episode {episode.id} of {self.config.id}"
        obs = {name: self._observed(episode, name, length, source) for name in self.spaces}
        if action.discrete:
            actions = np.eye(action.size)[np.asarray(episode.actions).reshape(-1) - self.stored.action_space.start]
        else:
            actions = np.asarray(episode.actions, float).reshape(len(episode.actions), -1)
        if actions.shape != (length - 1, action.size):
            raise UserError(f"{source} has actions of {actions.shape}: they must be {(length - 1, action.size)}.")
        rewards = np.concatenate([[0.0], episode.rewards])
        return Trajectory(obs, actions, rewards, terminal=bool(episode.terminations[-1]))

    def _observed(self, episode: Any, name: str, length: int, source: str) -> np.ndarray:
        """Return one observation of a whole episode in the normal form, (T, ...)."""
        values, own = observation_part(episode.observations, name), self.spaces[name]
        if len(values) != length:
            raise UserError(
                f"{source} has {len(values)} observations {name!r} and {length - 1} actions: one more is needed."
            )
        return np.stack([normal_observation(value, own, self.recorded.obs[name]) for value in values])


def write(folder: Path, dataset_id: str) -> None:
    """Write the dataset that `reverie collect` made in `folder` as the Minari dataset `dataset_id`, both parts of it.

    Actions stay in the normal form. `MinariConfig` with the same `held_out` holds the same trajectories out.
    """
    from gymnasium import spaces

    minari, manifest = _minari(), read_manifest(folder)
    check_new(dataset_id)
    obs = spaces.Dict({_minari_name(name): _minari_space(space) for name, space in manifest.spec.obs.items()})
    size = manifest.spec.action.size
    action = spaces.Discrete(size) if manifest.spec.action.discrete else spaces.Box(-1, 1, (size,), np.float32)
    buffers = _buffers(folder, manifest)
    try:
        with warnings.catch_warnings():  # that there is no author, no link to code
            warnings.simplefilter("ignore")
            made = minari.create_dataset_from_buffers(
                dataset_id,
                [next(buffers)],
                action_space=action,
                observation_space=obs,
                algorithm_name="random legal actions",
                description=f"{manifest.env.id}, collected by Reverie with seed {manifest.seed}; actions in [-1, 1]",
                jpeg_encoding=False,
            )
            for buffer in buffers:
                made.update_dataset_from_buffer([buffer])
    except BaseException as error:
        shutil.rmtree(minari.storage.get_dataset_path(dataset_id), ignore_errors=True)
        if isinstance(error, OSError):
            raise UserError(f"Minari cannot write {dataset_id} ({error}): mind MINARI_DATASETS_PATH.") from error
        raise


def check_new(dataset_id: str) -> None:
    """Raise UserError unless Minari is installed and can take a new dataset of that name."""
    minari = _minari()
    try:
        minari.dataset.minari_dataset.parse_dataset_id(dataset_id)
    except ValueError as error:
        raise UserError(f"Minari has no such name as {dataset_id!r}: take one like rope/random-v0.") from error
    if minari.storage.get_dataset_path(dataset_id).exists():
        raise UserError(f"Minari has a dataset {dataset_id} already: take another --minari, or delete that one.")


def _minari() -> Any:
    try:
        import minari
    except ImportError as error:
        raise UserError("Minari datasets need minari: pip install 'reverie[data]'.") from error
    return minari


def _open(dataset_id: str) -> Any:
    minari = _minari()
    if not dataset_id:
        raise UserError(
            "No Minari dataset is named: give its id with --data.id; `minari list local` tells which there are."
        )
    try:
        return minari.load_dataset(dataset_id)
    except FileNotFoundError as error:
        hint = nearest(dataset_id, minari.list_local_datasets())
        raise UserError(
            f"There is no Minari dataset {dataset_id!r} here.{hint} `minari download {dataset_id}` fetches one."
        ) from error
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"The Minari dataset {dataset_id!r} cannot be read ({error}): fetch it anew.") from error


def _select(own: dict[str, Any], config: MinariConfig) -> dict[str, Any]:
    """Return the spaces of what is observed or privileged, each checked."""
    names = select_observations((*config.observe, *config.privileged), own, own, config.id, "--data.observe")
    for name in names:
        if len(getattr(own[name], "shape", None) or ()) == 3 and own[name].dtype != np.uint8:
            raise UserError(f"{config.id} has images {name!r} of {own[name].dtype}: they must be uint8, 0 to 255.")
    return {name: own[name] for name in names}


def _minari_name(name: str) -> str:
    """Return a name without slashes, which would make groups in the file."""
    return name.replace("/", ".")


def _minari_space(space: Space) -> Any:
    from gymnasium import spaces

    low, high = (0, 255) if space.is_image else (-np.inf, np.inf)
    return spaces.Box(low, high, space.shape, np.dtype(space.dtype).type)


def _buffers(folder: Path, manifest: Manifest) -> Iterator[Any]:
    """Yield every trajectory as Minari takes it, in the order of their numbers."""
    from minari.data_collector import EpisodeBuffer

    parts = {name: _stored(folder / name, manifest.spec) for name in ("train", "test")}
    for number in range(manifest.train.trajectories + manifest.test.trajectories):
        played = next(parts["test" if validation.held_out(number, manifest.held_out) else "train"])
        acted: Any = played["action"][:-1]
        yield EpisodeBuffer(
            observations={_minari_name(name): played[f"obs/{name}"] for name in manifest.spec.obs},
            actions=acted.argmax(1) if manifest.spec.action.discrete else acted,
            rewards=list(played["reward"][1:]),
            terminations=list(played["is_terminal"][1:]),
            truncations=list((played["is_last"] & ~played["is_terminal"])[1:]),
        )


def _stored(folder: Path, spec: EnvSpec) -> Iterator[dict[str, np.ndarray]]:
    """Yield the trajectories of one part, each of which lies within one chunk."""
    for _, _, path in chunks(folder):
        stretch = {name: x.numpy() for name, x in read_chunk(path, list(columns(spec))).items()}
        start = 0
        for end in (np.flatnonzero(stretch["is_last"]) + 1).tolist():
            yield {name: x[start:end] for name, x in stretch.items()}
            start = end
