"""Posed clips as per-frame coefficients: everything small is solved here, in float64 on the CPU.

Image space is x right and y down in pixels, z towards the camera; depths are then mapped to
values in (1, 2), whose float32 bit patterns sort like integers (see raster.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from mrfashion.sources.turntable.body import CHARTS
from mrfashion.sources.turntable.identity import Identity
from mrfashion.sources.turntable.motion import Motion
from mrfashion.sources.turntable.pose import Clip, Pose, pose
from mrfashion.sources.turntable.skeleton import FEET, compose

DEPTH_REACH_M = 1.3  # nothing is farther from the body's axis than this
DEPTH_PER_M = 0.45 / DEPTH_REACH_M


class Coef(IntEnum):
    """Rows of `Stage.coef`; dx and dy run from the part's centre, depth likewise."""

    CX = 0
    CY = 1
    CZ = 2
    XX = 3  # discriminant: xx dx^2 + yy dy^2 + xy dx dy + x dx + y dy + one
    YY = 4
    XY = 5
    X = 6
    Y = 7
    ONE = 8
    ZX = 9  # depth: zx dx + zy dy + z1 + sqrt(discriminant)
    ZY = 10
    Z1 = 11
    CUT = 12  # along the axis: cut + cut_x dx + cut_y dy + cut_z depth, kept in [0, 1]
    CUT_X = 13
    CUT_Y = 14
    CUT_Z = 15
    CHART = 16  # chart x, down, z of the centre
    CHART_MAP = 19  # then the 3 by 3 map of (dx, dy, depth) onto them


COEFS = int(Coef.CHART_MAP) + 9
STEP_COEFS = 15  # next centre (3), map of (dx, dy, depth) to the next offset (9), facing (3)


@dataclass(frozen=True, slots=True)
class Stage:
    """All frames of a batch, one after the other: n frames, p parts; float32 on the device."""

    clips: Sequence[Clip]
    people: list[Identity]  # whose atlases `sheet` counts through
    size: tuple[int, int]
    clip: Tensor  # n, int64: index of the clip
    sheet: Tensor  # n p, int64: chart in the atlases of the batch
    coef: Tensor  # COEFS n p
    step: Tensor  # STEP_COEFS n p
    squash: Tensor  # n: stage depth per pixel of depth
    joints: Tensor  # n 23 3: x, y in pixels, depth
    shadows: Tensor  # n 2 4: see `paint_backdrops`
    world: Tensor  # n 23 3, float64, CPU: joints in metres, y up
    box: Tensor  # n p 4, float64, CPU: left, top, right, bottom in pixels
    active: Tensor  # n p, bool, CPU
    cut: list[bool]  # p: is this slot an open surface

    @property
    def frames(self) -> int:
        return len(self.clip)


def set_stage(clips: Sequence[Clip], size: tuple[int, int], device: torch.device) -> Stage:
    """Pose the clips, fit each to the frame, and solve every part's outline and depth."""
    posed = pose(clips)
    scale, shift = _fits(posed, clips, size)
    linear = posed.linear * scale[:, None, None, None]
    centre = posed.centre * scale[:, None, None] + shift[:, None]
    joints = posed.joints * scale[:, None, None] + shift[:, None]
    squash = DEPTH_PER_M / scale
    unit = torch.stack((torch.ones_like(scale), torch.ones_like(scale), squash), -1)[:, None]
    middle = torch.tensor([0.0, 0.0, 1.5], dtype=torch.float64)
    inverse, placed = _inverse(linear), centre * unit + middle
    coef, active = _solve(posed, inverse, squash[:, None])
    coef = torch.cat((placed.movedim(-1, 0), coef, _chart(posed, inverse, unit)))
    step = _step(linear, inverse, placed, unit, posed.clip)
    people = list(dict.fromkeys(identity for identity, _ in clips))
    owner = torch.tensor([people.index(identity) for identity, _ in clips])[posed.clip]
    return Stage(
        clips=clips,
        people=people,
        size=size,
        clip=posed.clip.to(device),
        sheet=(owner[:, None] * len(CHARTS) + posed.chart).to(device),
        coef=coef.float().to(device),
        step=step.float().to(device),
        squash=squash.float().to(device),
        joints=(joints * unit + middle).float().to(device),
        shadows=_shadows(joints, scale, posed.camera).float().to(device),
        world=posed.world,
        box=posed.box * scale[:, None, None] + shift[:, [0, 1, 0, 1]][:, None],
        active=active,
        cut=(~posed.ball & active).any(0).tolist(),
    )


