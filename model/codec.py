"""Frames <=> the latents a denoiser works on: a published autoencoder, or a rearrangement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import CodecConfig

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL


class Codec(Protocol):
    """Interface of both; leading dimensions are free, and `chunk` pictures are taken at once."""

    def encode(self, images: Tensor, chunk: int = 8) -> Tensor:
        """... 3 H W in [-1, 1] => ... c h w."""
        ...

    def decode(self, latents: Tensor, chunk: int = 8) -> Tensor:
        """... c h w => ... 3 H W, about [-1, 1]."""
        ...


class PixelUnshuffle:
    """Squares of pixels as channels: exact, without weights."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def encode(self, images: Tensor, chunk: int = 8) -> Tensor:
        """... 3 H W => ... 3 factor^2 h w."""
        return F.pixel_unshuffle(images, self.factor)

    def decode(self, latents: Tensor, chunk: int = 8) -> Tensor:
        """The inverse."""
        return F.pixel_shuffle(latents, self.factor)


class Autoencoder:
    """Stable Diffusion's AutoencoderKL; latents are the mean of what it encodes to, scaled."""

    def __init__(self, vae: AutoencoderKL, scale: float) -> None:
        self.vae, self.scale = vae.eval(), scale

    @torch.no_grad()
    def encode(self, images: Tensor, chunk: int = 8) -> Tensor:
        """... 3 H W in [-1, 1] => ... 4 h w."""
        flat = images.reshape(-1, *images.shape[-3:]).to(self.vae.dtype)
        means = [self.vae.encode(some).latent_dist.mode() for some in torch.split(flat, chunk)]
        latents = torch.cat(means) * self.scale
        return latents.reshape(*images.shape[:-3], *latents.shape[1:]).to(images.dtype)

    @torch.no_grad()
    def decode(self, latents: Tensor, chunk: int = 8) -> Tensor:
        """... 4 h w => ... 3 H W."""
        flat = latents.reshape(-1, *latents.shape[-3:]).to(self.vae.dtype) / self.scale
        images = torch.cat([self.vae.decode(some).sample for some in torch.split(flat, chunk)])
        return images.reshape(*latents.shape[:-3], *images.shape[1:]).to(latents.dtype)


def build_codec(config: CodecConfig) -> PixelUnshuffle | Autoencoder:
    """The one a configuration names; an autoencoder's weights are random until loaded."""
    if config.kind == "pixel-unshuffle":
        return PixelUnshuffle(config.unshuffle)
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    levels = len(config.channels)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.channels,
        layers_per_block=2,
        norm_num_groups=config.groups,
        scaling_factor=config.scale,
    )
    return Autoencoder(vae, config.scale)
