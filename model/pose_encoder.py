"""Skeleton drawings => features for the denoiser's input and for comparing poses at every level."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import NetworkConfig, PoseConfig
from mrfashion.poses.skeletons import draw_skeleton_batch


@dataclass(frozen=True, slots=True, eq=False)
class PoseFeatures:
    """What is known of poses: `f` frames, or `r` references in their place."""

    latent: Tensor  # b f c h w, added to what the denoiser's first convolution gives
    maps: dict[int, Tensor]  # by level: b f d h_l w_l; empty where nothing reads them
    pooled: Tensor | None  # b f d, of the whole drawing

    def frames(self, some: slice) -> PoseFeatures:
        """A window of them."""
        maps = {level: features[:, some] for level, features in self.maps.items()}
        pooled = None if self.pooled is None else self.pooled[:, some]
        return replace(self, latent=self.latent[:, some], maps=maps, pooled=pooled)


@torch.no_grad()
def draw_poses(
    keypoints: Tensor, source: tuple[int, int], size: tuple[int, int], config: PoseConfig
) -> Tensor:
    """Keypoints b f k 3, in pixels of `source` (h w) => drawings b f 3 h w of `size` in [0, 1]."""
    canvas = (size[0] * config.canvas, size[1] * config.canvas)
    flat = rearrange(keypoints, "b f k c -> (b f) k c")
    drawn = draw_skeleton_batch(flat, source, canvas, config.style)
    pictures = rearrange(drawn, "n h w c -> n c h w").float() / 255
    return rearrange(
        F.avg_pool2d(pictures, config.canvas), "(b f) c h w -> b f c h w", b=len(keypoints)
    )


class PoseEncoder(nn.Module):
    """AnimateAnyone's pose guider, with a pyramid on its features where anything reads poses.

    The guider is diffusers' ControlNetConditioningEmbedding, whose names published checkpoints
    have; its last layer starts at zero.
    """

    def __init__(self, config: NetworkConfig) -> None:
        from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding

        super().__init__()
        widths, channels = config.pose.channels, config.unet.channels[0]
        self.guider = ControlNetConditioningEmbedding(channels, 3, widths)
        for layer in (self.guider.conv_in, *self.guider.blocks):
            # torch's own start halves what thin lines on black say, layer by layer, to nothing.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.pyramid = PosePyramid(config) if config.reads_pose_maps else None

    def forward(self, drawings: Tensor) -> PoseFeatures:
        """Drawings b f 3 h w in [0, 1]."""
        trunk = F.silu(self.guider.conv_in(rearrange(drawings, "b f c h w -> (b f) c h w")))
        for block in self.guider.blocks:
            trunk = F.silu(block(trunk))
        b = len(drawings)
        latent = rearrange(self.guider.conv_out(trunk), "(b f) c h w -> b f c h w", b=b)
        if self.pyramid is None:
            return PoseFeatures(latent, {}, None)
        maps, pooled = self.pyramid(trunk)
        split = {k: rearrange(m, "(b f) d h w -> b f d h w", b=b) for k, m in maps.items()}
        return PoseFeatures(latent, split, rearrange(pooled, "(b f) d -> b f d", b=b))


class PosePyramid(nn.Module):
    """Features of unit variance at every attention level, each told of the whole drawing.

    Off the limbs a convolution sees black; the pooled vector tells it where the body faces.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d, self.levels = config.pose.features, config.unet.attention_levels
        self.stem = conv_block(config.pose.channels[-1], d, stride=1)
        # One more than there are levels: the last is for pooling alone.
        self.down = nn.ModuleList(conv_block(d, d, stride=2) for _ in config.unet.channels)
        self.pool = nn.Sequential(nn.Linear(d, d), nn.SiLU(), nn.Linear(d, d), nn.LayerNorm(d))
        self.tell = nn.ModuleDict({str(level): nn.Linear(d, d) for level in self.levels})
        self.norm = nn.ModuleDict({str(level): nn.LayerNorm(d) for level in self.levels})

    def forward(self, trunk: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """(b f) c h w => maps (b f) d h_l w_l by level, and pooled (b f) d."""
        grids = [self.stem(trunk)]
        for down in self.down:
            grids.append(down(grids[-1]))
        pooled = self.pool(grids[-1].mean(dim=(2, 3)))
        return {level: self._told(level, grids[level], pooled) for level in self.levels}, pooled

    def _told(self, level: int, grid: Tensor, pooled: Tensor) -> Tensor:
        told = grid + self.tell[str(level)](pooled)[:, :, None, None]
        normed: Tensor = self.norm[str(level)](told.movedim(1, -1))
        return normed.movedim(-1, 1)


def conv_block(channels: int, features: int, stride: int) -> nn.Sequential:
    """Convolution, group norm, SiLU."""
    return nn.Sequential(
        nn.Conv2d(channels, features, 3, stride=stride, padding=1),
        nn.GroupNorm(8, features),
        nn.SiLU(),
    )
