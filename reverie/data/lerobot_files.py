"""The files of a LeRobot dataset, of format v3.0 and of v2.0 and v2.1.

`meta/info.json` has the version, the features, and patterns of the paths of all other files. `meta/episodes` lists the
episodes. `data` has a row for each frame, and `videos` the frames of each camera. A file has many episodes in v3.0, and
one in v2. `meta/reverie.json` is our own: it holds what the format cannot say.
"""

import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reverie.config.plugins import explain_errors
from reverie.data import videos
from reverie.errors import UserError

VERSIONS = ("v3.0", "v2.1", "v2.0")
NO_ARRAYS = ("string", "language", "audio")
"""Types of features that are no numbers."""


@dataclass(frozen=True)
class Clip:
    """The frames of an episode and a camera: all of a file, or those from second `start` on."""

    file: Path
    start: float
    whole: bool


@dataclass(frozen=True)
class LeRobotEpisode:
    """Where the frames of an episode lie."""

    number: int
    length: int
    data: Path
    clips: dict[str, Clip]


@dataclass(frozen=True)
class Feature:
    """A column of the dataset: numbers of one frame, or the image of one."""

    shape: tuple[int, ...]
    dtype: str
    channels: int = 0
    """Channels of an image, 0 for numbers."""


@dataclass
class LeRobotFiles:
    """A dataset whose list of episodes is read and whose files are known to exist."""

    folder: Path
    fps: float
    features: dict[str, Feature]
    episodes: list[LeRobotEpisode]
    extra: dict[str, Any] = field(default_factory=dict)
    """The content of `meta/reverie.json`."""

    def require(self, name: str) -> None:
        """Raise UserError unless the files of a column are there."""
        video = self.features[name].dtype == "video"
        for file in dict.fromkeys(each.clips[name].file if video else each.data for each in self.episodes):
            if not file.is_file():
                kind = f"the video file {file} of {name}" if video else f"the file {file}"
                raise UserError(f"{self.folder} lacks {kind}: fetch the dataset anew, with all of its files.")

    def numbers(self, name: str, episode: LeRobotEpisode) -> np.ndarray:
        """Return the numbers of an episode's frames, (N, n)."""
        import pyarrow as pa

        values, size = self._column(name, episode), math.prod(self.features[name].shape)
        while pa.types.is_nested(values.type):
            values = values.flatten()
        numbers = values.to_numpy(zero_copy_only=False)
        if len(numbers) != episode.length * size or numbers.dtype.kind not in "fiub":
            raise UserError(
                f"Episode {episode.number} of {self.folder} has {len(numbers)} {numbers.dtype} in {name!r}:"
                f" {episode.length} frames need {size} numbers each."
            )
        return numbers.reshape(episode.length, size)

    def images(self, name: str, episode: LeRobotEpisode) -> Any:
        """Yield the images of an episode's frames, uint8 (height, width, channels)."""
        feature = self.features[name]
        if feature.dtype == "video":
            clip = episode.clips[name]
            yield from videos.frames(clip.file, clip.start, episode.length, self.fps, feature.channels, clip.whole)
            return
        for row in self._column(name, episode).to_pylist():
            content = row["bytes"] or (self.folder / row["path"]).read_bytes()
            gray = feature.channels == 1
            image = cv2.imdecode(
                np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR_RGB
            )
            if image is None:
                raise UserError(
                    f"Episode {episode.number} of {self.folder} has a damaged image in {name!r}: repair it."
                )
            yield image.reshape(*image.shape[:2], feature.channels)

    def _column(self, name: str, episode: LeRobotEpisode) -> Any:
        """Return one column of an episode's rows as a pyarrow array."""
        import pyarrow as pa

        numbers, column = _columns(episode.data, "episode_index"), _columns(episode.data, name)
        rows = np.flatnonzero(numbers.to_numpy() == episode.number)
        if len(rows) != episode.length or rows[-1] - rows[0] + 1 != len(rows):
            raise UserError(
                f"{episode.data} has {len(rows)} rows of episode {episode.number}, which has {episode.length} frames:"
                " fetch the dataset anew."
            )
        part = column.slice(rows[0], len(rows)).combine_chunks()
        return part.storage if isinstance(part, pa.ExtensionArray) else part


@lru_cache(maxsize=8)
def _columns(file: Path, name: str) -> Any:
    """Read one column of a table. The newest ones are kept, because episodes share a file: `forget` frees them."""
    import pyarrow.parquet as pq

    with explain_errors(f"{file} cannot be read", "fetch the dataset anew"):
        return pq.read_table(file, columns=[name], partitioning=None)[name]


