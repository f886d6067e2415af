"""What an environment gives, checked against what it has declared: once, where it comes in.

Each violation is one sentence that names what was declared and what came.
"""

import traceback
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from reverie.errors import UserError


def violation(source: str, sentence: str) -> UserError:
    """Return the error of an environment that breaks its promise."""
    return UserError(
        f"{source} {sentence}: mend the environment; `reverie check-env {source}` names all that is wrong."
    )


def failure(error: Exception, call: str, source: str) -> UserError:
    """Return the error of an environment whose `reset` or `step` raises: the API before Gymnasium 0.26, or a fault."""
    text = str(error)
    if "unexpected keyword argument 'seed'" in text:
        return violation(source, "has a reset that takes no seed")
    if "values to unpack (expected 5" in text:
        expected = "(observation, reward, terminated, truncated, info)"
        return violation(source, f"returns other than {expected} from step")
    if "values to unpack (expected 2" in text:
        return violation(source, "returns other than (observation, info) from reset")
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{call} at line {place.lineno} of {Path(place.filename).name}"
    return violation(source, f"raises {type(error).__name__} in {where} ({(text.splitlines() or ['no message'])[0]})")


def check_reset(result: Any, source: str) -> Any:
    """Return the observation of a reset."""
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
        raise violation(source, f"returns {_form(result)} from reset instead of (observation, info)")
    return result[0]


def check_step(result: Any, source: str) -> tuple[Any, float, bool, bool]:
    """Return observation, reward, terminated and truncated of a step."""
    if not (isinstance(result, tuple) and len(result) == 5):
        expected = "(observation, reward, terminated, truncated, info)"
        raise violation(source, f"returns {_form(result)} from step instead of {expected}")
    observation, reward, terminated, truncated, _ = result
    return observation, _reward(reward, source), bool(np.all(terminated)), bool(np.all(truncated))


def _reward(value: Any, source: str) -> float:
    try:
        number = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        number = np.empty(0)
    if number.size != 1 or not np.isfinite(number).all():
        raise violation(source, f"gives the reward {value!r}, which is not one finite number")
    return float(number.item())


def check_observation(value: Any, space: Any, name: str, source: str) -> Any:
    """Return one observation, which must be of Gymnasium's `space`: its shape, its kind of numbers, finite."""
    from gymnasium import spaces

    if not isinstance(space, spaces.Box):
        if not _contains(space, value):
            raise violation(source, f"declares the observation {name!r} as {space} and gives {_form(value)}")
        return value
    array = np.asarray(value)
    image = space.dtype == np.uint8
    if array.shape != space.shape or (array.dtype != space.dtype if image else array.dtype.kind not in "biuf"):
        declared = f"{space.dtype} {space.shape}"
        raise violation(source, f"declares the observation {name!r} as {declared} and gives {_form(value)}")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(np.float32)).all()
        if not finite:
            raise violation(source, f"gives an observation {name!r} with NaN, infinity or numbers beyond float32")
    return array


def check_frame(frame: Any, source: str) -> UInt8[np.ndarray, "H W 3"]:
    """Return a drawn frame as a new RGB array. Gray frames get three equal channels, an alpha channel is dropped."""
    array = np.asarray(frame)
    channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
    if array.dtype != np.uint8 or channels not in (1, 3, 4) or array.size == 0:
        raise violation(source, f"draws {_form(frame)} instead of a frame of uint8 (height, width, 3), from 0 to 255")
    array = array.reshape(*array.shape[:2], channels)[..., :3]
    return np.array(np.broadcast_to(array, (*array.shape[:2], 3)), order="C")


def _contains(space: Any, value: Any) -> bool:
    try:
        return bool(space.contains(value))
    except Exception:  # a space of someone else may fail on what it does not know
        return False


def _form(value: Any) -> str:
    """Return what came: `float64 (3,)`, `a tuple of 4`, `None`."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, tuple | list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value) if value is None or isinstance(value, int | float | str) else type(value).__name__
