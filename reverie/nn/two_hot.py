"""A number predicted by classification into exponentially spaced bins (Hafner 2023), for rewards and values."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from reverie.config.checks import at_least, between
from reverie.errors import UserError
from reverie.math.two_hot import TwoHot, symexp_bins
from reverie.nn.mlp import MLP, MLPConfig
from reverie.nn.scalar import Scalar, ScalarConfig


@dataclass(frozen=True)
class TwoHotConfig(ScalarConfig):
    """Bins `symexp(-limit) .. symexp(limit)`; the defaults reach from -4.85e8 to 4.85e8."""

    mlp: MLPConfig = field(default_factory=lambda: MLPConfig(output_scale=0.0))
    """The network of the logits. An output scale of 0 makes every new prediction exactly 0."""
    bins: int = field(default=255, metadata=at_least(3))
    """Number of bins, odd, so that 0 is one of them."""
    limit: float = field(default=20.0, metadata=between(0.1, 80))
    """Symlog of the last bin."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bins % 2 == 0:
            raise UserError(f"`bins` of TwoHot is {self.bins}: it must be odd, so that 0 is a bin.")

    def scalar(self, size_in: int) -> "TwoHotScalar":
        return TwoHotScalar(self, size_in)


class TwoHotScalar(Scalar):
    """`p = softmax(net(features))` over the bins."""

    bins: Tensor

    def __init__(self, config: TwoHotConfig, size_in: int) -> None:
        super().__init__()
        self.net = MLP(config.mlp, size_in, config.bins).net
        self.register_buffer("bins", symexp_bins(config.bins, config.limit), persistent=False)

    def distribution(self, features: Float[Tensor, "*b F"]) -> TwoHot:
        return TwoHot(self.net(features), self.bins)
