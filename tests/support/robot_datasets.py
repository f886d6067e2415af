"""Tiny datasets in LeRobot's formats, made by pyarrow and PyAV alone."""

import io
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

FPS = 10
CAMERAS = ("front", "wrist")


def gray(camera: int, episode: int, time: int) -> int:
    """The gray level that a camera shows: every frame of a dataset has another one."""
    return 20 + 100 * camera + 24 * episode + 4 * time


def picture(level: int) -> np.ndarray:
    return np.full((48, 64, 3), level, np.uint8)


def film(path: Path, levels: list[int], codec: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"libx264": {"g": "8", "crf": "1"}, "libsvtav1": {"g": "2", "crf": "5", "svtav1-params": "lp=1"}}[codec]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        for level in levels:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(level), "rgb24")))
        container.mux(stream.encode())


def dataset(
    folder: Path,
    version: str = "v3.0",
    codec: str = "libx264",
    lengths: tuple[int, ...] = (6, 5, 7),
    rewards: bool = True,
    stored: str = "video",
    a_file: int = 2,
) -> Path:
    """Write a dataset of a robot with two cameras. Version 3.0 has `a_file` episodes in each file.

    Frame t of episode e was acted on by [t, 10 e + t], had the joints [e, t, -t] and was followed by the reward t + 1.
    """
    three, offset = version == "v3.0", 0
    features = {f"observation.images.{name}": {"dtype": stored, "shape": [48, 64, 3]} for name in CAMERAS}
    features |= {
        "observation.state": {"dtype": "float32", "shape": [3]},
        "action": {"dtype": "float32", "shape": [2]},
        **{name: {"dtype": "int64", "shape": [1]} for name in ("frame_index", "episode_index", "index", "task_index")},
        "timestamp": {"dtype": "float32", "shape": [1]},
        "annotation": {"dtype": "string", "shape": [1]},
    }
    if rewards:
        features |= {"next.reward": {"dtype": "float32", "shape": [1]}, "next.success": {"dtype": "bool", "shape": [1]}}
    patterns = {
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }
    if not three:
        patterns = {
            "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
            "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        }
    info = {"codebase_version": version, "fps": FPS, "chunks_size": 1000, "features": features, **patterns}
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    listed, tables, films = [], {}, {}
    for number, length in enumerate(lengths):
        file = number // a_file if three else number
        time = np.arange(length)
        rows = {
            "observation.state": np.stack([np.full(length, number), time, -time], 1).astype(np.float32).tolist(),
            "action": np.stack([time, 10 * number + time], 1).astype(np.float32).tolist(),
            "frame_index": time,
            "episode_index": np.full(length, number),
            "index": offset + time,
            "task_index": np.zeros(length, int),
            "timestamp": (time / FPS).astype(np.float32),
            "annotation": ["pick"] * length,
        }
        if rewards:
            rows |= {"next.reward": 1.0 + time, "next.success": (time == length - 1) & (number == 1)}
        row = {"episode_index": number, "tasks": ["pick"], "length": length}
        row |= {"data/chunk_index": 0, "data/file_index": file}
        for camera, name in enumerate(CAMERAS):
            key, levels = f"observation.images.{name}", [gray(camera, number, t) for t in range(length)]
            if stored == "image":
                rows[key] = [{"bytes": png(level), "path": f"{level}.png"} for level in levels]
                continue
            before = films.setdefault((key, file), [])
            row |= {f"videos/{key}/chunk_index": 0, f"videos/{key}/file_index": file}
            row |= {f"videos/{key}/from_timestamp": len(before) / FPS}
            before += levels
            row |= {f"videos/{key}/to_timestamp": len(before) / FPS}
        tables.setdefault(file, []).append(pa.table(rows))
        listed.append(row)
        offset += length
    for file, parts in tables.items():
        where = {"chunk_index": 0, "file_index": file, "episode_chunk": 0, "episode_index": file}
        write(folder / patterns["data_path"].format(**where), pa.concat_tables(parts))
        for (key, place), levels in films.items():
            if place == file:
                film(folder / patterns["video_path"].format(video_key=key, **where), levels, codec)
    if three:
        write(folder / "meta/episodes/chunk-000/file-000.parquet", pa.Table.from_pylist(listed))
    else:
        lines = [json.dumps({key: row[key] for key in ("episode_index", "tasks", "length")}) for row in listed]
        (folder / "meta" / "episodes.jsonl").write_text("\n".join(lines))
    return folder


def png(level: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture(level)).save(stream, "png")
    return stream.getvalue()


def write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
