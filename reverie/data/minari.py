"""Reading and writing of Minari datasets, Farama's format of offline data."""

import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reverie.config.checks import at_least
from reverie.config.plugins import explain_errors
from reverie.data import validation
from reverie.data.base import OnMessage, RecordedConfig, model_spec
from reverie.data.chunks import Columns
from reverie.data.episodes import Bounds, split, to_columns
from reverie.data.recording import Manifest, read_manifest, trajectories
from reverie.data.replay import Replay
from reverie.envs.conversions import (
    action_space,
    normal_observation,
    normal_space,
    observation_part,
    observation_spaces,
    select_observations,
)
from reverie.errors import UserError, nearest
from reverie.spaces import EnvSpec

PRIVILEGED = "; privileged: "
"""What stands before the names of privileged observations in the description of a dataset."""


@dataclass(frozen=True)
class MinariConfig(RecordedConfig):
    """A local Minari dataset. The bounds of its action space become -1 and 1, and images are resized.

    An infinite bound is replaced by the least or largest recorded action. The run's `actions.json` keeps both.
    """

    id: str = ""
    """The id of the dataset; `minari list local` lists them."""
    held_out: float = field(default=0.1, metadata=validation.SHARE)
    """The share of the episodes that is held out, from 0.001 to 0.5."""
    observe: tuple[str, ...] = ("all",)
    """What the model sees: `state` (an observation that is no dict), a key of a dict observation, or `all`."""
    image_size: int = field(default=64, metadata=at_least(1))
    """Height and width, in pixels, to which every image is resized by area interpolation."""
    privileged: tuple[str, ...] = ()
    """Observations that the model does not see. Those of `reverie collect --privileged` are added, unless `observe` has
    them."""

    @property
    def world(self) -> str:
        return self.id

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "Minari":
        with explain_errors(f"The Minari dataset {self.id!r} cannot be read", "fetch it anew"):
            return Minari(self, folder, device, generator)


class Minari:
    """Implements `Recorded`. A truncated episode is not terminal."""

    train: Replay
    test: Replay

    def __init__(self, config: MinariConfig, folder: Path, device: torch.device, generator: torch.Generator) -> None:
        self.config, self.folder, self.device, self.generator = config, folder, device, generator
        self.stored = _load(config.id)
        own = observation_spaces(self.stored.observation_space)
        hidden = [name for name in _privileged(self.stored) if name in own and name not in config.observe]
        privileged = tuple(dict.fromkeys((*config.privileged, *hidden)))
        names = select_observations((*config.observe, *privileged), own, own, config.id, "--data.observe")
        self.spaces = {name: own[name] for name in names}
        obs = {name: normal_space(space, name, config.id, config.image_size) for name, space in self.spaces.items()}
        self.recorded = EnvSpec(obs, action_space(self.stored.action_space, config.id), 1)
        self.spec = model_spec(self.recorded, privileged)
        validation.check_held_out(int(self.stored.total_episodes), config.id)

    def load(self, report: OnMessage) -> None:
        episodes = []
        with explain_errors(f"The Minari dataset {self.config.id!r} cannot be read", "fetch it anew"):
            for stored in self.stored.iterate_episodes():
                episodes.append(self._columns(stored))
                report(f"reading episode {len(episodes)} of {self.stored.total_episodes} of {self.config.id}")
        if not self.recorded.action.discrete:
            space = self.stored.action_space
            bounds = Bounds.of(space.low.ravel(), space.high.ravel(), episodes)
            bounds.write(self.folder)
            episodes = [bounds.normalize(episode) for episode in episodes]
        share, source = self.config.held_out, self.config.id
        self.train, self.test = split(episodes, self.recorded, share, source, self.device, self.generator)

    def _columns(self, episode: Any) -> Columns:
        """Return the columns of Minari's `EpisodeData`, with continuous actions in their recorded unit."""
        count, size, own = len(episode.rewards), self.recorded.action.size, self.stored.action_space
        source = f"Episode {episode.id} of {self.config.id}"
        if self.recorded.action.discrete:
            actions = np.eye(size, dtype=np.float32)[np.asarray(episode.actions).reshape(-1) - own.start]
        else:
            actions = np.asarray(episode.actions, float).reshape(len(episode.actions), -1)
        if actions.shape != (count, size):
            raise UserError(f"{source} has actions of {actions.shape}: they must be {(count, size)}.")
        obs = {}
        for name, space in self.spaces.items():
            values = observation_part(episode.observations, name, source)
            if len(values) != count + 1:
                raise UserError(f"{source} has {len(values)} observations {name!r}: {count} actions need {count + 1}.")
            obs[name] = np.stack([normal_observation(value, space, self.recorded.obs[name]) for value in values])
        return to_columns(obs, actions, np.append(0.0, episode.rewards), bool(episode.terminations[-1]))


