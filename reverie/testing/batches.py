"""Small worlds, batches and models for the checks: a few thousand parameters, shapes that never coincide."""

import torch

from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.models.world_model import WorldModel, WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.signals import SignalConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import ContinuationConfig, RewardConfig
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.types import Batch


def small_spec(action: int = 2, discrete: bool = False) -> EnvSpec:
    """An image of 16 pixels and a vector of 3 numbers."""
    obs = {"pixels": Space((16, 16, 3), "uint8"), "state": Space((3,), "float32")}
    return EnvSpec(obs, ActionSpace(action, discrete), repeat=1)


def small_world_model(spec: EnvSpec) -> WorldModel:
    """A recurrent state-space model with random weights that decodes, rewards and continues."""
    conv, mlp = ConvConfig(depth=4, activation="elu"), MLPConfig(layers=1, units=16)
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(conv, mlp), "reward": RewardConfig(mlp),
        "continuation": ContinuationConfig(mlp),
    }  # fmt: skip
    dynamics = RSSMConfig(deter=12, hidden=16, latent=GaussianConfig(size=5))
    weights = dict.fromkeys(signals, 1.0)
    return WorldModelConfig(EncoderConfig(conv, mlp), dynamics, signals, weights).build(spec)


def random_batch(spec: EnvSpec, batch: int = 3, length: int = 6, seed: int = 0) -> Batch:
    """Sequences that begin anywhere; the second has an episode border in the middle."""
    generator = torch.Generator().manual_seed(seed)
    obs = {}
    for name, space in spec.obs.items():
        if space.is_image:
            shape = (batch, length, *space.shape)
            obs[name] = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        else:
            obs[name] = torch.randn(batch, length, *space.shape, generator=generator)
    size = spec.action.size
    if spec.action.discrete:
        action = torch.eye(size)[torch.randint(0, size, (batch, length), generator=generator)]
    else:
        action = 2 * torch.rand(batch, length, size, generator=generator) - 1
    flags = {name: torch.zeros(batch, length, dtype=torch.bool) for name in ("is_first", "is_last", "is_terminal")}
    if batch > 1 and length > 3:
        flags["is_first"][1, 3] = flags["is_last"][1, 2] = flags["is_terminal"][1, 2] = True
        action[1, 2] = 0
    return Batch(obs, action, torch.randn(batch, length, generator=generator), **flags)
