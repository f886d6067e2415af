"""A small batch of random pictures with a vector beside them, for generative models."""

import torch

from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.types import Batch

B, T, A = 5, 3, 2
SPEC = EnvSpec({"view": Space((8, 8, 1), "uint8"), "side": Space((2,), "float32")}, ActionSpace(A, False), 1)


def batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    flags = torch.zeros(B, T, dtype=torch.bool)
    first = flags.clone()
    first[0, 0] = first[1, 2] = True
    obs = {
        "view": torch.randint(0, 256, (B, T, 8, 8, 1), generator=generator, dtype=torch.uint8),
        "side": torch.randn(B, T, 2, generator=generator),
    }
    return Batch(obs, torch.rand(B, T, A, generator=generator), torch.zeros(B, T), first, flags, flags)
