"""Conversions of actions and observations into the normal form, and images in color."""

import numpy as np
import pytest

from reverie.envs.conversions import (
    as_colors,
    check_action,
    normalize_action,
    resize,
    scale_action,
    to_vector,
    uniform_actions,
)
from reverie.errors import UserError
from reverie.spaces import ActionSpace


def test_scaling_meets_both_ends_exactly():
    low, high = np.array([-0.1, 3.0]), np.array([0.7, 3.3])
    assert scale_action(np.array([-1.0, -1.0]), low, high).tolist() == low.tolist()
    assert scale_action(np.array([1.0, 1.0]), low, high).tolist() == high.tolist()
    np.testing.assert_allclose(scale_action(np.array([0.0, 0.5]), low, high), [0.3, 3.225])


def test_continuous_actions_are_clipped_and_discrete_ones_are_not():
    beyond = np.array([-3.0, 0.25], np.float32)
    assert check_action(beyond, ActionSpace(2, discrete=False)).tolist() == [-1, 0.25]
    assert check_action(beyond, ActionSpace(2, discrete=True)).tolist() == [-3, 0.25]
    with pytest.raises(UserError, match=r"shape \(3,\), but \(2,\)"):
        check_action(beyond, ActionSpace(3, discrete=False))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 9])
def test_shrinking_takes_the_mean_of_an_area(channels):
    image = np.random.default_rng(0).integers(0, 256, (12, 20, channels), dtype=np.uint8)
    areas = image.reshape(4, 3, 4, 5, channels).mean((1, 3))
    assert np.abs(resize(image, 4) - areas).max() <= 0.5 + 1e-6
    assert resize(image, 4).dtype == np.uint8


def test_results_are_new_arrays():
    image, numbers = np.zeros((8, 8, 3), np.uint8), np.zeros(2, np.float32)
    small, row = resize(image, 8), to_vector(numbers)
    image[:], numbers[:] = 1, 1
    assert small.max() == 0
    assert row.max() == 0
    assert to_vector(1.5).tolist() == [1.5]
    assert to_vector(np.eye(2)).shape == (4,)


def test_normalize_action_inverts_scale_action():
    low, high = np.array([-0.1, 3.0, 2.0]), np.array([0.7, 3.3, 2.0])
    own = np.array([[-0.1, 3.3, 2.0], [0.3, 3.225, 2.0], [9.0, 3.0, 2.0]])
    normal = normalize_action(own, low, high)
    np.testing.assert_allclose(normal, [[-1, 1, 0], [0, 0.5, 0], [1, -1, 0]], atol=1e-6)
    assert normal.dtype == np.float32
    np.testing.assert_allclose(scale_action(normal[1].astype(float), low, high), own[1], atol=1e-6)


def test_uniform_actions_cover_the_action_space():
    rng = np.random.default_rng(0)
    continuous = uniform_actions(ActionSpace(2, discrete=False), 4000, rng)
    assert continuous.shape == (4000, 2)
    np.testing.assert_allclose(continuous.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(np.square(continuous).mean(0), 1 / 3, atol=0.02)
    choices = uniform_actions(ActionSpace(3, discrete=True), 3000, rng)
    assert (choices.sum(1) == 1).all()
    assert (choices.sum(0) > 900).all()


def test_one_channel_becomes_gray_and_three_stay():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(as_colors(image), image)
    gray = as_colors(image[:, :, :1])
    assert gray.shape == (2, 4, 3)
    assert all(np.array_equal(gray[:, :, channel], image[:, :, 0]) for channel in range(3))


def test_each_of_other_channels_has_a_hue_of_its_own():
    for channels in (2, 4, 10):
        shown = as_colors(np.eye(channels, dtype=np.uint8)[None, None] * 255)  # one pixel a channel
        assert shown.shape == (1, 1, channels, 3)
        assert len({tuple(pixel) for pixel in shown[0, 0].tolist()}) == channels
        assert (shown.max(-1) >= 254).all()
    nothing = as_colors(np.zeros((3, 5, 5, 4), np.uint8))
    assert nothing.shape == (3, 5, 5, 3)
    assert nothing.max() == 0
    assert as_colors(np.full((1, 1, 4), 255, np.uint8)).min() == 255  # overlaps add, and stay in range


def test_the_aspect_of_an_image_is_kept_or_cut_as_asked():
    image = np.repeat(np.array([[10, 20, 30, 40]], np.uint8), 2, 0)[:, :, None]  # two rows of four columns
    assert resize(image, 2, "crop")[..., 0].tolist() == [[20, 30], [20, 30]]
    assert resize(image, 4, "pad")[..., 0].tolist() == [[0] * 4, [10, 20, 30, 40], [10, 20, 30, 40], [0] * 4]
    assert resize(image, 2, "stretch")[..., 0].tolist() == [[15, 35], [15, 35]]
