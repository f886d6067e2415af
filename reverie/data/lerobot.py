"""Datasets in LeRobot's format, read by pyarrow and PyAV without the `lerobot` package."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from reverie.config.checks import MAY_CHANGE, at_least
from reverie.config.plugins import explain_errors
from reverie.data import cache, validation
from reverie.data.base import OnMessage, RecordedConfig, model_spec
from reverie.data.chunks import Columns
from reverie.data.episodes import Bounds, to_columns
from reverie.data.lerobot_files import LeRobotEpisode, forget, open_dataset
from reverie.data.replay import Replay, ReplayConfig
from reverie.envs.conversions import Aspect, resize, select_observations
from reverie.errors import UserError
from reverie.spaces import ActionSpace, EnvSpec, Space

REWARDS = ("next.reward", "next.success")
"""The columns that can hold the reward, the preferred one first."""
TERMINAL = ("next.terminated", "next.success")
"""The columns that say, in the last frame, that no reward follows the episode."""


@dataclass(frozen=True)
class LeRobotConfig(RecordedConfig):
    """A local dataset in LeRobot's format v3.0, v2.1 or v2.0.

    Images are decoded once, into the user's cache folder (`REVERIE_CACHE`), and all runs use them. Actions and rewards
    follow an observation in LeRobot. So the last action has no result, and is left out. Where rewards are recorded it
    has one, and the last observation is repeated.
    """

    path: str = field(default="", metadata=MAY_CHANGE)
    """The folder of the dataset, which has a folder `meta`."""
    held_out: float = field(default=0.1, metadata=validation.SHARE)
    """The share of the episodes that is held out, from 0.001 to 0.5."""
    observe: tuple[str, ...] = ("all",)
    """What the model sees: names of cameras and states such as `front` and `state`, or `all`."""
    image_size: int = field(default=64, metadata=at_least(1))
    """Height and width, in pixels, to which every image is resized by area interpolation."""
    aspect: Aspect = "stretch"
    """How an image becomes square: `stretch` its axes, `crop` to its middle, or `pad` with black."""
    privileged: tuple[str, ...] = ()
    """Observations that the model does not see. Those of `reverie collect --privileged` are added, unless `observe` has
    them."""

    @property
    def world(self) -> str:
        return Path(self.path).name

    def build(self, folder: Path, seed: int, device: torch.device, generator: torch.Generator) -> "LeRobot":
        return LeRobot(self, folder, device, generator)


class LeRobot:
    """Implements `Recorded`. What fits into memory lies there; the rest is read from the cache's files."""

    train: Replay
    test: Replay

    def __init__(self, config: LeRobotConfig, folder: Path, device: torch.device, generator: torch.Generator) -> None:
        self.config, self.folder, self.device, self.generator = config, folder, device, generator
        self.files = open_dataset(config.path)
        features, extra = self.files.features, self.files.extra
        if "action" not in features:
            raise UserError(f"{config.path} has no column 'action': a model of the world needs what was done.")
        self.columns = _observations(list(features))
        hidden = [name for name in extra.get("privileged", ()) if name not in config.observe]
        privileged = tuple(dict.fromkeys((*config.privileged, *hidden)))
        self.names = select_observations(
            (*config.observe, *privileged), self.columns, self.columns, config.path, "--data.observe"
        )
        obs = {}
        for name in self.names:
            feature, size = features[self.columns[name]], config.image_size
            shape = (size, size, feature.channels) if feature.channels else (int(np.prod(feature.shape)),)
            obs[name] = Space(shape, "uint8" if feature.channels else "float32")
        size, discrete = int(np.prod(features["action"].shape)), bool(extra.get("discrete"))
        self.recorded = EnvSpec(obs, ActionSpace(size, discrete), 1)
        self.spec = model_spec(self.recorded, privileged)
        self.reward = next((name for name in REWARDS if name in features), None)
        self.terminal = [name for name in TERMINAL if name in features]
        self.repeats_last = self.reward is not None and not extra.get("ends_with_observation")
        validation.check_held_out(len(self.files.episodes), config.path)
        for name in ("action", *(self.columns[name] for name in self.names)):
            self.files.require(name)

    def load(self, report: OnMessage) -> None:
        config, episodes = self.config, self.files.episodes
        with explain_errors(f"The LeRobot dataset {config.path} cannot be read", "fetch it anew"):
            if not self.recorded.action.discrete:
                self.bounds = self._bounds()
                self.bounds.write(self.folder)
            lengths = [episode.length + self.repeats_last for episode in episodes]
            kept = cache.folder_of(self._identity())
            totals = cache.prepare(kept, lengths, config.held_out, lambda number: self._read(episodes[number]), report)
        forget()
        report(f"reading {sum(totals.values()):,} columns of {kept}")
        self.train, self.test = (self._replay(kept / name, totals[name]) for name in ("train", "test"))

    def _bounds(self) -> Bounds:
        """Return the bounds of the actions: -1 and 1 where Reverie wrote them, else the least and largest used ones."""
        edge = np.full(self.recorded.action.size, 1.0 if self.files.extra else np.inf)
        return Bounds(-edge, edge, [self._actions(episode) for episode in self.files.episodes])

    def _identity(self) -> object:
        """Describe all that the prepared columns follow from."""
        config, files = self.config, self.files
        used = sorted(
            {
                clip
                for each in files.episodes
                for clip in (
                    each.data,
                    *(each.clips[self.columns[name]].file for name in self.names if self.columns[name] in each.clips),
                )
            }
        )
        return {
            "files": [[str(file.relative_to(files.folder)), *cache.stamp(file)] for file in used],
            "episodes": [
                [each.number, each.length, *(clip.start for clip in each.clips.values())] for each in files.episodes
            ],
            "extra": files.extra,
            "settings": [self.names, config.image_size, config.aspect, config.held_out],
        }

    def _actions(self, episode: LeRobotEpisode) -> np.ndarray:
        """Return the actions between an episode's observations, in their recorded unit."""
        actions = self.files.numbers("action", episode).astype(np.float64)
        return actions if self.repeats_last else actions[:-1]

    def _read(self, episode: LeRobotEpisode) -> Columns:
        """Return the columns of one episode."""
        files, obs, more = self.files, {}, int(self.repeats_last)
        for name in self.names:
            column = self.columns[name]
            if files.features[column].channels:
                size, aspect = self.config.image_size, self.config.aspect
                values = np.stack([resize(image, size, aspect) for image in files.images(column, episode)])
            else:
                values = files.numbers(column, episode).astype(np.float32)
            obs[name] = np.concatenate([values, values[-1:]]) if more else values
        rewards = np.zeros(episode.length + more)
        if self.reward:
            rewards[1:] = files.numbers(self.reward, episode)[: len(rewards) - 1, 0]
        terminal = any(files.numbers(name, episode)[-1, 0] for name in self.terminal)
        columns = to_columns(obs, self._actions(episode), rewards, bool(terminal))
        if not self.recorded.action.discrete:
            columns = self.bounds.normalize(columns)
        else:
            columns["action"] = columns["action"].float()
        validation.check(columns, self.recorded, f"Episode {episode.number} of {self.config.path}")
        return columns

    def _replay(self, folder: Path, total: int) -> Replay:
        replay = Replay(ReplayConfig(total), self.recorded, self.device, self.generator, "--data.image_size")
        try:
            replay.read(folder, total)
        except UserError as error:
            text = f"The prepared recordings in {folder.parent} are damaged: delete that folder ({error})"
            raise UserError(text) from error
        return replay


def _observations(features: list[str]) -> dict[str, str]:
    """Return the columns of observations by short name: `front` for `observation.images.front`."""
    columns: dict[str, str] = {}
    for full in features:
        if full.startswith("observation."):
            name = full.removeprefix("observation.").removeprefix("images.")
            columns[full if name in columns else name] = full
    return columns
