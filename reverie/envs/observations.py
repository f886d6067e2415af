"""Gymnasium's observation spaces by name and in the normal form, of environments and of recorded data alike."""

from typing import Any

import numpy as np

from reverie.envs.adapter import Space
from reverie.errors import UserError


def leaves(space: Any, prefix: str = "") -> dict[str, Any]:
    """The observation spaces by name: `state`, or a Dict's keys joined by slashes."""
    from gymnasium import spaces

    if not isinstance(space, spaces.Dict):
        return {prefix or "state": space}
    found: dict[str, Any] = {}
    for key, part in space.items():
        found |= leaves(part, f"{prefix}/{key}" if prefix else str(key))
    return found


def leaf(observation: Any, name: str) -> Any:
    """The part of an observation that `leaves` calls `name`."""
    if isinstance(observation, dict):
        if name in observation:
            return observation[name]
        for key, part in observation.items():
            if name.startswith(f"{key}/"):
                return leaf(part, name.removeprefix(f"{key}/"))
    return observation


def described(space: Any, name: str, source: str, image_size: int) -> Space:
    """The normal form of one observation space of `source`. UserError if it has none."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) > 1:
        if len(space.shape) > 3:
            raise UserError(
                f"{source} observes {name!r} as {space.shape}, a stack of images: take the environment"
                " without frame stacking, for the model remembers by itself."
            )
        channels = channels_last(np.empty(space.shape, np.uint8)).shape[2]
        return Space((image_size, image_size, channels), "uint8")
    if not space.is_np_flattenable:
        raise UserError(f"{source} observes {name!r} as {space}, which is no array: observe something else.")
    return Space((spaces.flatdim(space),), "float32")


def channels_last(image: np.ndarray) -> np.ndarray:
    """(height, width, channels), from that, (height, width) or (channels, height, width)."""
    if image.ndim == 2:
        return image[:, :, None]
    channels_first = image.shape[0] <= 4 < image.shape[2]
    return np.moveaxis(image, 0, 2) if channels_first else image
