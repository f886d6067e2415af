"""Every network of images or of one number, and every rule of steps, keeps its contract."""

import brief
import pytest

from reverie.nn.image import ImageConfig
from reverie.nn.optimizer import OptimizerConfig
from reverie.nn.scalar import ScalarConfig
from reverie.testing import check_image, check_optimizer, check_scalar


@pytest.mark.parametrize("config", ImageConfig.choices().values(), ids=lambda config: config.__name__)
@pytest.mark.parametrize("steps", brief.STEPS)
def test_image_networks_keep_the_contract(config, steps, monkeypatch):
    assert brief.violations(check_image, config(), steps, monkeypatch) == []


@pytest.mark.parametrize("config", ScalarConfig.choices().values(), ids=lambda config: config.__name__)
@pytest.mark.parametrize("steps", brief.STEPS)
def test_heads_of_one_number_keep_the_contract(config, steps, monkeypatch):
    assert brief.violations(check_scalar, config(), steps, monkeypatch) == []


@pytest.mark.parametrize("config", OptimizerConfig.choices().values(), ids=lambda config: config.__name__)
def test_optimizers_keep_the_contract(config):
    assert check_optimizer(config()) == []