def write(folder: Path, dataset_id: str) -> None:
    """Write both parts of the dataset that `reverie collect` made in `folder` as the Minari dataset `dataset_id`.

    Actions stay in the normal form. `MinariConfig` with the same `held_out` holds the same trajectories out.
    """
    from gymnasium import spaces

    check_new(dataset_id)
    minari, manifest = _import_minari(), read_manifest(folder)
    size, obs = manifest.spec.action.size, {}
    for name, space in manifest.spec.obs.items():
        low, high = (0, 255) if space.is_image else (-np.inf, np.inf)
        # Slashes would make groups in the file.
        obs[name.replace("/", ".")] = spaces.Box(low, high, space.shape, np.dtype(space.dtype).type)
    try:
        with warnings.catch_warnings(action="ignore"):  # about the missing author and link to code
            minari.create_dataset_from_buffers(
                dataset_id,
                _buffers(folder, manifest),
                action_space=spaces.Discrete(size) if manifest.spec.action.discrete else spaces.Box(-1, 1, (size,)),
                observation_space=spaces.Dict(obs),
                algorithm_name="random legal actions",
                description=f"{manifest.env.id}, collected by Reverie with seed {manifest.seed}; actions in [-1, 1]"
                + (PRIVILEGED + ", ".join(manifest.privileged).replace("/", ".") if manifest.privileged else ""),
                jpeg_encoding=False,
            )
    except BaseException as error:
        shutil.rmtree(minari.storage.get_dataset_path(dataset_id), ignore_errors=True)
        if isinstance(error, OSError):
            raise UserError(f"Minari cannot write {dataset_id} ({error}): mind MINARI_DATASETS_PATH.") from error
        raise


def _privileged(dataset: Any) -> list[str]:
    """Return the privileged observations of a dataset that `write` made."""
    description = dataset.storage.metadata.get("description") or ""
    return [name.strip() for name in description.partition(PRIVILEGED)[2].split(",") if name]


def check_new(dataset_id: str) -> None:
    """Raise UserError unless Minari is installed and can take a new dataset of that name."""
    minari = _import_minari()
    try:
        minari.dataset.minari_dataset.parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:
        raise UserError(f"Minari has no such name as {dataset_id!r}: take one like rope/random-v0.") from error
    if minari.storage.get_dataset_path(dataset_id).exists():
        raise UserError(f"Minari has a dataset {dataset_id} already: take another --to, or delete that one.")


def _import_minari() -> Any:
    try:
        import minari
    except ImportError as error:
        raise UserError("Minari datasets need minari: pip install 'reverie[data]'.") from error
    return minari


def _load(dataset_id: str) -> Any:
    """Load a local `MinariDataset`. UserError if it is missing or damaged."""
    minari = _import_minari()
    if not dataset_id:
        raise UserError("No Minari dataset is named: give its id with --data.id, one of those of `minari list local`.")
    try:
        _check_counts(minari.storage.get_dataset_path(dataset_id) / "data" / "metadata.json", dataset_id)
        return minari.load_dataset(dataset_id)
    except FileNotFoundError as error:
        hint = nearest(dataset_id, minari.list_local_datasets())
        raise UserError(f"No Minari dataset {dataset_id!r} is here: `minari download` fetches it.{hint}") from error


def _check_counts(metadata: Path, dataset_id: str) -> None:
    """Raise UserError if there are more episodes than steps. Minari would list them all, in any memory."""
    counts = json.loads(metadata.read_text())
    episodes, steps = counts.get("total_episodes"), counts.get("total_steps")
    if isinstance(episodes, int) and isinstance(steps, int) and episodes > steps:
        raise UserError(
            f"The Minari dataset {dataset_id!r} cannot be read: it has {steps} steps of {episodes} episodes."
        )


def _buffers(folder: Path, manifest: Manifest) -> Iterator[Any]:
    """Yield each trajectory as Minari's `EpisodeBuffer`, in the order of their numbers."""
    from minari.data_collector import EpisodeBuffer

    for episode in trajectories(folder, manifest):
        actions: Any = episode["action"][:-1]
        yield EpisodeBuffer(
            observations={name.replace("/", "."): episode[f"obs/{name}"] for name in manifest.spec.obs},
            actions=actions.argmax(1) if manifest.spec.action.discrete else actions,
            rewards=list(episode["reward"][1:]),
            terminations=list(episode["is_terminal"][1:]),
            truncations=list((episode["is_last"] & ~episode["is_terminal"])[1:]),
        )
