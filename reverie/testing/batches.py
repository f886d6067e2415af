"""Small specs, batches and models for the checks: a few thousand parameters, and no two axes of the same size."""

import torch

from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.signals import SignalConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import ContinuationConfig, RewardConfig
from reverie.spaces import ActionSpace, EnvSpec, Space
from reverie.types import Batch


def small_spec(image: int = 16, vector: int = 3, action: int = 2, discrete: bool = False) -> EnvSpec:
    """Return a spec with a color image `pixels`, a vector `state`, or both; a size of 0 leaves one out."""
    obs = {"pixels": Space((image, image, 3), "uint8")} if image else {}
    if vector:
        obs["state"] = Space((vector,), "float32")
    return EnvSpec(obs, ActionSpace(action, discrete), repeat=1)


def small_model_config(free: float = 0.0, continuation: bool = True) -> WorldModelConfig:
    """Return a recurrent state-space model that decodes, predicts rewards and, if `continuation`, the end."""
    conv, mlp = ConvConfig(depth=4, activation="elu"), MLPConfig(layers=1, units=16)
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(conv, mlp),
        "reward": RewardConfig(mlp),
        "divergence": DivergenceConfig(free=free),
    }
    if continuation:
        signals["continuation"] = ContinuationConfig(mlp)
    dynamics = RSSMConfig(deter=12, hidden=16, latent=GaussianConfig(size=5))
    weights = dict.fromkeys(signals, 1.0)
    return WorldModelConfig(EncoderConfig(conv, mlp), dynamics, signals, weights, AdamConfig(lr=3e-3))


def random_batch(spec: EnvSpec, batch: int = 3, length: int = 6, seed: int = 0) -> Batch:
    """Draw sequences without their starts; the second has the border of two episodes in the middle."""
    generator = torch.Generator().manual_seed(seed)
    obs = {}
    for name, space in spec.obs.items():
        shape = (batch, length, *space.shape)
        if space.is_image:
            obs[name] = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        else:
            obs[name] = torch.randn(shape, generator=generator)
    size = spec.action.size
    if spec.action.discrete:
        action = torch.eye(size)[torch.randint(0, size, (batch, length), generator=generator)]
    else:
        action = 2 * torch.rand(batch, length, size, generator=generator) - 1
    flags = {name: torch.zeros(batch, length, dtype=torch.bool) for name in ("is_first", "is_last", "is_terminal")}
    if batch > 1 and length > 3:
        flags["is_first"][1, 3] = flags["is_last"][1, 2] = flags["is_terminal"][1, 2] = True
        action[1, 2] = 0
    reward = torch.randn(batch, length, generator=generator)
    return Batch(obs, action, reward, flags["is_first"], flags["is_last"], flags["is_terminal"])
