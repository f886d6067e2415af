"""Every promise of networks and optimizers can be broken: the sentence that names it."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from broken import assert_reported
from torch import nn

from reverie.math.distributions import UnitNormal
from reverie.nn.image import ImageEncoder
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import OptimizerConfig
from reverie.nn.scalar import Scalar
from reverie.testing import check_image, check_optimizer, check_scalar


class Narrow(ImageEncoder):
    size_out = 5

    def forward(self, images):
        return images.flatten(-3)[..., :4]


class Fixed(nn.Module):
    def forward(self, features):
        return torch.zeros(*features.shape[:-1], 8, 8, 3)


def test_broken_image_networks_are_named():
    good = MLPConfig(1, 8)
    narrow = SimpleNamespace(image_encoder=lambda shape: Narrow(), image_decoder=good.image_decoder)
    assert_reported(check_image(narrow), "must become `size_out` numbers")
    fixed = SimpleNamespace(image_encoder=good.image_encoder, image_decoder=lambda size, shape: Fixed())
    assert_reported(check_image(fixed), "an image of the same shape")


class Broken(Scalar):
    def __init__(self, change):
        super().__init__()
        self.net, self.change = nn.Linear(7, 1), change

    def distribution(self, features):
        mean = self.net(features)[..., 0]
        return UnitNormal(
            {"wide": mean[..., None], "infinite": mean / 0, "mixed": mean - mean.mean(0)}.get(self.change, mean)
        )

    def forward(self, features):
        return super().forward(features) + (self.change == "another")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("wide", "`mean` must be one number"),
        ("infinite", "must be finite"),
        ("another", "must give its `mean`"),
    ],
)
def test_broken_heads_of_one_number_are_named(change, sentence):
    assert_reported(check_scalar(SimpleNamespace(scalar=lambda size: Broken(change))), sentence)


class Rule:
    """Plain descent with a momentum that it may forget, or with a step that reads a value."""

    def __init__(self, parameters, change):
        self.parameters, self.change, self.mean = parameters, change, [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self, norm):
        rate = 0.01 * (-1 if self.change == "climbs" else 1)
        if self.change == "reads" and norm.item() > 1e9:
            return
        for parameter, mean in zip(self.parameters, self.mean):
            mean.mul_(0.9).add_(parameter.grad)
            parameter.sub_(rate * mean)

    def state(self):
        return {"mean": self.mean}

    def load_state(self, state):
        if self.change != "forgets":
            self.mean = [x.clone() for x in state["mean"]]


@dataclass(frozen=True)
class BrokenConfig(OptimizerConfig, abstract=True):
    change: str = ""

    def build(self, parameters):
        return Rule(parameters, self.change)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [("climbs", "must reduce it"), ("forgets", "the same steps, bit for bit"), ("reads", "reads a tensor's value")],
)
def test_broken_optimizers_are_named(change, sentence):
    found = check_optimizer(BrokenConfig(change))
    assert_reported(found, sentence)
    assert len(found) == 1
    assert check_optimizer(BrokenConfig()) == []