def _fits(posed: Pose, clips: Sequence[Clip], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Pixels per metre and image offset of every frame: n, and n 3."""
    fits = []
    for i, (_, motion) in enumerate(clips):
        mine = posed.clip == i
        fits.append(_fit(posed.box[mine][posed.active[mine]], motion, size))
    table = torch.tensor(fits, dtype=torch.float64)[posed.clip]
    return table[:, 0], table[:, 1:]


def _fit(box: Tensor, motion: Motion, size: tuple[int, int]) -> list[float]:
    """Scale and offset that keep one whole clip in the frame, still."""
    height, width = size
    left, top = box[..., 0].amin().item(), box[..., 1].amin().item()
    right, bottom = box[..., 2].amax().item(), box[..., 3].amax().item()
    scale = min(motion.fill * height / (bottom - top), 0.96 * width / (right - left))
    x = (width - 1) / 2 - scale * (left + right) / 2
    y = (height - 1) / 2 - scale * (top + bottom) / 2
    return [scale, x, y, 0.0]


def _inverse(linear: Tensor) -> Tensor:
    """Inverse of (..., 3, 3) by cofactors: the same rounding whatever the batch."""
    one, two, three = linear.unbind(-2)
    cross = torch.linalg.cross
    rows = torch.stack((cross(two, three), cross(three, one), cross(one, two)), -1)
    determinant = (one * rows[..., :, 0]).unbind(-1)
    return rows / (determinant[0] + determinant[1] + determinant[2])[..., None, None]


def _solve(posed: Pose, inverse: Tensor, squash: Tensor) -> tuple[Tensor, Tensor]:
    """Depth along each ray in closed form: rows XX to CUT_Z of `Coef`, and who can be seen.

    With u = inverse q, the surface ux^2 + uz^2 = a + b uy + c uy^2 is quadratic in q.
    """
    a, b, c = posed.profile.unbind(-1)
    rows = inverse.unbind(-2)

    def form(i: int, j: int) -> Tensor:
        u, v, w = (row[..., i] * row[..., j] for row in rows)
        return u + w - c * v

    bx, by, bz = (b * rows[1][..., i] for i in range(3))
    zz, xz, yz = form(2, 2), form(0, 2), form(1, 2)
    # A cone seen along its axis has no front; the joints at its ends hide it anyway.
    active = posed.active & (zz > 1e-9)
    zz = torch.where(active, zz, 1.0)
    scale = torch.where(active, (squash / zz) ** 2, 0.0)
    x, y, z = rows[1].unbind(-1)
    solid = torch.where(posed.ball, 0.0, 1.0)
    one = (bz * bz / 4 + zz * a) * scale
    solved = (
        (xz * xz - zz * form(0, 0)) * scale,
        (yz * yz - zz * form(1, 1)) * scale,
        2 * (xz * yz - zz * form(0, 1)) * scale,
        (zz * bx - xz * bz) * scale,
        (zz * by - yz * bz) * scale,
        torch.where(active, one, -1.0),  # no discriminant anywhere: never seen
        -xz / zz * squash,
        -yz / zz * squash,
        bz / (2 * zz) * squash,
        0.5 * (1 - solid),
        x * solid,
        y * solid,
        z * solid / squash,
    )
    return torch.stack(solved), active


def _chart(posed: Pose, inverse: Tensor, unit: Tensor) -> Tensor:
    """Offsets and map from (dx, dy, depth) to chart x, down, z; rows CHART on of `Coef`."""
    axis_x, axis_z, half_w, half_d, top, bottom = posed.frame.unbind(-1)
    stretch = torch.stack((1 / half_w, 1 / (bottom - top), 1 / half_d), -1)
    offset = (posed.rest_centre - torch.stack((axis_x, top, axis_z), -1)) * stretch
    linear = compose(posed.rest, inverse) * stretch[..., None] / unit[..., None, :]
    return torch.cat((offset, linear.flatten(-2)), -1).movedim(-1, 0)


def _step(linear: Tensor, inverse: Tensor, placed: Tensor, unit: Tensor, clip: Tensor) -> Tensor:
    """Where a surface point goes in the next frame; the last frame of a clip stays."""
    own = torch.arange(len(clip))
    following = (own + 1).clamp(max=len(clip) - 1)
    following = torch.where(clip[following] == clip, following, own)
    go = compose(linear[following], inverse) * unit[..., None] / unit[..., None, :]
    facing = _inverse(go)[..., :, 2]  # third row of the inverse transpose
    return torch.cat((placed[following], go.flatten(-2), facing), -1).movedim(-1, 0)


def _shadows(pixels: Tensor, scale: Tensor, camera: Tensor) -> Tensor:
    """One ellipse on the floor under each foot: (n, 2, 4)."""
    feet = torch.stack((pixels[:, FEET[:3], :2].mean(1), pixels[:, FEET[3:], :2].mean(1)), 1)
    wide = (0.2 * scale)[:, None].expand(-1, 2)
    tall = wide * (camera[:, 2, 1, None].clamp(min=0.02) + 0.12)
    return torch.cat((feet, torch.stack((wide, tall), -1)), -1)
