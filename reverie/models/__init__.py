"""What learns to predict. Adding a static model of images: a file with its config, a `GenerativeConfig`, and class."""

from reverie.models import cvae, likelihoods, vae
from reverie.models.generative import GenerativeConfig

__all__ = ["GenerativeConfig", "cvae", "likelihoods", "vae"]
