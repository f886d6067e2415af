"""Writing of a collected dataset in LeRobot's format v3.0, which `LeRobotConfig` and LeRobot itself read.

Every observation is a frame, the last one too. Its action is zero, and `meta/reverie.json` says so.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reverie.data.lerobot_files import require_pyarrow
from reverie.data.recording import Manifest, read_manifest, trajectories
from reverie.errors import UserError
from reverie.files import check_writable
from reverie.spaces import Space

FPS = 30
"""Frames a second of the films, because an environment has no clock."""
FILE_FRAMES = 20_000
"""Frames after which the next files begin, at the end of an episode."""
LEAST_VIDEO = 64
"""Height and width from which images become a video. LeRobot's codec takes no smaller ones."""
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
CODEC = {"g": "2", "crf": "30", "svtav1-params": "lp=1"}
"""LeRobot's own settings of libsvtav1, on one thread."""


def check_new(target: str) -> None:
    """Raise UserError unless pyarrow is installed and `target` can become a new folder."""
    require_pyarrow()
    if Path(target).exists():
        raise UserError(f"{target} is there already: take another --to, or delete that folder.")
    check_writable(Path(target))


def write(folder: Path, target: str) -> None:
    """Write all trajectories of both parts, in their order. Actions stay in the normal form."""
    check_new(target)
    partial = Path(f"{target}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _Writer(partial, read_manifest(folder)).write(folder)
        partial.rename(target)
    except OSError as error:
        raise UserError(f"{target} cannot be written ({error.strerror}): take another --to.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class _Writer:
    """Writes the episodes, a file after another, and then what `meta` says of them."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.columns = {name: _column(name, space) for name, space in manifest.spec.obs.items()}
        self.videos = [name for name, space in manifest.spec.obs.items() if _is_video(space)]
        self.episodes: list[dict[str, Any]] = []
        self.sums: dict[str, list[np.ndarray]] = {}

    def write(self, folder: Path) -> None:
        waiting = trajectories(folder, self.manifest)
        episode, frames, file = next(waiting, None), 0, 0
        while episode is not None:
            begun = frames
            with ExitStack() as opened:
                table, films = self._open(file, opened)
                while episode is not None and frames - begun < FILE_FRAMES:
                    rows = self._rows(episode, frames)
                    table.write_table(rows.cast(table.schema))
                    for name, film in films.items():
                        film.add(episode[f"obs/{name}"])
                    self._list(len(rows), frames, begun, file)
                    frames += len(rows)
                    episode = next(waiting, None)
            file += 1
        self._write_meta(frames)

    def _open(self, file: int, opened: ExitStack) -> tuple[Any, dict[str, "_Film"]]:
        """Open the table and the films of one file. `opened` closes them."""
        import pyarrow.parquet as pq

        where = {"chunk_index": file // 1000, "file_index": file % 1000}
        table, films = self.folder / DATA.format(**where), {}
        table.parent.mkdir(parents=True, exist_ok=True)
        for name in self.videos:
            path = self.folder / VIDEO.format(video_key=self.columns[name], **where)
            films[name] = opened.enter_context(_Film(path, self.manifest.spec.obs[name].shape))
        return opened.enter_context(pq.ParquetWriter(table, self._schema())), films

    def _schema(self) -> Any:
        import pyarrow as pa

        images = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        types = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_(), "image": images}
        return pa.schema(
            [
                (
                    name,
                    types[each["dtype"]]
                    if each["shape"] == [1] or each["dtype"] == "image"
                    else pa.list_(pa.float32()),
                )
                for name, each in self._features().items()
                if each["dtype"] != "video"
            ]
        )

    def _features(self) -> dict[str, dict[str, Any]]:
        """Describe each column as `meta/info.json` does."""
        features: dict[str, dict[str, Any]] = {}
        for name, space in self.manifest.spec.obs.items():
            described = {"dtype": "float32", "shape": list(space.shape), "names": None}
            if space.is_image:
                described |= {"dtype": "image", "names": ["height", "width", "channels"]}
            if name in self.videos:
                height, width, channels = space.shape
                info = {"video.height": height, "video.width": width, "video.codec": "av1", "video.pix_fmt": "yuv420p"}
                info |= {"video.is_depth_map": False, "video.fps": FPS, "video.channels": channels, "has_audio": False}
                described |= {"dtype": "video", "info": info}
            features[self.columns[name]] = described
        numbers = {"action": ("float32", self.manifest.spec.action.size), "next.reward": ("float32", 1)}
        numbers |= {"next.done": ("bool", 1), "next.terminated": ("bool", 1), "timestamp": ("float32", 1)}
        numbers |= dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), ("int64", 1))
        return features | {
            name: {"dtype": dtype, "shape": [size], "names": None} for name, (dtype, size) in numbers.items()
        }

    def _rows(self, episode: dict[str, np.ndarray], frames: int) -> Any:
        """Return one episode as a table, and count its numbers in."""
        import pyarrow as pa

        time = np.arange(len(episode["reward"]))
        over = time >= len(time) - 2
        numbers = {
            "action": episode["action"],
            "next.reward": np.append(episode["reward"][1:], np.float32(0)),
            "next.done": over,
            "next.terminated": over & episode["is_terminal"][-1],
            "timestamp": (time / FPS).astype(np.float32),
            "frame_index": time,
            "episode_index": np.full(len(time), len(self.episodes)),
            "index": frames + time,
            "task_index": np.zeros(len(time), np.int64),
        }
        rows: dict[str, Any] = {}
        for name, column in self.columns.items():
            values = episode[f"obs/{name}"]
            if not self.manifest.spec.obs[name].is_image:
                numbers[column] = values
            elif name not in self.videos:
                rows[column] = [{"bytes": _png(image), "path": None} for image in values]
        for name, values in numbers.items():
            self.sums.setdefault(name, []).append(values.reshape(len(time), -1))
            rows[name] = values.reshape(len(time)) if self._features()[name]["shape"] == [1] else values.tolist()
        order = [name for name, each in self._features().items() if each["dtype"] != "video"]
        return pa.table({name: rows[name] for name in order})

    def _list(self, length: int, frames: int, begun: int, file: int) -> None:
        """Add the row of an episode in `meta/episodes`."""
        chunk = {"chunk_index": file // 1000, "file_index": file % 1000}
        row: dict[str, Any] = {"episode_index": len(self.episodes), "tasks": [self._task], "length": length}
        row |= {"dataset_from_index": frames, "dataset_to_index": frames + length}
        row |= {f"data/{key}": value for key, value in chunk.items()}
        row |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        for name in self.videos:
            place, start = f"videos/{self.columns[name]}", frames - begun
            row |= {f"{place}/{key}": value for key, value in chunk.items()}
            row |= {f"{place}/from_timestamp": start / FPS, f"{place}/to_timestamp": (start + length) / FPS}
        self.episodes.append(row)

    @property
    def _task(self) -> str:
        return f"random actions in {self.manifest.env.id}"

    def _write_meta(self, frames: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        meta, manifest = self.folder / "meta", self.manifest
        (meta / "episodes" / "chunk-000").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self.episodes), meta / "episodes" / "chunk-000" / "file-000.parquet")
        tasks = pa.table({"task_index": [0], "task": [self._task]})  # LeRobot expects the index of pandas
        types = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
        columns = [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": own, "metadata": None}
            for name, (kind, own) in types.items()
        ]
        index = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
        pq.write_table(tasks.replace_schema_metadata({"pandas": json.dumps(index)}), meta / "tasks.parquet")
        info = {
            "codebase_version": "v3.0",
            "robot_type": None,
            "total_episodes": len(self.episodes),
            "total_frames": frames,
            "total_tasks": 1,
            "chunks_size": 1000,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": FPS,
            "splits": {"train": f"0:{len(self.episodes)}"},
            "data_path": DATA,
            "video_path": VIDEO if self.videos else None,
            "features": self._features(),
        }
        extra = {
            "privileged": [name.replace("/", ".") for name in manifest.privileged],
            "discrete": manifest.spec.action.discrete,
            "ends_with_observation": True,
        }
        for file, content in (("info", info), ("stats", dict(self._stats())), ("reverie", extra)):
            (meta / f"{file}.json").write_text(json.dumps(content, indent=1))

    def _stats(self) -> Iterator[tuple[str, dict[str, list[float]]]]:
        """Yield the statistics of each column of numbers, by which LeRobot scales them."""
        for name, parts in self.sums.items():
            values = np.concatenate(parts).astype(np.float64)
            found = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
            yield name, {key: value.tolist() for key, value in found.items()} | {"count": [float(len(values))]}


class _Film:
    """A video file of the images of many episodes."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        import av

        path.parent.mkdir(parents=True, exist_ok=True)
        self.container = av.open(str(path), "w")
        self.stream: Any = self.container.add_stream("libsvtav1", rate=FPS, options=CODEC)
        self.stream.height, self.stream.width, self.stream.pix_fmt = *shape[:2], "yuv420p"

    def add(self, images: np.ndarray) -> None:
        import av

        for image in images:
            self.container.mux(self.stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))

    def __enter__(self) -> "_Film":
        return self

    def __exit__(self, *_: object) -> None:
        self.container.mux(self.stream.encode())
        self.container.close()


def _column(name: str, space: Space) -> str:
    """Return the column of an observation. Slashes would be folders."""
    return ("observation.images." if space.is_image else "observation.") + name.replace("/", ".")


def _is_video(space: Space) -> bool:
    if not space.is_image:
        return False
    height, width, channels = space.shape
    return channels == 3 and min(height, width) >= LEAST_VIDEO and height % 2 == width % 2 == 0


def _png(image: np.ndarray) -> bytes:
    if image.shape[2] not in (1, 3):
        raise UserError(f"LeRobot's images have 1 or 3 channels, not {image.shape[2]}: write --format arrays.")
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()
