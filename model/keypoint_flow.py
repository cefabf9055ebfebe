"""Keypoint flow: where each place of a frame was one frame before and will be one after.

Offsets O[f -> g](p), g in {f - 1, f + 1}, are x, y in pixels of a level's grid: what stands at p in
frame f stands at p + O in frame g.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from model.backbone import zero
from model.config import NetworkConfig
from model.pose_encoder import PoseFeatures

NEIGHBOURS = (-1, 1)
SUPERVISED = 23  # body and feet of the 133: hands and face would outvote them
VISIBLE = 0.3  # least score; Our choice: what the skeleton drawings take for seen


@dataclass(frozen=True, slots=True, eq=False)
class FlowTargets:
    """Motion of keypoints, in pixels of a level's grid."""

    points: Tensor  # b f k 2: x, y; 0 where unseen
    motion: Tensor  # b f g k 2: to the frame before and after
    seen: Tensor  # b f g k, bool: in both frames, and within both pictures


class KeypointFlow(nn.Module):
    """Offsets at every attention level from the poses of two frames; they start at zero."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d = config.pose.features
        self.heads = nn.ModuleDict({str(i): _head(d) for i in config.unet.attention_levels})

    def forward(self, pose: PoseFeatures) -> dict[int, Tensor]:
        """By level: b f g 2 h_l w_l; beyond the first and last frame the offsets mean nothing."""
        return {level: self._offsets(level, maps) for level, maps in pose.maps.items()}

    def _offsets(self, level: int, maps: Tensor) -> Tensor:
        index, _ = neighbours(maps.shape[1], maps.device)
        here = repeat(maps, "b f d h w -> b f g d h w", g=len(NEIGHBOURS))
        pairs = rearrange(torch.cat([here, maps[:, index]], dim=3), "b f g d h w -> (b f g) d h w")
        b, f = maps.shape[:2]
        offsets: Tensor = self.heads[str(level)](pairs)
        return rearrange(offsets, "(b f g) xy h w -> b f g xy h w", b=b, f=f)


def _head(features: int) -> nn.Sequential:
    first, last = (nn.Conv2d(n * features, out, 3, padding=1) for n, out in ((2, features), (1, 2)))
    return nn.Sequential(first, nn.SiLU(), zero(last))


def neighbours(frames: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """For each frame the frames before and after, f g, kept inside; and whether they exist."""
    # No number crosses to the device here or below: a recorded pass could not wait for it.
    one = torch.arange(frames, device=device)
    index = torch.stack([one + away for away in NEIGHBOURS], dim=1)
    return index.clamp(0, frames - 1), (index >= 0) & (index < frames)


def sample(maps: Tensor, at_xy: Tensor) -> Tensor:
    """Maps n c h w at places n ... 2 (x, y in their pixels) => n c ...; bilinear, in float32.

    Beyond the border lies what is on it.
    """
    places = scaled(2 * at_xy.float() + 1, 1 / maps.shape[-1], 1 / maps.shape[-2]) - 1
    flat = places.reshape(len(places), -1, 1, 2)
    with torch.autocast(maps.device.type, enabled=False):
        found = F.grid_sample(maps.float(), flat, padding_mode="border", align_corners=False)
    return found.reshape(*maps.shape[:2], *at_xy.shape[1:-1]).to(maps.dtype)


def scaled(xy: Tensor, x: float, y: float) -> Tensor:
    """... 2, each coordinate by its own factor."""
    return torch.stack([xy[..., 0] * x, xy[..., 1] * y], dim=-1)


def flow_targets(
    keypoints: Tensor, frame_size: tuple[int, int], grid: tuple[int, int]
) -> FlowTargets:
    """Keypoints b f k 3 in pixels of `frame_size` (h w) => targets on a grid of h_l w_l."""
    height, width = frame_size
    body = keypoints[:, :, :SUPERVISED]
    xy = body[..., :2]
    right, below = xy[..., 0] < width, xy[..., 1] < height
    inside = (xy >= 0).all(dim=-1) & right & below  # False of NaN
    seen = inside & (body[..., 2] >= VISIBLE)
    points = torch.where(
        seen[..., None], scaled(xy + 0.5, grid[1] / width, grid[0] / height) - 0.5, 0.0
    )
    index, exists = neighbours(keypoints.shape[1], keypoints.device)
    both = seen[:, :, None] & seen[:, index] & exists[:, :, None]
    motion = torch.where(both[..., None], points[:, index] - points[:, :, None], 0.0)
    return FlowTargets(points, motion, both)


def flow_loss(
    offsets: Mapping[int, Tensor], keypoints: Tensor, frame_size: tuple[int, int]
) -> Tensor:
    """SmoothL1 of the offsets at keypoints seen in both frames: mean over them, then the levels."""
    losses = [_level_loss(maps, keypoints, frame_size) for maps in offsets.values()]
    return torch.stack(losses).mean()


def _level_loss(maps: Tensor, keypoints: Tensor, frame_size: tuple[int, int]) -> Tensor:
    b, f = maps.shape[:2]
    targets = flow_targets(keypoints, frame_size, (maps.shape[-2], maps.shape[-1]))
    at = repeat(targets.points, "b f k xy -> (b f g) k xy", g=len(NEIGHBOURS))
    found = sample(rearrange(maps, "b f g xy h w -> (b f g) xy h w"), at)
    found = rearrange(found, "(b f g) xy k -> b f g k xy", b=b, f=f)
    error = F.smooth_l1_loss(found.float(), targets.motion.float(), reduction="none").sum(dim=-1)
    return (error * targets.seen).sum() / targets.seen.sum().clamp(min=1)
