"""Models. To add a static model of images, write a file with its config, a `GenerativeConfig`, and its class."""

from reverie.models import cvae, likelihoods, vae
from reverie.models.generative import GenerativeConfig

__all__ = ["GenerativeConfig", "cvae", "likelihoods", "vae"]
