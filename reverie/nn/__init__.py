"""Networks and their optimizers."""

from reverie.nn import conv, laprop, mlp, pooled_conv, two_hot

__all__ = ["conv", "laprop", "mlp", "pooled_conv", "two_hot"]
