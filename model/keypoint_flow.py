"""Keypoint flow: where each place of a frame was one frame before and will be one after.

Offsets O[f -> g](p), g in {f - 1, f + 1}, are x, y in pixels of a level's grid: what stands at p in
frame f stands at p + O in frame g.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from model.backbone import zero
from model.config import NetworkConfig
from model.pose_encoder import conv_block

NEIGHBOURS = (-1, 1)
SUPERVISED = 23  # body and feet of the 133: hands and face would outvote them
VISIBLE = 0.3  # least score; Our choice: what the skeleton drawings take for seen
SHARE = 0.1  # Our choice: errors below this many pixels count squared, above in proportion
# Our choice: what lies between joints moves as they do. Numbers of joints, COCO-WholeBody.
TORSO = (5, 6, 11, 12)  # shoulders, hips
NECK = (5, 6, 0, 0)  # from between the shoulders to the nose
LIMBS = (
    (5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16), (15, 17), (16, 20),
)  # fmt: skip
BETWEEN = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True, eq=False)
class FlowTargets:
    """Motion of keypoints, in pixels of a level's grid."""

    points: Tensor  # b f k 2: x, y; 0 where unseen
    motion: Tensor  # b f g k 2: to the frame before and after
    seen: Tensor  # b f g k, bool: in both frames, and within both pictures


class KeypointFlow(nn.Module):
    """Offsets at every attention level from the drawings of two frames; they start at zero.

    Each drawing is read once; then pairs are compared, from the coarsest grid to the finest. Our
    choice: not on the maps that references are compared by, which know where a body faces, and
    which stage 2 freezes.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        d, factor = config.pose.features, config.codec.factor
        self.levels = config.unet.attention_levels
        self.stem = nn.Sequential(nn.PixelUnshuffle(factor), conv_block(3 * factor**2, d, stride=1))
        # One more than there are levels: the last is to find what moves far.
        self.down = nn.ModuleList(conv_block(d, d, stride=2) for _ in config.unet.channels)
        last = len(self.down)
        self.compared = nn.ModuleDict(
            {str(i): PairBlock(d) for i in range(last, self.levels[0] - 1, -1)}
        )
        heads = {str(level): zero(nn.Conv2d(d, 2, 3, padding=1)) for level in self.levels}
        self.heads = nn.ModuleDict(heads)

    def forward(self, drawings: Tensor) -> dict[int, Tensor]:
        """Drawings b f 3 h w in [0, 1] => by level b f g 2 h_l w_l.

        Beyond the first and last frame the offsets mean nothing.
        """
        b, f = drawings.shape[:2]
        grids = [self.stem(rearrange(drawings, "b f c h w -> (b f) c h w"))]
        for down in self.down:
            grids.append(down(grids[-1]))
        offsets: dict[int, Tensor] = {}
        pairs = None
        for name, block in self.compared.items():
            pairs = block(rearrange(grids[int(name)], "(b f) d h w -> b f d h w", b=b), pairs)
            if name in self.heads:
                found = self.heads[name](pairs)
                split = rearrange(found, "(b f g) xy h w -> b f g xy h w", b=b, f=f)
                offsets[int(name)] = split
        return {level: offsets[level] for level in self.levels}


class PairBlock(nn.Module):
    """Features of each frame and one neighbour together, told of the coarser grid's."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.here = nn.Conv2d(features, features, 3, padding=1)
        self.there = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.mix = conv_block(features, features, stride=1)

    def forward(self, maps: Tensor, coarser: Tensor | None) -> Tensor:
        """Maps b f d h w, and (b f g) d h/2 w/2 => (b f g) d h w."""
        index, _ = neighbours(maps.shape[1], maps.device)
        flat = rearrange(maps, "b f d h w -> (b f) d h w")
        # Convolved frame by frame: of both neighbours at once it would be twice the work.
        here, there = (conv(flat).view_as(maps) for conv in (self.here, self.there))
        pairs = rearrange(here[:, :, None] + there[:, index], "b f g d h w -> (b f g) d h w")
        if coarser is not None:
            size = (maps.shape[-2], maps.shape[-1])
            pairs = pairs + F.interpolate(coarser, size, mode="bilinear")
        mixed: Tensor = self.mix(F.silu(pairs))
        return mixed


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


def with_places_between(targets: FlowTargets) -> FlowTargets:
    """The same, k growing by places on limbs and torso, seen where their joints are."""
    joints, shares = _places(targets.points.device)
    points, motion = (
        (of_joints[..., joints, :] * shares[..., None]).sum(dim=-2)
        for of_joints in (targets.points, targets.motion)
    )
    return FlowTargets(points, motion, (targets.seen[..., joints] | (shares == 0)).all(dim=-1))


@lru_cache(maxsize=8)  # made before a pass is recorded, which could not wait for it
def _places(device: torch.device) -> tuple[Tensor, Tensor]:
    """Every place between four joints, n 4, of which some may be the same; and their shares."""
    quads = [((joint,) * 4, 0.5, 0.0) for joint in range(SUPERVISED)]
    quads += [((a, a, b, b), 0.5, v) for a, b in LIMBS for v in BETWEEN]
    quads += [(NECK, 0.5, v) for v in BETWEEN]
    quads += [(TORSO, u, v) for u in (0.0, *BETWEEN, 1.0) for v in (0.0, *BETWEEN, 1.0)]
    joints = [joints for joints, _, _ in quads]
    shares = [((1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v) for _, u, v in quads]
    return torch.tensor(joints, device=device), torch.tensor(shares, device=device)


def flow_loss(
    offsets: Mapping[int, Tensor], keypoints: Tensor, frame_size: tuple[int, int]
) -> Tensor:
    """SmoothL1 of the offsets at places seen in both frames: mean over them, then the levels."""
    losses = [_level_loss(maps, keypoints, frame_size) for maps in offsets.values()]
    return torch.stack(losses).mean()


def _level_loss(maps: Tensor, keypoints: Tensor, frame_size: tuple[int, int]) -> Tensor:
    b, f = maps.shape[:2]
    grid = (maps.shape[-2], maps.shape[-1])
    targets = with_places_between(flow_targets(keypoints, frame_size, grid))
    at = repeat(targets.points, "b f n xy -> (b f g) n xy", g=len(NEIGHBOURS))
    found = sample(rearrange(maps, "b f g xy h w -> (b f g) xy h w"), at)
    found = rearrange(found, "(b f g) xy n -> b f g n xy", b=b, f=f).float()
    error = F.smooth_l1_loss(found, targets.motion.float(), reduction="none", beta=SHARE)
    return (error.sum(dim=-1) * targets.seen).sum() / targets.seen.sum().clamp(min=1)
