"""Convolutions with pooling: the published sizes, any other size, and the decoder's map by hand."""

import pytest
import torch
from torch import nn

from reverie.errors import UserError
from reverie.nn.pooled_conv import ChannelNorm, PooledConvConfig, UpsampledConv


def heights(image_size: int, **changed) -> list[int]:
    return PooledConvConfig(**changed).layers(image_size)[0]


def test_published_heights():
    assert heights(64) == [64, 32, 16, 8, 4]
    assert heights(96) == [96, 48, 24, 12, 6]
    assert heights(64, full_size=True, multipliers=(1, 2, 3, 4, 4)) == [64, 64, 32, 16, 8, 4]
    assert PooledConvConfig(depth=16).image_encoder((64, 64, 3)).size_out == 4 * 4 * 4 * 16


def test_small_images_have_fewer_layers():
    assert (heights(32), heights(16), heights(10), heights(4)) == ([32, 16, 8, 4], [16, 8, 4], [10, 5], [4, 2])


@pytest.mark.parametrize("image_size", [2, 7, 10, 16, 28, 32, 64, 84, 96])
@pytest.mark.parametrize("changed", [{}, {"deter": 4}, {"deter": 6}, {"full_size": True}, {"strided": True}])
def test_the_decoder_returns_the_encoders_image_size(image_size, changed):
    config, channels = PooledConvConfig(depth=2, units=8, blocks=2, **changed), 1 + image_size % 3
    images = torch.rand(2, 3, image_size, image_size, channels) - 0.5
    encoder = config.image_encoder(images.shape[2:])
    assert encoder(images).shape == (2, 3, encoder.size_out)
    decoded = config.image_decoder(6, images.shape[2:])(torch.randn(2, 3, 6))
    assert decoded.shape == images.shape
    assert decoded.abs().max() <= 0.5


@pytest.mark.parametrize("image_size", [10, 32, 84])
def test_every_pixel_depends_on_every_kind_of_feature(image_size):
    torch.manual_seed(0)
    decoder = PooledConvConfig(depth=4, units=8, deter=4, blocks=2).image_decoder(7, (image_size, image_size, 1))
    features = torch.randn(1, 7)
    for part in (slice(4), slice(4, None)):
        changed = features.clone()
        changed[:, part] += 1
        assert (decoder(features) != decoder(changed)).all()


def test_a_layer_pools_before_it_normalizes():
    torch.manual_seed(0)
    encoder = PooledConvConfig(depth=3, multipliers=(2,)).image_encoder((8, 8, 2))
    images = torch.randn(2, 8, 8, 2)
    maps = nn.functional.conv2d(images.permute(0, 3, 1, 2), encoder.net[0].weight, padding=2)
    maps = maps.unflatten(3, (4, 2)).unflatten(2, (4, 2)).amax((3, 5))
    maps = maps / (maps.square().mean(1, keepdim=True) + 1e-4).sqrt()
    torch.testing.assert_close(encoder(images), nn.functional.silu(maps).flatten(1))


def test_a_block_gives_a_group_of_channels():
    """The published order of the block layer's outputs: block, row, column, channel of the group."""
    decoder = PooledConvConfig(depth=2, multipliers=(2,), deter=4, blocks=2).image_decoder(4, (8, 8, 1))
    nn.init.normal_(decoder.from_deter.weight)
    features = torch.randn(1, 4)
    found = decoder._smallest_map(features)[0]
    for block in range(2):
        outputs = features[0, 2 * block : 2 * block + 2] @ decoder.from_deter.weight[block]
        torch.testing.assert_close(found[:, :, 2 * block : 2 * block + 2], outputs.view(4, 4, 2))


def test_the_norm_is_over_channels():
    maps = torch.randn(2, 5, 3, 3)
    expected = maps / (maps.square().mean(1, keepdim=True) + 1e-4).sqrt()
    torch.testing.assert_close(ChannelNorm(5)(maps), expected)


def test_blocks_divide_the_channels_that_there_are():
    """Of a small image 4 x 3 channels are the last; 4 is the greatest number of blocks below 8 that divides them."""
    decoder = PooledConvConfig(depth=4, deter=16).image_decoder(20, (16, 16, 3))
    assert (decoder.channels, decoder.blocks) == (12, 4)


def test_wrong_settings_are_named():
    with pytest.raises(UserError, match="each 1 or more"):
        PooledConvConfig(multipliers=(2, 0))
    with pytest.raises(UserError, match="there are 6 features"):
        PooledConvConfig(deter=8).image_decoder(6, (64, 64, 3))


def test_a_convolution_of_upsampled_maps_never_makes_them():
    """The same values and gradients as nearest upsampling and a convolution of kernel 5."""
    torch.manual_seed(0)
    layer = UpsampledConv(3, 2).double()
    nn.init.normal_(layer.bias)
    maps = torch.randn(2, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    plain = nn.functional.conv2d(nn.functional.interpolate(maps, scale_factor=2), layer.weight, layer.bias, padding=2)
    torch.testing.assert_close(layer(maps), plain)
    inputs, weights = (maps, layer.weight, layer.bias), torch.randn_like(plain)
    for ours, theirs in zip(*(torch.autograd.grad((y * weights).sum(), inputs) for y in (layer(maps), plain))):
        torch.testing.assert_close(ours, theirs)
