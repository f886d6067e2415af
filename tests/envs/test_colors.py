"""Images of any number of channels as people see them."""

import numpy as np

from reverie.envs.conversions import as_colors


def test_one_channel_is_gray_and_three_are_themselves():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(as_colors(image), image)
    gray = as_colors(image[:, :, :1])
    assert gray.shape == (2, 4, 3)
    assert all(np.array_equal(gray[:, :, channel], image[:, :, 0]) for channel in range(3))


def test_every_other_channel_has_a_hue_of_its_own():
    for channels in (2, 4, 10):
        shown = as_colors(np.eye(channels, dtype=np.uint8)[None, None] * 255)  # one pixel a channel
        assert shown.shape == (1, 1, channels, 3)
        assert len({tuple(pixel) for pixel in shown[0, 0].tolist()}) == channels
        assert (shown.max(-1) >= 254).all()
    nothing = as_colors(np.zeros((3, 5, 5, 4), np.uint8))
    assert nothing.shape == (3, 5, 5, 3)
    assert nothing.max() == 0
    assert as_colors(np.full((1, 1, 4), 255, np.uint8)).min() == 255  # overlaps add, and stay in range
