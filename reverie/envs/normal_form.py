"""Into and out of the normal form: the few conversions that every family of environments shares."""

import cv2
import numpy as np

from reverie.envs.adapter import ActionSpace
from reverie.errors import UserError


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
