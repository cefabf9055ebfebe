"""Reference pictures => the global tokens cross-attention reads: CLIP's, or a small network's."""

from __future__ import annotations

from itertools import pairwise

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import ImageEncoderConfig, NetworkConfig

# CLIP's, for pixels in 0..1 (openai/CLIP clip/clip.py, _transform).
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def image_encoder(config: NetworkConfig) -> nn.Module:
    """The one a configuration names."""
    encoders = {"clip": ClipImageEncoder, "small": SmallImageEncoder}
    return encoders[config.image_encoder.kind](config.image_encoder, config.unet.context)


class SmallImageEncoder(nn.Module):
    """Strided convolutions down to a few tokens, trained with the rest."""

    def __init__(self, config: ImageEncoderConfig, features: int) -> None:
        super().__init__()
        widths = [3, config.width, config.width * 2, config.width * 2]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after)]
            layers.append(nn.SiLU())
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(config.tokens))
        self.out = nn.Linear(widths[-1], features)

    def forward(self, images: Tensor) -> Tensor:
        """n 3 h w in [-1, 1] => n tokens d."""
        tokens: Tensor = self.out(rearrange(self.layers(images), "n c h w -> n (h w) c"))
        return tokens


class ClipImageEncoder(nn.Module):
    """CLIP's projected image embedding as one token, never trained (as AnimateAnyone)."""

    def __init__(self, config: ImageEncoderConfig, features: int) -> None:
        from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

        super().__init__()
        self.size = config.size
        shape = CLIPVisionConfig(
            hidden_size=config.width,
            intermediate_size=4 * config.width,
            projection_dim=features,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            image_size=config.size,
            patch_size=config.patch,
        )
        self.clip = CLIPVisionModelWithProjection(shape)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """n 3 h w in [-1, 1] => n 1 d. Squeezed to a square, not cropped: shoes count."""
        side = (self.size, self.size)
        squares = F.interpolate(
            images.float(), side, mode="bicubic", antialias=True, align_corners=False
        )
        mean, std = (squares.new_tensor(v)[:, None, None] for v in (CLIP_MEAN, CLIP_STD))
        pixels = ((squares.clamp(-1, 1) + 1) / 2 - mean) / std
        embeds: Tensor = self.clip(pixels.to(self.clip.dtype)).image_embeds
        return embeds[:, None]
