"""Into and out of the normal form: the conversions that every family of environments shares, and recorded data too."""

import colorsys
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from reverie.errors import UserError
from reverie.spaces import ActionSpace, Space


def checked_action(action: np.ndarray, space: ActionSpace) -> np.ndarray:
    """`action` as float64 `(A,)`, clipped to [-1, 1] unless it is one-hot.

    Raises UserError for a wrong shape and for NaN or infinite numbers, which would poison a simulator's
    state long before anybody sees it.
    """
    action = np.asarray(action, np.float64)
    if action.shape != (space.size,):
        raise UserError(f"An action here has shape ({space.size},), but {action.shape} was given.")
    if not np.isfinite(action).all():
        raise UserError(f"The action {action.tolist()} is not finite: look for NaN in the policy.")
    return action if space.discrete else action.clip(-1, 1)


def scaled_action(action: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """From [-1, 1] to [low, high], float64 `(A,)`; both ends are met exactly."""
    return (low + (action + 1) / 2 * (high - low)).clip(low, high)


def normal_action(own: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """From [low, high] to [-1, 1], float32 with the shape of `own` (..., A); 0 where there is nothing to choose."""
    width = np.where(high > low, high - low, 1)
    normal = np.where(high > low, 2 * (own - low) / width - 1, 0)
    return normal.clip(-1, 1).astype(np.float32)


def uniform_actions(space: ActionSpace, count: int, rng: np.random.Generator) -> np.ndarray:
    """Uniformly random actions in the normal form, float32 `(count, A)`."""
    if space.discrete:
        return np.eye(space.size, dtype=np.float32)[rng.integers(space.size, size=count)]
    return rng.uniform(-1, 1, (count, space.size)).astype(np.float32)


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """A uint8 `(height, width, channels)` image as a new `(size, size, channels)`, by area interpolation."""
    if image.shape[:2] == (size, size):
        return np.array(image, order="C")
    parts = [np.ascontiguousarray(image[..., i : i + 4]) for i in range(0, image.shape[2], 4)]  # OpenCV's most channels
    small = [cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA) for part in parts]
    return np.concatenate([one.reshape(size, size, -1) for one in small], -1)  # OpenCV drops an axis of one channel


def vector(value: np.ndarray | float) -> np.ndarray:
    """Any array or number as a new float32 `(n,)`."""
    return np.array(value, np.float32).reshape(-1)


def over() -> UserError:
    """What a step without a running episode raises."""
    return UserError("No episode is running: call reset(seed) first, and again after a step with is_last.")


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


def as_colors(images: UInt8[np.ndarray, "*b H W C"]) -> UInt8[np.ndarray, "*b H W 3"]:
    """RGB as it is; one channel as gray; any other number (MinAtar's) a hue each, added where they overlap."""
    channels = images.shape[-1]
    if channels in (1, 3):
        return np.broadcast_to(images, (*images.shape[:-1], 3))
    hues = [colorsys.hsv_to_rgb(channel / channels, 0.8, 1.0) for channel in range(channels)]
    mixed = images.astype(np.float32) @ np.array(hues, np.float32)
    return np.rint(mixed.clip(0, 255)).astype(np.uint8)
