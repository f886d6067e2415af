"""Recorded data keep the contract."""

import numpy as np
import pytest

from reverie.data.arrays import ArraysConfig
from reverie.data.digits import DigitsConfig
from reverie.testing import check_data


@pytest.mark.slow
def test_digits_keep_the_contract():
    assert check_data(DigitsConfig()) == []


def test_arrays_keep_the_contract(tmp_path):
    random = np.random.default_rng(0)
    arrays = {
        "images": random.integers(0, 256, (60, 16, 16, 3), dtype=np.uint8),
        "actions": random.uniform(-1, 1, (60, 2)),
        "episode": np.arange(60) // 6,
    }
    np.savez(tmp_path / "log.npz", **arrays)
    assert check_data(ArraysConfig(str(tmp_path / "log.npz"), held_out=0.3, image_size=16), length=3) == []
