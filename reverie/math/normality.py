"""A test statistic of normality."""

import torch
from jaxtyping import Float
from torch import Tensor


def epps_pulley(samples: Float[Tensor, "N K"], points: int = 17, reach: float = 3.0) -> Float[Tensor, " K"]:
    """Compare the N samples of each column with N(0, 1) by the Epps-Pulley statistic (Epps & Pulley 1983).

        N * integral |phi_N(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt,    phi_N(t) = (1/N) sum_n exp(i t x_n)

    by the trapezoidal rule at `points` nodes in [0, `reach`]; the negative half is the same by symmetry. It constrains
    the scale of the samples, but has almost no gradient for a single sample beyond 6. With nodes
    `h = reach / (points - 1)` apart, samples beyond `pi / h` (17 by default) alias to nearer ones.
    """
    t = torch.linspace(0, reach, points, dtype=samples.dtype, device=samples.device)
    normal = (-t.square() / 2).exp()
    angle = samples[..., None] * t
    squared = (angle.cos().mean(0) - normal).square() + angle.sin().mean(0).square()
    return 2 * samples.shape[0] * torch.trapezoid(squared * normal, t)