forget = _columns.cache_clear


def require_pyarrow() -> None:
    """Raise UserError where pyarrow is missing."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UserError("LeRobot datasets need pyarrow: pip install 'reverie[lerobot]'.") from error


def open_dataset(path: str) -> LeRobotFiles:
    """Read what `meta` says. UserError if the folder holds no dataset of a known version."""
    require_pyarrow()
    if not path:
        raise UserError("No LeRobot dataset is named: give its folder with --data.path.")
    forget()
    folder = Path(path)
    if not (folder / "meta" / "info.json").is_file():
        raise UserError(f"{folder} is no LeRobot dataset, for it has no meta/info.json: give the folder above `meta`.")
    with explain_errors(f"The LeRobot dataset {folder} cannot be read", "fetch it anew"):
        info = json.loads((folder / "meta" / "info.json").read_text())
        version = info["codebase_version"]
        if version not in VERSIONS:
            raise UserError(
                f"{folder} is of LeRobot's format {version}, and Reverie reads {', '.join(VERSIONS)}: convert it by"
                " LeRobot's own scripts."
            )
        info["fps"] = float(info["fps"])
        features = {name: found for name, each in info["features"].items() if (found := _feature(each))}
        read = _episodes_of_3 if version == "v3.0" else _episodes_of_2
        episodes = read(folder, info, [name for name, each in features.items() if each.dtype == "video"])
        extra = folder / "meta" / "reverie.json"
        known = json.loads(extra.read_text()) if extra.is_file() else {}
        return LeRobotFiles(folder, info["fps"], features, episodes, known)


def _feature(described: dict[str, Any]) -> Feature | None:
    """Return a feature that is an array; None for words, sounds and depth."""
    dtype, shape = described["dtype"], tuple(described["shape"])
    if dtype in NO_ARRAYS:
        return None
    if dtype not in ("video", "image"):
        return Feature(shape, dtype)
    settings = described.get("info") or described.get("video_info") or {}
    if settings.get("video.is_depth_map") or settings.get("is_depth_map"):
        return None
    return Feature(shape, dtype, 1 if 1 in (shape[0], shape[-1]) else 3)


def _episodes_of_3(folder: Path, info: dict[str, Any], cameras: list[str]) -> list[LeRobotEpisode]:
    """Return the episodes by the tables in `meta/episodes`."""
    import pyarrow.parquet as pq

    keys = ["episode_index", "length", "data/chunk_index", "data/file_index"]
    ends = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    keys += [f"videos/{camera}/{end}" for camera in cameras for end in ends]
    rows = [
        row
        for file in sorted((folder / "meta" / "episodes").rglob("*.parquet"))
        for row in pq.read_table(file, columns=keys, partitioning=None).to_pylist()
    ]
    episodes = []
    for row in sorted(rows, key=lambda row: row["episode_index"]):
        number, length, clips = row["episode_index"], row["length"], {}
        for camera in cameras:
            chunk, file, start, end = (row[f"videos/{camera}/{key}"] for key in ends)
            if round((end - start) * info["fps"]) != length:
                raise UserError(
                    f"Episode {number} of {folder} has {length} frames and {end - start:.3f} seconds of {camera}, at"
                    f" {info['fps']:g} frames a second: record it anew."
                )
            place = info["video_path"].format(video_key=camera, chunk_index=chunk, file_index=file)
            clips[camera] = Clip(folder / place, start, whole=False)
        where = {"chunk_index": row["data/chunk_index"], "file_index": row["data/file_index"]}
        episodes.append(LeRobotEpisode(number, length, folder / info["data_path"].format(**where), clips))
    return episodes


def _episodes_of_2(folder: Path, info: dict[str, Any], cameras: list[str]) -> list[LeRobotEpisode]:
    """Return the episodes by the lines of `meta/episodes.jsonl`. Each has files of its own."""
    episodes = []
    for line in (folder / "meta" / "episodes.jsonl").read_text().splitlines():
        number, length = (json.loads(line)[key] for key in ("episode_index", "length"))
        where = {"episode_index": number, "episode_chunk": number // info["chunks_size"]}
        clips = {
            camera: Clip(folder / info["video_path"].format(video_key=camera, **where), 0.0, whole=True)
            for camera in cameras
        }
        episodes.append(LeRobotEpisode(number, length, folder / info["data_path"].format(**where), clips))
    return sorted(episodes, key=lambda episode: episode.number)
