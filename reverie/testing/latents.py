"""Do a latent and a forward model, both parts of dynamics, keep their contracts?"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reverie import tree
from reverie.testing.complaints import close, complaints, identical, require, seeded, without_gradient

BATCH, TIME, SIZE, ACTION = 4, 3, 6, 2


def check_latent(config: Any) -> list[str]:
    """Build `config.build()` and return what is wrong with the latent; empty if nothing is."""
    return complaints(lambda: _latent_case(config), LATENT_PROMISES)


def check_forward_model(config: Any) -> list[str]:
    """Build `config.build(size, action_size)` and return what is wrong with the forward model; empty if nothing is."""
    return complaints(lambda: config.build(SIZE, ACTION), FORWARD_PROMISES)


@dataclass(frozen=True)
class _Latent:
    latent: Any
    output: Tensor
    noise: Tensor

    @property
    def stats(self) -> Any:
        return self.latent.stats(self.output)


def _latent_case(config: Any) -> _Latent:
    latent = config.build()
    output = torch.randn(BATCH, TIME, latent.output_size, generator=seeded(1))
    return _Latent(latent, output, latent.noise(BATCH, TIME, generator=seeded(2)))


def latent_shapes(case: _Latent) -> None:
    latent, size = case.latent, (BATCH, TIME, case.latent.sample_size)
    sampled = [latent.sample(case.stats, noise).shape == size for noise in (case.noise, None)]
    require(all(sampled), "`sample` must have the last axis `sample_size`, with noise and without.")
    first = latent.sample(latent.initial(BATCH, case.output), None)
    require(first.shape == (BATCH, latent.sample_size), "`initial(batch, like)` must have the leading axis (batch,).")
    require(case.noise.shape == (BATCH, TIME, latent.noise_size), "`noise` must have the last axis `noise_size`.")
    require(latent.spread(first).dim() == 1, "`spread` must be a vector.")


def latent_is_a_function(case: _Latent) -> None:
    samples = [case.latent.sample(case.stats, case.noise) for _ in range(2)]
    require(identical(*samples), "The same noise must give the same sample, bit for bit.")
    one, same = (case.latent.noise(2, 3, generator=seeded(5)) for _ in range(2))
    require(torch.equal(one, same), "`noise` must come from the given generator alone.")


def latent_batch_permutes(case: _Latent) -> None:
    order, latent = torch.tensor([2, 0, 3, 1]), case.latent
    permuted = latent.sample(latent.stats(case.output[order]), case.noise[order])
    same = close(permuted, latent.sample(case.stats, case.noise)[order])
    require(same, "Permuting the batch must permute the samples.")


def latent_divergence(case: _Latent) -> None:
    other = case.latent.stats(case.output.flip(0))
    itself, divergence = case.latent.divergence(case.stats, case.stats), case.latent.divergence(case.stats, other)
    require(itself.shape == (BATCH, TIME), "`divergence` must be one number for each distribution.")
    require(close(itself, torch.zeros_like(itself)), "The divergence of a distribution from itself must be 0.")
    require((divergence >= 0).all() and divergence.any(), "The divergence of two distributions must be positive.")


def gradient_reaches_the_output(case: _Latent) -> None:
    output = case.output.clone().requires_grad_()
    sample = case.latent.sample(case.latent.stats(output), case.noise)
    weight = torch.randn(sample.shape, generator=seeded(3))
    reached = sample.requires_grad and torch.autograd.grad((sample * weight).sum(), output)[0].any()
    require(reached, "The gradient of a sample must reach the network's output.")


def _encodings() -> tuple[Tensor, Tensor]:
    generator = seeded(1)
    return tuple(torch.randn(BATCH, TIME, size, generator=generator) for size in (SIZE, ACTION))  # type: ignore[return-value]


def forward_shapes(model: Any) -> None:
    value, action = _encodings()
    require(model(value, action).shape == value.shape, "The prediction must have the shape of the encoding.")
    same = close(model(value, action)[:, 1], model(value[:, 1], action[:, 1]))
    require(same, "Encodings with leading axes (B, T) must give at each step what the step gives alone.")


def forward_is_a_function(model: Any) -> None:
    value, action = _encodings()
    require(identical(model(value, action), model(value, action)), "The same encoding must give the same bits.")


def forward_batch_permutes(model: Any) -> None:
    order, pair = torch.tensor([2, 0, 3, 1]), _encodings()
    same = close(model(*tree.map(lambda x: x[order], pair)), model(*pair)[order])
    require(same, "Permuting the batch must permute the predictions.")


def forward_uses_its_arguments(model: Any) -> None:
    value, action = (x.requires_grad_() for x in _encodings())
    weight = torch.randn(value.shape, generator=seeded(3))
    (model(value, action) * weight).sum().backward()
    for name, x in (("encoding", value), ("action", action)):
        require(x.grad is not None and x.grad.any(), f"The prediction must depend on the {name}.")
    if names := without_gradient(model):
        require(False, f"No gradient reaches the parameters {', '.join(names)}.")


LATENT_PROMISES = (
    latent_shapes, latent_is_a_function, latent_batch_permutes, latent_divergence, gradient_reaches_the_output,
)  # fmt: skip
FORWARD_PROMISES = (forward_shapes, forward_is_a_function, forward_batch_permutes, forward_uses_its_arguments)
