"""What a pose drawing is made of: every ellipse, line and disc of many frames, ready to paint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mrfashion.poses import skeleton_styles as parts
from mrfashion.poses.skeleton_styles import Style

FAR_FRAMES = 4  # a joint further off the canvas is drawn as if it stood there
Size = tuple[int, int]  # h, w
Table = tuple[Any, ...]  # of numbers, or of rows of numbers


@dataclass(frozen=True, eq=False)
class Ink:
    """For n shapes: in which frame, how far up, in which colour. All int64, as the shapes are."""

    frame: Tensor  # n
    depth: Tensor  # n, 0..254: the higher covers the lower
    colour: Tensor  # n 3, 0..255


@dataclass(frozen=True, eq=False)
class Ellipses:
    """Of half width LIMB_HALF_WIDTH; pixels and degrees."""

    ink: Ink
    centre: Tensor  # n 2: x, y
    half_length: Tensor  # n
    angle_deg: Tensor  # n, -180..180


@dataclass(frozen=True, eq=False)
class Lines:
    """Two pixels thick."""

    ink: Ink
    start: Tensor  # n 2
    end: Tensor  # n 2


@dataclass(frozen=True, eq=False)
class Discs:
    """Filled circles."""

    ink: Ink
    centre: Tensor  # n 2
    radius: Tensor  # n


@dataclass(frozen=True, eq=False)
class Strokes:
    """The shapes of a batch of frames; of each kind frame by frame, and upwards in a frame."""

    limbs: Ellipses
    bones: Lines
    joints: Discs


@dataclass(frozen=True, eq=False)
class _Pose:
    """The 134 joints of f frames on the canvas."""

    xy: Tensor  # f 134 2, float64
    score: Tensor  # f 134, float64
    shown: Tensor  # f 134, bool
    style: Style


def strokes(keypoints: Tensor, source: Size, canvas: Size, style: Style) -> Strokes:
    """Keypoints f 133 3 in pixels of `source`, missing ones NaN or of score 0 => their drawing."""
    pose = _placed(keypoints, source, canvas, style)
    return Strokes(_limbs(pose), _bones(pose), _joints(pose))


def _placed(keypoints: Tensor, source: Size, canvas: Size, style: Style) -> _Pose:
    points = torch.nn.functional.pad(keypoints.double(), (0, 0, 0, 1))
    shoulders = points[:, [*parts.SHOULDERS]]
    points[:, parts.NECK] = shoulders.mean(1)
    points[:, parts.NECK, 2] = (shoulders[..., 2] > parts.TRUSTED).all(1).double()
    old, new = points.new_tensor([source, canvas]).flip(1)
    # Divided first, as published: the other order moves joints across the edges of pixels.
    xy = (points[..., :2] / old * new).nan_to_num(0.0)
    far = FAR_FRAMES * max(canvas)
    xy = xy.clamp(-far, far + max(canvas))
    score = points[..., 2].masked_fill(~points.isfinite().all(-1), 0).clamp(min=0)
    # Of hands and face, what is cut to a pixel of row or column 0 is left out, as published.
    shown = (score > 0 if style.weighted else score >= parts.TRUSTED) & (xy >= 1).all(-1)
    shown &= style.hands_and_face
    body = _held(parts.BODY, shown.device)
    shown[:, body] = score[:, body] > parts.TRUSTED
    return _Pose(xy, score, shown, style)


def _limbs(pose: _Pose) -> Ellipses:
    frame, limb, ends = _pairs(pose, parts.LIMBS)
    first, second = pose.xy[frame[:, None], ends].unbind(1)
    across, down = (first - second).unbind(-1)
    half_length = ((across**2 + down**2).sqrt() / 2).long()
    angle_deg = torch.rad2deg(torch.atan2(down, across)).long()
    centre = ((first + second) / 2).long()
    colour = _of(parts.LIMB_COLOURS, limb) * _weight(pose, frame, ends)
    colour = (colour.trunc().clamp(max=255) * parts.LIMB_SHADE).trunc()
    ink = _ink(pose, frame, _of(parts.LIMB_DEPTHS, limb), colour)
    return Ellipses(ink, centre, half_length, angle_deg)


def _bones(pose: _Pose) -> Lines:
    frame, bone, ends = _pairs(pose, parts.BONES)
    first, second = pose.xy[frame[:, None], ends].long().unbind(1)
    level = (_weight(pose, frame, ends) * 255).trunc()
    colour = (_of(parts.BONE_COLOURS, bone) * level).round()
    return Lines(_ink(pose, frame, _of(parts.BONE_DEPTHS, bone), colour), first, second)


def _joints(pose: _Pose) -> Discs:
    places = _held(parts.JOINTS, pose.shown.device)
    frame, joint = pose.shown[:, places].nonzero(as_tuple=True)
    place = places[joint]
    weight = _weight(pose, frame, place[:, None])
    colour = (_of(parts.JOINT_COLOURS, joint) * weight).trunc()
    ink = _ink(pose, frame, _of(parts.JOINT_DEPTHS, joint), colour)
    return Discs(ink, pose.xy[frame, place].long(), _of(parts.RADII, joint))


def _ink(pose: _Pose, frame: Tensor, depth: Tensor, colour: Tensor) -> Ink:
    colour = colour.clamp(max=255).long()
    return Ink(frame, depth, colour.flip(-1) if pose.style.swapped else colour)


def _pairs(pose: _Pose, pairs: tuple[tuple[int, int], ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Those with both ends shown => frame n, number n, places n 2."""
    places = _held(pairs, pose.shown.device)
    frame, number = pose.shown[:, places].all(-1).nonzero(as_tuple=True)
    return frame, number, places[number]


def _weight(pose: _Pose, frame: Tensor, places: Tensor) -> Tensor:
    """The product of the scores of places n m => n 1, or ones where the style ignores them."""
    if not pose.style.weighted:
        return pose.score.new_ones((len(frame), 1))
    return pose.score[frame[:, None], places].prod(-1, keepdim=True)


def _of(table: Table, number: Tensor) -> Tensor:
    """Rows n of a table."""
    return _held(table, number.device)[number]


@lru_cache(maxsize=64)
def _held(table: Table, device: torch.device) -> Tensor:
    """A table where it is used: int64, or float64."""
    return torch.from_numpy(np.array(table)).to(device)
