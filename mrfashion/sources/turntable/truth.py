"""Exact labels of the rendered frames: visible joints, and the flow of the surface."""

import torch
from torch import Tensor

from mrfashion.sources.turntable.body import PARTS
from mrfashion.sources.turntable.raster import PART_BITS, key_depth
from mrfashion.sources.turntable.skeleton import JOINTS
from mrfashion.sources.turntable.stage import DEPTH_PER_M, Stage
from mrfashion.sources.turntable.surface import advance, find_hits

KEYPOINTS = 133  # COCO-WholeBody; the last 110, face and hands, are never labelled here
VISIBLE, OCCLUDED = 1.0, 0.2
NEARBY_M = 0.015  # two surfaces this close in depth count as one when flow is validated

_HEAD = ("head", "hair", "nose", "l_ear", "r_ear")
_TRUNK = ("yoke", "waist", "pelvis", "bust")
_HEMS = ("hem_0", "hem_1", "hem_2")


def _limb(side: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{side}_{name}" for name in names)


def _covers() -> dict[str, tuple[tuple[str, ...], float]]:
    """Per joint: the parts it may be seen through, and how far in front of it, in metres."""
    covers: dict[str, tuple[tuple[str, ...], float]] = {"nose": (_HEAD, 0.03)}
    for side in "lr":
        covers |= {
            f"{side}_eye": (("head", "nose"), 0.03),
            f"{side}_ear": (("head", "hair", f"{side}_ear"), 0.03),
            f"{side}_shoulder": (
                (*_limb(side, "deltoid", "upper_arm", "sleeve", "trapezius"), "yoke"),
                0.09,
            ),
            f"{side}_elbow": (_limb(side, "upper_arm", "elbow", "forearm", "sleeve"), 0.075),
            f"{side}_wrist": (_limb(side, "forearm", "hand"), 0.075),
            f"{side}_hip": ((*_TRUNK, *_HEMS, *_limb(side, "thigh")), 0.17),
            f"{side}_knee": ((*_HEMS, *_limb(side, "thigh", "knee", "shin")), 0.22),
            f"{side}_ankle": ((*_HEMS, *_limb(side, "shin", "ankle", "foot")), 0.12),
        }
        for toe in ("big_toe", "small_toe", "heel"):
            covers[f"{side}_{toe}"] = (_limb(side, "foot", "toes", "ankle", "shin"), 0.1)
    return covers


COVERS = _covers()
COVER_PARTS = torch.tensor([[part in COVERS[joint][0] for part in PARTS] for joint in JOINTS])
COVER_DEPTH = torch.tensor([COVERS[joint][1] * DEPTH_PER_M for joint in JOINTS])


def keypoints(stage: Stage, frames: slice, keys: Tensor, density: int) -> Tensor:
    """Joints of the frames as (n, 133, 3): x, y in pixels, 1.0 seen, 0.2 hidden by the body."""
    joints = stage.joints[frames]
    n, height, width = keys.shape
    x, y, depth = joints.unbind(-1)
    inside = (x >= -0.5) & (x < stage.size[1] - 0.5) & (y >= -0.5) & (y < stage.size[0] - 0.5)
    column = ((x + 0.5) * density).clamp(0, width - 1).long()
    row = ((y + 0.5) * density).clamp(0, height - 1).long()
    key = keys[torch.arange(n, device=keys.device)[:, None], row, column]
    joint = torch.arange(len(JOINTS), device=keys.device)
    own = COVER_PARTS.to(keys.device)[joint, (key & PART_BITS).long()]
    near = key_depth(key) - depth <= COVER_DEPTH.to(keys.device)
    seen = (key == 0) | (own & near)
    score = torch.where(seen, VISIBLE, OCCLUDED)
    found = torch.stack((x, y, score), -1)
    missing = torch.tensor([float("nan"), float("nan"), 0.0], device=keys.device)
    result = missing.expand(n, KEYPOINTS, 3).clone()
    result[:, : len(JOINTS)] = torch.where(inside[..., None], found, missing)
    return result


def flow(stage: Stage, frames: slice, keys: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
    """Motion of the surface at pixel centres: (n, h, w, 2) in pixels, 0 off the person; valid.

    `keys` and `following` are the z-buffers of each frame and of the one after it. Valid
    means that the same surface point is in view there too.
    """
    n, height, width = keys.shape
    hits, _ = find_hits(stage, frames, keys, 1)
    x, y, depth, facing = advance(stage, hits)
    column, row = torch.floor(x + 0.5).long(), torch.floor(y + 0.5).long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    frame = hits.frame - frames.start
    there = following[frame, row.clamp(0, height - 1), column.clamp(0, width - 1)]
    same = (there > 0) & ((there & PART_BITS) == hits.part)
    close = (there > 0) & ((key_depth(there) - depth).abs() < NEARBY_M * DEPTH_PER_M)
    motion = torch.zeros(n, height, width, 2, device=keys.device)
    valid = torch.zeros(n, height, width, dtype=torch.bool, device=keys.device)
    at = (frame, hits.row, hits.column)
    motion[at] = torch.stack((x - hits.column, y - hits.row), -1)
    valid[at] = inside & (facing > 0) & (same | close)
    return motion, valid
