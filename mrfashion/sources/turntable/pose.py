"""Clips posed frame by frame: every part's place in front of the camera, in metres, float64.

Image axes are x right, y down, z towards the camera, still at one unit per metre.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mrfashion.sources.turntable.body import (
    JOINT_BONE_INDEX,
    build_body,
)
from mrfashion.sources.turntable.figure import Figure, hem_levels
from mrfashion.sources.turntable.identity import HEMMED, Identity
from mrfashion.sources.turntable.motion import Motion
from mrfashion.sources.turntable.skeleton import BONE, FEET, chain, compose, plant, rotations

Clip = tuple[Identity, Motion]
FULL_THIGH, FULL_KNEE = 0.43, 0.9  # largest angles of `motion._legs`, in radians


@dataclass(frozen=True, slots=True)
class Pose:
    """All frames of a batch, one after the other: n frames, p parts."""

    clip: Tensor  # n, int64: index of the clip
    rest: Tensor  # n p 3 3: parts at rest, see `body.Body`
    rest_centre: Tensor  # n p 3
    profile: Tensor  # n p 3
    ball: Tensor  # n p, bool
    active: Tensor  # n p, bool
    chart: Tensor  # n p, int64
    frame: Tensor  # n p 6: frame of the part's chart
    linear: Tensor  # n p 3 3: parts in image axes
    centre: Tensor  # n p 3
    box: Tensor  # n p 4: left, top, right, bottom
    joints: Tensor  # n 23 3, image axes
    world: Tensor  # n 23 3: joints in the studio, y up
    camera: Tensor  # n 3 3: studio to image axes


def pose(clips: Sequence[Clip]) -> Pose:
    """Move the bones, hang the parts and joints on them, and look from each clip's camera."""
    bodies = [build_body(identity) for identity, _ in clips]
    clip = torch.repeat_interleave(torch.tensor([motion.frames for _, motion in clips]))

    def stack(field: str) -> Tensor:
        return torch.stack([getattr(body, field) for body in bodies])[clip]

    camera = torch.stack([_camera(motion) for _, motion in clips])[clip][:, None]
    sway = torch.cat([motion.sway_m for _, motion in clips])
    local = torch.cat([_local(identity, motion) for identity, motion in clips])
    turn, offset = chain(local, stack("pivots"))
    joints = _carry(turn, offset, JOINT_BONE_INDEX.expand(len(clip), -1), stack("joints"))
    planted = plant(offset, joints[:, list(FEET)], sway)
    joints = joints + (planted - offset)[:, :1]

    bone, rest, rest_centre = stack("bone"), stack("linear"), stack("centre")
    index = bone[..., None, None].expand(-1, -1, 3, 3)
    linear = compose(compose(camera, turn.gather(1, index)), rest)
    place = _carry(turn, planted, bone, rest_centre)
    centre = compose(camera, place[..., None]).squeeze(-1)
    profile, ball, chart = stack("profile"), stack("ball"), stack("chart")
    return Pose(
        clip=clip,
        rest=rest,
        rest_centre=rest_centre,
        profile=profile,
        ball=ball,
        active=stack("active"),
        chart=chart,
        frame=stack("frame").gather(1, chart[..., None].expand(-1, -1, 6)),
        linear=linear,
        centre=centre,
        box=_boxes(linear, centre, profile, ball),
        joints=compose(camera, joints[..., None]).squeeze(-1),
        world=joints,
        camera=camera[:, 0],
    )


def _carry(turn: Tensor, offset: Tensor, bone: Tensor, points: Tensor) -> Tensor:
    """Points at rest (n, m, 3) to the studio with their bones (n, m)."""
    index = bone[..., None].expand(-1, -1, 3)
    linear = turn.gather(1, index[..., None].expand(-1, -1, 3, 3))
    return compose(linear, points[..., None]).squeeze(-1) + offset.gather(1, index)


def _local(identity: Identity, motion: Motion) -> Tensor:
    """Bone rotations of one clip, adapted to what the clothes allow: (f, bones, 3, 3)."""
    euler = motion.euler.clone()
    if identity.lower in HEMMED:
        freedom = _freedom(identity)
        for side, s in (("l", 1.0), ("r", -1.0)):
            for bone in ("thigh", "shin", "foot"):
                euler[:, BONE[f"{side}_{bone}"]] *= freedom
            upper = BONE[f"{side}_upper_arm"]
            spread = (s * euler[:, upper, 2]).clamp(min=_clearance(identity))
            euler[:, upper, 2] = s * spread
    local = rotations(euler)
    slope = motion.hem * (0.33 if identity.loose_hem else 0.0)
    for i in range(3):
        ring = BONE[f"hem_{i}"]
        local[:, ring] = rotations(torch.nn.functional.pad(slope[:, 2:], (1, 1)))
        local[:, ring, 0, 1] += slope[:, 0]
        local[:, ring, 2, 1] += slope[:, 1]
    return local


def _freedom(identity: Identity) -> float:
    """Share of a full stride that stays under the hanging cloth, in 0..1."""
    figure = Figure(identity)
    freedom = 1.0
    for y, r in hem_levels(identity, figure)[1:]:
        depth = figure.hem_flat * math.sqrt(r * r - figure.hip_x**2)
        room = depth - 0.075 * figure.limbs - (0.03 if identity.loose_hem else 0.0)
        drop = figure.hip_y - max(y, figure.knee_y)
        if drop > 0.05:
            freedom = min(freedom, math.atan(room / drop) / FULL_THIGH)
        if y < figure.knee_y - 0.05:  # the shin trails behind the knee
            freedom = min(freedom, math.atan(room / (figure.knee_y - y)) / FULL_KNEE)
    return max(0.0, freedom)


def _clearance(identity: Identity) -> float:
    """Least angle between arm and body that keeps the hands out of the hanging cloth."""
    figure = Figure(identity)
    hand_y = figure.wrist_y - 0.1
    levels = hem_levels(identity, figure)
    width = max((r for y, r in levels if y > hand_y - 0.12), default=0.0)
    return min(0.45, max(0.1, (width + 0.045 - figure.shoulder_x) / 0.6))


def _camera(motion: Motion) -> Tensor:
    """World metres to image axes at one pixel per metre: 3 3."""
    tilt = torch.tensor(motion.pitch, dtype=torch.float64)
    cos, sin = torch.cos(tilt).item(), torch.sin(tilt).item()
    return torch.tensor([[1, 0, 0], [0, -cos, sin], [0, sin, cos]], dtype=torch.float64)


def _boxes(linear: Tensor, centre: Tensor, profile: Tensor, ball: Tensor) -> Tensor:
    """Bounds of the parts in the image: (n, p, 4)."""
    a, b, c = profile.unbind(-1)
    peak = torch.where(c < 0, (-b / (2 * c.clamp(max=-1e-12))).clamp(0, 1), 0.0)
    widest = torch.maximum(a + b * peak + c * peak * peak, a.maximum(a + b + c))
    radius = torch.where(ball, torch.ones_like(a), widest.sqrt())
    x, y, z = (linear[..., :2, i] for i in range(3))
    across = (x * x + z * z).sqrt() * radius[..., None]
    closed = (x * x + y * y + z * z).sqrt()
    reach = torch.where(ball[..., None], closed, across + 0.5 * y.abs())
    middle = centre[..., :2] + torch.where(ball[..., None], 0.0, 0.5 * y)
    return torch.cat((middle - reach, middle + reach), -1)
