"""Conversions into and out of the normal form, for every family of environments and for recorded data.

Actions are float32 `(A,)`: in [-1, 1], or one-hot if discrete. Observations are uint8 images `(height, width,
channels)` or float32 vectors `(n,)`. Gymnasium's spaces describe what an environment or a dataset has of its own.
"""

import colorsys
from collections.abc import Collection, Iterable
from typing import Any, Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from reverie.envs.base import EnvConfig
from reverie.envs.border import violation
from reverie.errors import UserError, nearest
from reverie.spaces import ActionSpace, Space

# ---- actions


def check_action(action: np.ndarray, space: ActionSpace) -> np.ndarray:
    """Return `action` as float64 `(A,)`, clipped to [-1, 1] unless it is one-hot.

    Raises UserError for a wrong shape, and for NaN or infinity, which would spoil a simulator's state unnoticed.
    """
    action = np.asarray(action, np.float64)
    if action.shape != (space.size,):
        raise UserError(f"An action here has shape ({space.size},), but {action.shape} was given.")
    if not np.isfinite(action).all():
        raise UserError(f"The action {action.tolist()} is not finite: look for NaN in the policy.")
    return action if space.discrete else action.clip(-1, 1)


def scale_action(action: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Map [-1, 1] to [low, high], float64 `(A,)`. Both ends are met exactly."""
    return (low + (action + 1) / 2 * (high - low)).clip(low, high)


def normalize_action(action: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Map [low, high] to [-1, 1], float32 with the shape of `action` (..., A). An empty range gives 0."""
    width = np.where(high > low, high - low, 1)
    normal = np.where(high > low, 2 * (action - low) / width - 1, 0)
    return normal.clip(-1, 1).astype(np.float32)


def uniform_actions(space: ActionSpace, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` uniform actions in the normal form, float32 `(count, A)`."""
    if space.discrete:
        return np.eye(space.size, dtype=np.float32)[rng.integers(space.size, size=count)]
    return rng.uniform(-1, 1, (count, space.size)).astype(np.float32)


def action_space(space: Any, source: str) -> ActionSpace:
    """Return the normal form of a Gymnasium action space. UserError unless it is Box or Discrete."""
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete):
        return ActionSpace(int(space.n), discrete=True)
    if not isinstance(space, spaces.Box):
        raise UserError(f"{source} has actions of {space}, and Reverie takes Box and Discrete actions: wrap it.")
    if np.prod(space.shape) == 0:
        raise UserError(f"{source} has actions of {space}, which hold no number: there is nothing to choose.")
    return ActionSpace(int(np.prod(space.shape)), discrete=False)


# ---- observations

Aspect = Literal["stretch", "crop", "pad"]
"""How an image becomes square: by other scales of its axes, by its middle alone, or by black bars."""
LEAST_IMAGE = 8
"""Height and width from which an array of three axes is taken for an image, whatever its numbers are."""


def observation_spaces(space: Any, prefix: str = "") -> dict[str, Any]:
    """Return Gymnasium's observation spaces by name: `state`, or the keys of a Dict joined by slashes."""
    from gymnasium import spaces

    if not isinstance(space, spaces.Dict):
        return {prefix or "state": space}
    by_name: dict[str, Any] = {}
    for key, part in space.items():
        by_name |= observation_spaces(part, f"{prefix}/{key}" if prefix else str(key))
    return by_name


def observation_part(observation: Any, name: str, source: str) -> Any:
    """Return the part of an observation that `observation_spaces` calls `name`. UserError if it is missing."""
    if not isinstance(observation, dict):
        return observation
    for key, part in observation.items():
        if str(key) == name:
            return part
        if isinstance(part, dict) and name.startswith(f"{key}/"):
            return observation_part(part, name.removeprefix(f"{key}/"), source)
    raise violation(source, f"declares an observation {name!r} and gives only {', '.join(map(str, observation))}")


def select_observations(
    observe: Iterable[str], own: Collection[str], available: Collection[str], source: str, option: str = "--env.observe"
) -> list[str]:
    """Return the names that `observe` asks for, each once. `all` stands for the names in `own`.

    Raises UserError for a name that is not in `available`, and if no name is left.
    """
    names = list(dict.fromkeys(name for word in observe for name in (own if word == "all" else [word])))
    for name in names:
        if name not in available:
            raise UserError(
                f"{source} has no observation {name!r}, only {', '.join(available)}: choose with"
                f" {option}.{nearest(name, available)}"
            )
    if not names:
        raise UserError(f"Nothing is observed: name at least one of {', '.join([*available, 'all'])} in {option}.")
    return names


def normal_space(space: Any, name: str, source: str, image_size: int) -> Space:
    """Return the normal form of the observation space `name` of `source`. UserError if it has none."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box) and 0 in space.shape:
        raise UserError(f"{source} observes {name!r} as {space.shape}, which holds no number: observe something else.")
    if isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) > 1:
        if len(space.shape) > 3:
            raise UserError(
                f"{source} observes {name!r} as {space.shape}, a stack of images: take the environment"
                " without frame stacking, because the model has a memory of its own."
            )
        channels = channels_last(np.empty(space.shape, np.uint8), f"the observation {name!r} of {source}").shape[2]
        return Space((image_size, image_size, channels), "uint8")
    if not _is_array(space):
        raise UserError(f"{source} observes {name!r} as {space}, which is no array: observe something else.")
    if len(space.shape or ()) == 3 and sorted(space.shape)[1] >= LEAST_IMAGE:
        raise UserError(
            f"{source} observes {name!r} as an image of {space.dtype} {space.shape}: convert it to uint8 from 0 to 255 "
            "by gymnasium.wrappers.TransformObservation, or flatten it if it is no image."
        )
    return Space((spaces.flatdim(space),), "float32")


def _is_array(space: Any) -> bool:
    """Return whether values of a space become an array of numbers. Letters could, and would mean nothing."""
    from gymnasium import spaces

    if isinstance(space, spaces.Tuple):
        return all(map(_is_array, space.spaces))
    return bool(space.is_np_flattenable) and not isinstance(space, spaces.Text)


def normal_observation(value: Any, own: Any, space: Space) -> np.ndarray:
    """Return one value of Gymnasium's space `own` as a new array of `space`, its normal form."""
    if space.is_image:
        return resize(channels_last(value), space.shape[0])
    from gymnasium import spaces

    return to_vector(np.asarray(spaces.flatten(own, value)))


def to_vector(value: np.ndarray | float) -> np.ndarray:
    """Return any array or number as a new float32 `(n,)`."""
    return np.array(value, np.float32).reshape(-1)


def resize(image: np.ndarray, size: int, aspect: Aspect = "stretch") -> np.ndarray:
    """Return a uint8 `(height, width, channels)` image as a new `(size, size, channels)`, by area interpolation."""
    height, width, channels = image.shape
    if aspect == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    elif aspect == "pad":
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        square = np.zeros((side, side, channels), np.uint8)
        square[top : top + height, left : left + width] = image
        image = square
    if image.shape[:2] == (size, size):
        return np.array(image, order="C")
    parts = [np.ascontiguousarray(image[..., i : i + 4]) for i in range(0, image.shape[2], 4)]  # OpenCV's most channels
    small = [cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA) for part in parts]
    return np.concatenate([part.reshape(size, size, -1) for part in small], -1)  # OpenCV drops an axis of one channel


def channels_last(image: np.ndarray, what: str = "an image") -> np.ndarray:
    """Return a `(height, width, channels)`, `(height, width)` or `(channels, height, width)` image as the first.

    The axis of channels is the shorter of the first and the last. UserError if neither is the shortest of the three.
    """
    if image.ndim == 2:
        return image[:, :, None]
    first, middle, last = image.shape
    if last <= min(first, middle):
        return image
    if first < min(middle, last):
        return np.moveaxis(image, 0, 2)
    raise UserError(f"The shape {image.shape} of {what} does not show its channels: make them the last, shortest axis.")


def as_colors(images: UInt8[np.ndarray, "*b H W C"]) -> UInt8[np.ndarray, "*b H W 3"]:
    """Return images as RGB. One channel becomes gray. Other channels get a hue each, added where they overlap."""
    channels = images.shape[-1]
    if channels in (1, 3):
        return np.broadcast_to(images, (*images.shape[:-1], 3))
    hues = [colorsys.hsv_to_rgb(channel / channels, 0.8, 1.0) for channel in range(channels)]
    mixed = images.astype(np.float32) @ np.array(hues, np.float32)
    return np.rint(mixed.clip(0, 255)).astype(np.uint8)


# ---- refusals


def no_episode_error() -> UserError:
    """Return the error of a step without a running episode."""
    return UserError("No episode is running: call reset(seed) first, and again after a step with is_last.")


def refuse_settings(config: EnvConfig, *names: str) -> None:
    """Raise UserError if one of these settings of `EnvConfig` differs from its default: the family has none."""
    if any(getattr(config, name) != getattr(EnvConfig(), name) for name in names):
        options = " and ".join(f"--env.{name}" for name in names)
        raise UserError(f"{config.id} has no settings {options}: leave them out.")


def refuse_other_than_pixels(config: EnvConfig) -> None:
    """Raise UserError if another observation is asked of a game that has nothing but its screen."""
    if config.observe not in (("pixels",), ("all",)):
        raise UserError(f"{config.id} has no observation {config.observe[0]!r}: leave out --env.observe.")
