"""Log-probabilities, and distributions of actions as differentiable functions of their noise.

All are in nats. `Vector` has the axes of a batch and of the A (or n) dimensions, `Batch` those of a batch alone.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Vector = Float[Tensor, "*b A"]
Batch = Float[Tensor, "*b"]


def normal_log_prob(value: Tensor, mean: Tensor, std: float = 1.0) -> Tensor:
    """`ln N(value; mean, std)` for each element: `-((value - mean) / std)^2 / 2 - ln std - ln(2 pi) / 2`."""
    return (value - mean).square() * (-0.5 / std**2) - math.log(std) - 0.5 * math.log(2 * math.pi)


def isotropic_log_prob(value: Vector, mean: Vector, std: float = 1.0) -> Batch:
    """`sum_i ln N(value_i; mean_i, std)`, the sum of `normal_log_prob` with two passes over memory.

    The naive sum needs seven. For images the difference is a tenth of an update on a CPU.
    """
    difference = value - mean
    squared = torch.linalg.vecdot(difference, difference)
    return squared * (-0.5 / std**2) - value.shape[-1] * (math.log(std) + 0.5 * math.log(2 * math.pi))


def mean_square(value: Vector, mean: Vector) -> Batch:
    """`(1 / n) sum_i (value_i - mean_i)^2`, with two passes over memory."""
    difference = value - mean
    return torch.linalg.vecdot(difference, difference) / value.shape[-1]


def diagonal_log_prob(value: Vector, mean: Vector, std: Vector) -> Batch:
    """`sum_i ln N(value_i; mean_i, std_i)`: a diagonal Gaussian."""
    return (-0.5 * ((value - mean) / std).square() - std.log() - 0.5 * math.log(2 * math.pi)).sum(-1)


def bernoulli_log_prob(logit: Tensor, probability: Tensor) -> Tensor:
    """`p ln s(l) + (1 - p) ln s(-l)` for each element, `s` the logistic function; soft targets are allowed."""
    return -F.binary_cross_entropy_with_logits(logit, probability, reduction="none")


def normal_entropy(std: Vector) -> Batch:
    """`sum_a ln s_a + ln(2 pi e) / 2`: the entropy of a diagonal Gaussian."""
    return (std.log() + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)


def mix_uniform(logits: Vector, share: float) -> Vector:
    """`ln((1 - u) softmax(logits) + u / n)`: normalized log-probabilities with the share u of a uniform distribution.

    Every probability is at least u / n, so no divergence is infinite and no choice dies out (Hafner 2023).
    """
    if share == 0:
        return logits.log_softmax(-1)
    return ((1 - share) * softmax(logits) + share / logits.shape[-1]).log()


def softmax(logits: Vector) -> Vector:
    """`exp(x_i) / sum_j exp(x_j)`, also of many groups of few classes.

    A vector instruction takes 8 or 16 numbers, which a small group does not fill. Along the other axis PyTorch computes
    8,192 groups of 4 classes in a quarter of the time.
    """
    few = logits.dim() > 1 and logits.shape[-1] <= 8
    return logits.transpose(-1, -2).softmax(-2).transpose(-1, -2) if few else logits.softmax(-1)


def one_hot_sample(logits: Vector, noise: Vector | None) -> Vector:
    """Sample a one-hot vector with the gradient of the probabilities (straight-through, Bengio 2013).

    `argmax(logits + noise)` is categorical for standard Gumbel noise (Jang 2017, Eq. 1); None gives the mode.
    """
    index = (logits if noise is None else logits + noise).argmax(-1, keepdim=True)
    sample = torch.zeros_like(logits).scatter(-1, index, 1.0)  # on a CPU, F.one_hot would read the index
    if not (logits.requires_grad and torch.is_grad_enabled()):
        return sample
    probability = softmax(logits)
    return sample + (probability - probability.detach())


def gumbel(*shape: int, generator: torch.Generator) -> Tensor:
    """Draw standard Gumbel noise `-ln(-ln u)`; `u` is clamped away from 0 and 1 to stay finite."""
    uniform = torch.rand(*shape, generator=generator, device=generator.device)
    return -(-(uniform.clamp(1e-20, 1 - 1e-7)).log()).log()


@dataclass(frozen=True)
class UnitNormal:
    """A number with a standard deviation of 1."""

    mean: Batch

    def nats(self, target: Batch) -> Batch:
        """`-ln N(target; mean, 1)`"""
        return -normal_log_prob(target, self.mean)


class Distribution:
    """A distribution of actions, whose sample is a differentiable function of standard noise."""

    def sample(self, noise: Vector | None) -> Vector:
        """Draw a sample; None gives the mode."""
        raise NotImplementedError

    def log_prob(self, noise: Vector) -> Batch:
        """Return the log-density of the sample drawn by `noise`. The sample itself is a constant."""
        raise NotImplementedError

    def entropy(self, noise: Vector) -> Batch:
        """Return the entropy: exact, or estimated from the one sample drawn by `noise`."""
        raise NotImplementedError


@dataclass(frozen=True)
class TanhNormal(Distribution):
    """`tanh(u)` in (-1, 1) for `u = mean + std * noise`; its mode counts as `tanh(mean)`."""

    mean: Vector
    std: Vector

    def sample(self, noise: Vector | None) -> Vector:
        return torch.tanh(self.mean if noise is None else self.mean + self.std * noise)

    def log_prob(self, noise: Vector) -> Batch:
        """`ln p(tanh(u)) = ln N(u) - sum_a ln(1 - tanh(u)^2)`

        Takes the pre-tanh value: recovering it from the action by atanh is ill-conditioned near the bounds.
        """
        u = (self.mean + self.std * noise).detach()
        return diagonal_log_prob(u, self.mean, self.std) - _log_slope(u).sum(-1)

    def entropy(self, noise: Vector) -> Batch:
        """`H(tanh(u)) = H(u) + E sum_a ln(1 - tanh(u)^2)`, estimated from one sample (Haarnoja 2018, App. C).

        It is finite, so its gradient pulls the mean out of the flat part of the tanh.
        """
        return normal_entropy(self.std) + _log_slope(self.mean + self.std * noise).sum(-1)


def _log_slope(u: Tensor) -> Tensor:
    """`ln(1 - tanh(u)^2) = 2 (ln 2 - u - softplus(-2 u))`, finite where the tanh is flat."""
    return 2 * (math.log(2) - u - F.softplus(-2 * u))


@dataclass(frozen=True)
class TruncatedNormal(Distribution):
    """`N(mean, std)` cut to [-1, 1]."""

    mean: Vector
    std: Vector

    def sample(self, noise: Vector | None) -> Vector:
        """Sample by the inverse CDF at `Phi(noise)`. The gradient flows to mean and std."""
        if noise is None:
            return self.mean.clamp(-1, 1)
        low, _, mass = self._bounds()
        quantile = torch.special.ndtr(low) + torch.special.ndtr(noise) * mass
        sample = self.mean + self.std * torch.special.ndtri(quantile.clamp(1e-6, 1 - 1e-6))
        return sample + (sample.clamp(-1, 1) - sample).detach()  # rounding can exceed a bound

    def log_prob(self, noise: Vector) -> Batch:
        """`sum_a ln N(a; mean, std) - ln P(-1 < x < 1)`"""
        action = self.sample(noise).detach()
        return diagonal_log_prob(action, self.mean, self.std) - self._bounds()[2].log().sum(-1)

    def entropy(self, noise: Vector) -> Batch:
        """`sum_a ln(s Z) + ln(2 pi e) / 2 + (l phi(l) - h phi(h)) / (2 Z)`: bounds l, h, mass Z between them."""
        low, high, mass = self._bounds()
        density = [x * torch.exp(-0.5 * x.square()) / math.sqrt(2 * math.pi) for x in (low, high)]
        return normal_entropy(self.std) + (mass.log() + (density[0] - density[1]) / (2 * mass)).sum(-1)

    def _bounds(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return both bounds in standard deviations from the mean, and the probability mass between them."""
        low, high = (-1 - self.mean) / self.std, (1 - self.mean) / self.std
        return low, high, torch.special.ndtr(high) - torch.special.ndtr(low)


@dataclass(frozen=True)
class ClippedNormal(Distribution):
    """`N(mean, std)`, whose samples are clipped to [-1, 1]; density and entropy are those before clipping."""

    mean: Vector
    std: Vector

    def sample(self, noise: Vector | None) -> Vector:
        sample = self.mean if noise is None else self.mean + self.std * noise
        return sample + (sample.clamp(-1, 1) - sample).detach()

    def log_prob(self, noise: Vector) -> Batch:
        return diagonal_log_prob((self.mean + self.std * noise).detach(), self.mean, self.std)

    def entropy(self, noise: Vector) -> Batch:
        return normal_entropy(self.std)


@dataclass(frozen=True)
class OneHot(Distribution):
    """A categorical distribution of one-hot vectors; the noise is Gumbel."""

    logits: Vector

    def sample(self, noise: Vector | None) -> Vector:
        return one_hot_sample(self.logits, noise)

    def log_prob(self, noise: Vector) -> Batch:
        return (self.logits.log_softmax(-1) * self.sample(noise).detach()).sum(-1)

    def entropy(self, noise: Vector) -> Batch:
        log_probability = self.logits.log_softmax(-1)
        return -(log_probability.exp() * log_probability).sum(-1)
