"""A moving range of values between two percentiles, as a value: statistics go in and come out."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from reverie.math import ranks


@dataclass(frozen=True)
class Range:
    """The ends of a range, moving averages of two percentiles."""

    low: Float[Tensor, ""]
    high: Float[Tensor, ""]

    def moved(self, values: Tensor, rate: float, percentiles: tuple[float, float]) -> "Range":
        """Move both ends the fraction `rate` towards the `percentiles` of all `values`; the start is not debiased."""
        share = torch.stack([torch.full_like(self.low, p) for p in percentiles]) / 100  # made on the device
        ends = torch.quantile(ranks.gather(values.detach().flatten()), share)
        low, high = ends.unbind()
        return Range(self.low.lerp(low, rate), self.high.lerp(high, rate))

    def scale(self, least: float = 1.0) -> Float[Tensor, ""]:
        """Return the width, at least `least`, so that small returns are not amplified (Hafner 2023, Eq. 11)."""
        return (self.high - self.low).clamp(min=least)
