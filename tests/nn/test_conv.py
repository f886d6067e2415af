"""The decoder's fast forms equal PyTorch's transposed convolution, gradients included."""

import pytest
import torch
import torch.nn.functional as F

from reverie.nn.conv import ConvConfig, ConvDecoder, ConvEncoder, TransposedConv, sizes


@pytest.mark.parametrize(
    ("channels_in", "channels_out", "kernel", "size", "padding"),
    [
        (8, 5, 5, 1, 0),
        (4, 3, 6, 7, 0),
        (4, 3, 4, 5, 0),
        (4, 1, 4, 5, 0),
        (4, 6, 5, 5, 0),
        (4, 3, 4, 6, 1),
        (3, 2, 4, 1, 0),
    ],
)
def test_transposed_conv_equals_pytorchs(channels_in, channels_out, kernel, size, padding):
    torch.manual_seed(0)
    layer = TransposedConv(channels_in, channels_out, kernel, stride=2, output_padding=padding).double()
    torch.nn.init.normal_(layer.bias)
    maps = torch.randn(2, channels_in, size, size, dtype=torch.float64, requires_grad=True)
    expected = F.conv_transpose2d(maps, layer.weight, layer.bias, stride=2, output_padding=padding)
    found = layer(maps)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(expected)
    inputs = (maps, layer.weight, layer.bias)
    for ours, theirs in zip(torch.autograd.grad(found, inputs, weight), torch.autograd.grad(expected, inputs, weight)):
        torch.testing.assert_close(ours, theirs)


def test_published_sizes():
    assert sizes(64) == [64, 31, 14, 6, 2]
    assert ConvEncoder(ConvConfig(32), 64, 3).size_out == 1024


@pytest.mark.parametrize("image_size", [16, 28, 32, 48, 64, 84, 96])
@pytest.mark.parametrize("channels", [1, 3])
def test_decoder_returns_the_encoders_image_size(image_size, channels):
    images = torch.zeros(2, 3, image_size, image_size, channels)
    embed = ConvEncoder(ConvConfig(2), image_size, channels)(images)
    assert embed.shape[:2] == (2, 3)
    assert ConvDecoder(ConvConfig(2), 7, image_size, channels)(torch.zeros(2, 3, 7)).shape == images.shape


@pytest.mark.parametrize("image_size", [16, 28, 32, 64, 84])
def test_every_pixel_depends_on_the_features(image_size):
    """The last rows and columns too, where the encoder's sizes leave a remainder."""
    torch.manual_seed(0)
    decoder = ConvDecoder(ConvConfig(4, "elu"), 7, image_size, 1)
    one, two = decoder(torch.randn(2, 7))
    assert (one != two).all()
