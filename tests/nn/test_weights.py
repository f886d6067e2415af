"""Weights carry a checksum: a flipped bit is found. Files of version 0.1 have none and are read."""

import pytest
import torch
from safetensors.torch import save
from torch import nn

from reverie.errors import UserError
from reverie.nn.weights import read_weights, write_weights


def test_a_flipped_bit_is_found(tmp_path):
    path = tmp_path / "model.safetensors"
    write_weights(path, nn.Linear(30, 30))
    read_weights(path, nn.Linear(30, 30))
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged \\(wrong checksum\\)"):
        read_weights(path, nn.Linear(30, 30))


def test_a_file_without_a_checksum_is_read(tmp_path):
    path, old, new = tmp_path / "model.safetensors", nn.Linear(3, 3), nn.Linear(3, 3)
    path.write_bytes(save(dict(old.state_dict())))
    read_weights(path, new)
    assert torch.equal(old.weight, new.weight)
