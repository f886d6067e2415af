"""Static models of single images, which the dynamics generalise. Adding one: a file, and its config in this union."""

from reverie.generative.cvae import CVAEConfig
from reverie.generative.vae import VAEConfig

GenerativeConfig = VAEConfig | CVAEConfig

__all__ = ["GenerativeConfig"]
