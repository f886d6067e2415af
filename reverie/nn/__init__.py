"""Networks and their optimizer."""

from reverie.nn import conv, mlp

__all__ = ["conv", "mlp"]
