"""Images with any number of channels, as people can see them."""

import colorsys

import numpy as np
from jaxtyping import UInt8


def as_colours(images: UInt8[np.ndarray, "*b H W C"]) -> UInt8[np.ndarray, "*b H W 3"]:
    """RGB as it is; one channel as grey; any other number (MinAtar's) a hue each, added where they overlap."""
    channels = images.shape[-1]
    if channels in (1, 3):
        return np.broadcast_to(images, (*images.shape[:-1], 3))
    hues = [colorsys.hsv_to_rgb(channel / channels, 0.8, 1.0) for channel in range(channels)]
    mixed = images.astype(np.float32) @ np.array(hues, np.float32)
    return np.rint(mixed.clip(0, 255)).astype(np.uint8)
