"""Drawings of a table from above, without OpenGL: the same bits on every machine with the same OpenCV.

Everything is drawn four times as fine and area-averaged, so a motion of a tenth of a pixel is visible. Coordinates are
in meters: x to the right, y up, the origin in the middle.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

FINER = 4
"""Fine pixels along the side of a pixel."""
FRACTION_BITS = 6
"""Bits after the point in OpenCV's coordinates."""
Color = tuple[float, float, float]
"""Red, green and blue, each 0 to 1."""


@dataclass(frozen=True)
class Look:
    """The look of a scene: colors, light and the table's grain."""

    thing: Color = (0.93, 0.85, 0.66)
    """Color of the object."""
    back: Color = (0.86, 0.60, 0.52)
    """Color of the object's other side, as factors of `thing`."""
    table: Color = (0.22, 0.25, 0.30)
    """Color of the table."""
    light: float = 1.0
    """Factor of the brightness everywhere, 0 or more."""
    slope: float = 0.0
    """Relative gain in brightness from the middle of the table to its right edge; the left edge loses as much."""
    grain: float = 0.0
    """Standard deviation of the table's texture, in brightness from 0 to 1."""
    grain_seed: int = 0
    """Seed of the texture."""


class Canvas:
    """A fine canvas for a picture of `size` pixels of a square of `width` meters."""

    def __init__(self, size: int, width: float) -> None:
        self.size, self.scale = size * FINER, size * FINER / width

    def pixels(self, points: Float[np.ndarray, "*n 2"]) -> np.ndarray:
        """Convert meters to OpenCV's fixed-point (column, row) on the fine canvas."""
        column = points[..., 0] * self.scale + self.size / 2 - 0.5
        row = self.size / 2 - 0.5 - points[..., 1] * self.scale
        return np.round(np.stack([column, row], -1) * (1 << FRACTION_BITS)).astype(np.int32)

    def line(self, points: Float[np.ndarray, "n 2"], width: float) -> Float[np.ndarray, "fine fine"]:
        """Return 1 in each fine pixel that a line of `width` meters with round ends covers, else 0."""
        fine = np.zeros((self.size, self.size), np.uint8)
        cv2.polylines(fine, [self.pixels(points)], False, 1, max(1, round(width * self.scale)), shift=FRACTION_BITS)
        return fine.astype(np.float32)

    def triangles(
        self, corners: Float[np.ndarray, "n 3 2"], colors: Float[np.ndarray, "n 3"], order: np.ndarray
    ) -> UInt8[np.ndarray, "fine fine 3"]:
        """Fill triangles on black, in that order, with colors from 0 to 255."""
        fine = np.zeros((self.size, self.size, 3), np.uint8)
        for place, color in zip(self.pixels(corners)[order], colors[order].tolist()):
            cv2.fillConvexPoly(fine, place, color, shift=FRACTION_BITS)
        return fine

    def average(self, fine: np.ndarray) -> np.ndarray:
        """Average the fine canvas to the picture's pixels."""
        return cv2.resize(fine, None, fx=1 / FINER, fy=1 / FINER, interpolation=cv2.INTER_AREA)


def shade(
    coverage: Float[np.ndarray, "h w"], look: Look, thing: Float[np.ndarray, "h w 3"] | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Draw an object that covers a part of each pixel, 0 to 1, on the table.

    `thing` is its color times its coverage, by default the color of the look.
    """
    height, width = coverage.shape
    table = np.broadcast_to(np.asarray(look.table, np.float32), (height, width, 3))
    if look.grain:
        # The same texture at every size: a coarse grid of noise, drawn out smoothly.
        noise = np.random.default_rng(look.grain_seed).normal(size=(24, 24)).astype(np.float32)
        table = table + look.grain * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    alpha = coverage[..., None]
    scene = (1 - alpha) * table + (alpha * np.asarray(look.thing, np.float32) if thing is None else thing)
    light = look.light * (1 + look.slope * np.linspace(-1, 1, width, dtype=np.float32))[None, :, None]
    return np.round(np.clip(scene * light, 0, 1) * 255).astype(np.uint8)


def add_arrow(
    picture: UInt8[np.ndarray, "size size 3"],
    begin: Float[np.ndarray, " 2"],
    end: Float[np.ndarray, " 2"],
    width: float,
) -> UInt8[np.ndarray, "size size 3"]:
    """Return a picture of a square of `width` meters with a thin arrow, its ends in meters."""
    size = len(picture)
    places = (np.stack([begin, end]) * [1, -1] / width + 0.5) * size
    first, last = (tuple(int(x) for x in np.round(place)) for place in places)
    thick = max(1, size // 240)
    length = max(float(np.linalg.norm(places[1] - places[0])), 1.0)
    tip = min(0.4, size / 40 / length)
    return cv2.arrowedLine(picture.copy(), first, last, (235, 64, 52), thick, cv2.LINE_AA, tipLength=tip)


def overlap(one: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"]) -> float:
    """Return the intersection over union of two masks, 0 to 1."""
    union = np.logical_or(one, other).sum()
    return float(np.logical_and(one, other).sum() / union) if union else 1.0
