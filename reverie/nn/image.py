"""The family of networks that encode and decode images."""

from typing import ClassVar

from torch import nn

from reverie.config.choices import Choice


class ImageEncoder(nn.Module):
    """A module from images `(*b, height, width, C)` to vectors `(*b, size_out)`."""

    size_out: int


class ImageConfig(Choice):
    """The family of image networks. `shape` is (height, width, channels)."""

    plain: ClassVar[bool] = False
    """Whether the encoder needs images in [-0.5, 0.5], such as one that was trained elsewhere."""

    def image_encoder(self, shape: tuple[int, ...]) -> ImageEncoder:
        raise NotImplementedError

    def image_decoder(self, size_in: int, shape: tuple[int, ...]) -> nn.Module:
        """Build a module from vectors `(*b, size_in)` to the mean of images `(*b, height, width, C)`."""
        raise NotImplementedError
