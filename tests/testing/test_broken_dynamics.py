"""Every promise can be broken: for each a part that breaks it, and the sentence that names it."""

from dataclasses import dataclass

import pytest
import torch
from broken import Built, assert_reported
from torch import nn

from reverie import testing
from reverie.dynamics.deterministic import Deterministic, DeterministicConfig, DeterministicState, LinearForwardConfig
from reverie.dynamics.latents import Gaussian, GaussianConfig


@dataclass
class Mutable:
    value: torch.Tensor


class Memory(Deterministic):
    """It counts its steps."""

    steps = 0

    def correct(self, prior, embed, noise):
        self.steps += 1
        return DeterministicState(self.encode(embed) * self.steps)


class Neighbors(Deterministic):
    def correct(self, prior, embed, noise):
        return DeterministicState(self.encode(embed - embed.mean(0)))


class Summed(Deterministic):
    def divergence(self, posterior, prior):
        return super().divergence(posterior, prior) * prior.value.dim()


class Drawn(Deterministic):
    def predict(self, state, action, noise):
        return DeterministicState(super().predict(state, action, noise).value + torch.randn_like(state.value))


class Still(Deterministic):
    def predict(self, state, action, noise):
        return DeterministicState(state.value)


class Unused(Deterministic):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.spare = nn.Linear(2, 2)


class Far(Deterministic):
    def divergence(self, posterior, prior):
        return super().divergence(posterior, prior) + 100


class Negative(Deterministic):
    def divergence(self, posterior, prior):
        return -super().divergence(posterior, prior)


class Zero(Deterministic):
    def divergence(self, posterior, prior):
        return 0 * super().divergence(posterior, prior)


class Thawed(Deterministic):
    def initial(self, batch):
        return Mutable(torch.zeros(batch, self.feature_size))  # pyrefly: ignore


class Narrow(Deterministic):
    def features(self, state):
        return state.value[..., :-1]


class Raises(Deterministic):
    def features(self, state):
        raise RuntimeError("out of order")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Thawed, "must be frozen"),
        (Narrow, "`features` must have the last axis `feature_size`"),
        (Summed, "at each step the result of that step alone"),
        (Neighbors, "the same result in another batch"),
        (Memory, "must equal a fresh start"),
        (Memory, "must give the same bits"),
        (Drawn, "must equal repeated `predict`"),
        (Far, "from itself must be 0"),
        pytest.param(Far, "must reduce the loss", marks=pytest.mark.slow),
        (Negative, "must never be negative"),
        (Zero, "must not be 0 everywhere"),
        (Still, "with respect to the first action must not be 0"),
        (Unused, "reaches the parameters spare.weight, spare.bias"),
        (Raises, "RuntimeError: out of order"),
    ],
)
def test_broken_dynamics_are_named(broken, sentence):
    config = DeterministicConfig(size=6)
    assert_reported(testing.check_dynamics(Built(lambda embed, action: broken(config, embed, action))), sentence)


def test_noise_from_elsewhere_is_named():
    class Global(Gaussian):
        def noise(self, *shape, generator):
            return torch.randn(*shape, self.noise_size)

    assert_reported(testing.check_latent(Built(lambda: Global(GaussianConfig(4)))), "from the given generator alone")

    class Noisy(Deterministic):
        def noise(self, *shape, generator):
            return torch.randn(*shape, 3)

    def build(embed, action):
        dynamics = Noisy(DeterministicConfig(size=6), embed, action)
        dynamics.noise_size = 3
        return dynamics

    assert_reported(testing.check_dynamics(Built(build)), "from the given generator alone")


def test_what_cannot_be_built_is_named():
    assert_reported(testing.check_dynamics(Built(lambda embed: None)), "It cannot be built: TypeError")


class Wide(Gaussian):
    def sample(self, stats, noise):
        return torch.cat([stats.mean, stats.mean], -1)


class Redrawn(Gaussian):
    def sample(self, stats, noise):
        return stats.mean + torch.randn_like(stats.mean)


class Blended(Gaussian):
    def sample(self, stats, noise):
        return stats.mean + torch.arange(len(stats.mean)).reshape(-1, *[1] * (stats.mean.dim() - 1))


class Apart(Gaussian):
    def divergence(self, posterior, prior):
        return super().divergence(posterior, prior) + 1


class Backward(Gaussian):
    def divergence(self, posterior, prior):
        return -super().divergence(posterior, prior)


class Detached(Gaussian):
    def sample(self, stats, noise):
        return stats.mean.detach()


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Wide, "last axis `sample_size`"),
        (Redrawn, "same noise must give the same sample"),
        (Blended, "must permute the samples"),
        (Apart, "from itself must be 0"),
        (Backward, "must be positive"),
        (Detached, "must reach the network's output"),
    ],
)
def test_broken_latents_are_named(broken, sentence):
    assert_reported(testing.check_latent(Built(lambda: broken(GaussianConfig(4)))), sentence)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (lambda net, z, a: net(z, a)[..., :-1], "the shape of the encoding"),
        (lambda net, z, a: net(z, a) + torch.randn_like(z), "must give the same bits"),
        (lambda net, z, a: net(z - z[:1], a), "must permute the predictions"),
        (lambda net, z, a: net(z, 0 * a), "must depend on the action"),
        (lambda net, z, a: z + a.sum(-1, keepdim=True), "reaches the parameters net.net.weight"),
    ],
)
def test_broken_forward_models_are_named(broken, sentence):
    class Model(nn.Module):
        def __init__(self, size, action):
            super().__init__()
            self.net = LinearForwardConfig().build(size, action)

        def forward(self, z, a):
            return broken(self.net, z, a)

    assert_reported(testing.check_forward_model(Built(Model)), sentence)
