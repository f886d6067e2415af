"""Static models of single images, which the dynamics generalize. Adding one: a file, and its config in this union."""

from reverie.models.cvae import CVAEConfig
from reverie.models.vae import VAEConfig

GenerativeConfig = VAEConfig | CVAEConfig

__all__ = ["GenerativeConfig"]
