"""The network of vectors, with a linear output layer and without."""

import torch

from reverie.nn.encoder import Encoder, EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.spaces import ActionSpace, EnvSpec, Space

SPEC = EnvSpec({"b": Space((2,), "float32"), "a": Space((3,), "float32")}, ActionSpace(1, False), 1)


def test_the_linear_output_of_vectors_can_be_left_out():
    """DreamerV3's encoder ends with a nonlinearity: outputs of a ReLU are not negative."""
    obs = {"a": torch.randn(4, 3), "b": torch.randn(4, 2)}
    for linear in (True, False):
        encoder = Encoder(EncoderConfig(vector=MLPConfig(2, 16, "relu"), linear_output=linear), SPEC)
        embed = encoder(obs)
        assert embed.shape == (4, encoder.size_out) == (4, 16)
        assert (embed.min() < 0) == linear


def test_without_layers_the_embedding_is_the_vectors_themselves():
    obs = {"a": torch.randn(4, 3), "b": torch.randn(4, 2)}
    encoder = Encoder(EncoderConfig(vector=MLPConfig(0, 16), linear_output=False), SPEC)
    assert encoder.size_out == 5
    assert torch.equal(encoder(obs), torch.cat([obs["a"], obs["b"]], -1))
