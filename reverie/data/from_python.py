"""Recordings that lie in Python: arrays, lists of episodes, tables of pandas, and films beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reverie.config.checks import check_setting
from reverie.data import videos
from reverie.data.arrays import FOR_ALL, ArraysConfig, read_arrays
from reverie.envs.conversions import Aspect, channels_last, resize
from reverie.errors import UserError, nearest
from reverie.files import atomic_file, check_writable


def save_recordings(
    recordings: Any,
    file: str | Path,
    columns: Mapping[str, str | Sequence[str]] | None = None,
    image_size: int | None = None,
    aspect: Aspect = "stretch",
) -> ArraysConfig:
    """Write recordings as the .npz `file`, and return the config that reads them: `replace(config, data=...)`.

    `recordings` is a mapping of the arrays that `ArraysConfig` describes. It may also be a list of such episodes, or a
    table of pandas with a row for each time step. Instead of images there may be the name of a video file, whose frames
    they are. In a table each row may name an image file.

    `columns` renames and joins what is found: `{"actions": ["dx", "dy"], "images": "camera"}`. Then nothing else is
    taken. `image_size` stores smaller images, and the config keeps this size.

    UserError for what `ArraysConfig` would refuse. Then no file is left.
    """
    path, config = Path(file), ArraysConfig(str(file), aspect=aspect)
    if image_size is not None:
        check_setting(ArraysConfig, "image_size", image_size, "`image_size`")
        config = replace(config, image_size=image_size)
    if path.suffix != ".npz":
        raise UserError(f"Recordings go into an .npz file, and {path} is none: name one.")
    check_writable(path)
    arrays = _join([_arrays(each, columns, image_size, aspect) for each in _mappings(recordings)])
    with atomic_file(path, sum(array.nbytes for array in arrays.values())) as stream:
        np.savez(stream, **arrays)  # pyrefly: ignore
        stream.flush()
        read_arrays(Path(stream.name), str(path))
    return config


def _mappings(recordings: Any) -> list[Mapping[str, Any]]:
    """Return recordings as mappings of columns: one for all, or one for each episode."""
    if hasattr(recordings, "columns") and hasattr(recordings, "to_numpy"):  # a table of pandas, which is no dependency
        return [{str(name): recordings[name].to_numpy() for name in recordings.columns}]
    if isinstance(recordings, Mapping):
        return [recordings]
    episodes = list(recordings) if isinstance(recordings, Sequence) and not isinstance(recordings, str) else []
    if not episodes:
        raise UserError("Recordings are a mapping of arrays, a list of such episodes, or a table of pandas: give one.")
    for number, episode in enumerate(episodes):
        episodes[number] = found = _mappings(episode)[0]
        if "episode" in found:
            raise UserError(
                f"Episode {number} of the list has `episode` itself: the list numbers them, so leave it out."
            )
    return episodes


def _arrays(
    found: Mapping[str, Any], columns: Mapping[str, str | Sequence[str]] | None, image_size: int | None, aspect: Aspect
) -> dict[str, np.ndarray]:
    """Return the arrays of one mapping, by the names that `ArraysConfig` knows."""
    arrays = {}
    for name, sources in (columns or {name: name for name in found}).items():
        names = [sources] if isinstance(sources, str) else list(sources)
        for source in names:
            if source not in found:
                raise UserError(f"There is no column {source!r}, only {', '.join(found)}.{nearest(source, found)}")
        if isinstance(sources, str):
            arrays[name] = _column(found[sources], sources, image_size, aspect)
        else:
            parts = [np.asarray(found[source]) for source in names]
            arrays[name] = np.concatenate([part.reshape(len(part), -1) for part in parts], 1)
    return arrays


def _column(values: Any, name: str, image_size: int | None, aspect: Aspect) -> np.ndarray:
    """Return one column as an array: its values, the frames of a video file, or the content of image files."""
    if isinstance(values, (str, Path)):
        images = videos.all_frames(Path(values))
        return np.stack([image if image_size is None else resize(image, image_size, aspect) for image in images])
    try:
        array = np.asarray(values)
    except ValueError:
        raise UserError(f"The rows of {name!r} have different shapes: make them equal, or leave them out.") from None
    if array.dtype.kind in "OU" and name != "privileged" and len(array):
        cells = [_read_image(cell) if isinstance(cell, (str, Path)) else np.asarray(cell) for cell in array.tolist()]
        if len({cell.shape for cell in cells}) > 1:
            raise UserError(f"The rows of {name!r} have different shapes: make them equal, or leave them out.")
        array = np.stack(cells)
    if array.ndim != 4 or image_size is None or array.dtype != np.uint8:
        return array
    return np.stack([resize(channels_last(image), image_size, aspect) for image in array])


def _read_image(file: str | Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise UserError(f"The image {file} cannot be read ({error}): restore it, or leave its row out.") from None


def _join(episodes: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the rows of all episodes as one mapping, and number them if there are several."""
    if len(episodes) == 1:
        return episodes[0]
    joined: dict[str, np.ndarray] = {}
    for number, episode in enumerate(episodes):
        if other := min(episode.keys() ^ episodes[0].keys(), default=""):
            raise UserError(f"Episode {number} of the list {'has' if other in episode else 'lacks'} {other!r}.")
    for name, first in episodes[0].items():
        parts = [episode[name] for episode in episodes]
        if name in FOR_ALL:
            joined[name] = first
        elif len({part.shape[1:] for part in parts}) > 1:
            raise UserError(f"The episodes have {name!r} of different shapes: make them equal.")
        else:
            joined[name] = np.concatenate(parts)
    lengths = [len(episode["actions"]) if "actions" in episode else 0 for episode in episodes]
    return joined | {"episode": np.repeat(np.arange(len(episodes)), lengths)}
