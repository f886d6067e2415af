"""Check networks and optimizers against the contracts of `reverie.nn`: images, heads of one number, rules of steps."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from reverie.nn.image import ImageEncoder
from reverie.nn.optimizer import Optimizer
from reverie.nn.scalar import Scalar
from reverie.testing.contract import (
    HostRead,
    NoHostReads,
    identical,
    losses_while_fitting,
    require,
    require_permutes,
    violations,
)

BATCH, TIME, FEATURES = 4, 3, 7


def check_image(config: Any, shape: tuple[int, int, int] = (16, 16, 3)) -> list[str]:
    """Check the encoder and the decoder of images of this shape; return a sentence for each violation."""
    return violations(ImageContract, config, shape)


def check_scalar(config: Any) -> list[str]:
    """Check `config.scalar(size_in)`; return a sentence for each violation."""
    return violations(ScalarContract, config)


def check_optimizer(config: Any) -> list[str]:
    """Check `config.build(parameters)` in an `Optimizer`; return a sentence for each violation."""
    return violations(OptimizerContract, config)


class ImageContract:
    """Networks with random weights, black and white images, and features, of B = 4 and T = 3."""

    def __init__(self, config: Any, shape: tuple[int, int, int]) -> None:
        self._encoder: ImageEncoder = config.image_encoder(shape)
        self._decoder: nn.Module = config.image_decoder(FEATURES, shape)
        self._shape, self._features = shape, torch.randn(BATCH, TIME, FEATURES)
        self._images = (torch.rand(BATCH, TIME, *shape) > 0.5).float() - 0.5

    def encoder_gives_one_vector_an_image(self) -> None:
        embed = self._encoder(self._images)
        require(embed.shape == (BATCH, TIME, self._encoder.size_out), "An image must become `size_out` numbers.")
        sentence = "Permuting the images must permute their vectors."
        require_permutes(self._encoder, (self._images,), [2, 0, 3, 1], sentence)

    def decoder_gives_an_image_a_vector(self) -> None:
        images = self._decoder(self._features)
        require(images.shape == (BATCH, TIME, *self._shape), "Features must become an image of the same shape.")
        sentence = "Permuting the features must permute the images."
        require_permutes(self._decoder, (self._features,), [2, 0, 3, 1], sentence)

    def training_reduces_the_loss(self) -> None:
        head = nn.Linear(self._encoder.size_out, FEATURES)
        target = torch.zeros(BATCH, TIME, *self._shape) + 0.4 * self._features[..., :1, None, None].sign()

        def loss() -> Tensor:
            drawn = (self._decoder(self._features) - target).square().mean()
            return drawn + (head(self._encoder(self._images)) - self._features).square().mean()

        parameters = [*self._encoder.parameters(), *self._decoder.parameters(), *head.parameters()]
        losses = losses_while_fitting(loss, parameters, 3e-3)
        require(losses[-1] < 0.9 * losses[0], "50 steps of Adam on one batch must reduce the loss.")


class ScalarContract:
    """A network with random weights, and features of B = 4 and T = 3."""

    def __init__(self, config: Any) -> None:
        self._net: Scalar = config.scalar(FEATURES)
        self._features = torch.randn(BATCH, TIME, FEATURES)
        self._target = 3 * self._features.sum(-1)

    def distribution_has_a_mean_and_nats(self) -> None:
        distribution, sentence = self._net.distribution(self._features), "must be one number for each leading index."
        require(distribution.mean.shape == (BATCH, TIME), f"`mean` {sentence}")
        nats = distribution.nats(self._target)
        require(nats.shape == (BATCH, TIME), f"`nats` {sentence}")
        require(nats.isfinite().all() and distribution.mean.isfinite().all(), "`mean` and `nats` must be finite.")

    def called_it_gives_the_mean(self) -> None:
        mean = self._net.distribution(self._features).mean[..., None]
        require(torch.equal(self._net(self._features), mean), "Called, the network must give its `mean`, (*b, 1).")

    def means_permute_with_the_batch(self) -> None:
        sentence = "Permuting the features must permute the means."
        require_permutes(self._net, (self._features,), [2, 0, 3, 1], sentence)

    def training_reduces_the_loss(self) -> None:
        def loss() -> Tensor:
            return self._net.distribution(self._features).nats(self._target).mean()

        losses = losses_while_fitting(loss, list(self._net.parameters()), 3e-3)
        require(losses[-1] < 0.9 * losses[0], "50 steps of Adam on one batch must reduce the loss.")


class OptimizerContract:
    """A quadratic in two tensors, of which one is in another layout."""

    def __init__(self, config: Any) -> None:
        self._config = config
        tensors = torch.randn(3), torch.randn(2, 3, 5, 5).to(memory_format=torch.channels_last)
        self._parameters = [nn.Parameter(tensor) for tensor in tensors]
        self._optimizer = Optimizer(config, self._parameters)

    def _step(self, optimizer: Optimizer, times: int = 3) -> list[Tensor]:
        """Return the losses before each step."""
        losses = []
        for _ in range(times):
            loss = torch.stack([(parameter - 2).square().sum() for parameter in optimizer.parameters]).sum()
            losses.append(loss.detach())
            optimizer.step(loss)
        return losses

    def steps_reduce_the_loss(self) -> None:
        losses = self._step(self._optimizer, 10)
        require(losses[-1] < losses[0], "Steps along the gradient of a quadratic must reduce it.")

    def state_restores_the_rule(self) -> None:
        self._step(self._optimizer)
        copies = [nn.Parameter(parameter.detach().clone()) for parameter in self._parameters]
        restored = Optimizer(self._config, copies)
        restored.rule.load_state(copy.deepcopy(self._optimizer.rule.state()))
        self._step(self._optimizer), self._step(restored)
        require(identical(self._parameters, copies), "A restored rule must take the same steps, bit for bit.")

    def step_never_waits_for_the_device(self) -> None:
        self._step(self._optimizer)
        try:
            with NoHostReads():
                self._step(self._optimizer)
        except HostRead as read:
            require(False, f"A step reads a tensor's value (`{read}`), so an update would wait for the device.")
