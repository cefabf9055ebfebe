"""Discs, ellipses and thick lines as spans of rows, on any device, rounded as OpenCV rounds them.

The published drawings are made by cv2.circle, cv2.ellipse2Poly with cv2.fillConvexPoly, and
cv2.line of thickness 2. A shape here is a row, a first and a last column for each line of pixels
it touches; inside the frame the pixels are OpenCV's own. Where an edge leaves the frame OpenCV
cuts it before rounding, we after: the pixel at the border may differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mrfashion.poses.skeleton_strokes import Ellipses, Ink, Lines, Strokes
from mrfashion.poses.skeleton_styles import LIMB_HALF_WIDTH

SHIFT = 16  # fractional bits of OpenCV's fixed-point pixels
ONE, HALF = 1 << SHIFT, 1 << SHIFT >> 1
FAR = 1 << 30


@dataclass(frozen=True, eq=False)
class Spans:
    """Pixels `left` to `right` of `row`; `shape` is the place among the n shapes asked for."""

    shape: Tensor  # n, int64
    row: Tensor
    left: Tensor
    right: Tensor


def spans_of(strokes: Strokes, height: int) -> list[tuple[Spans, Ink]]:
    """All shapes of a batch on a canvas of this height; rows and columns may lie outside it."""
    limbs, bones, joints = strokes.limbs, strokes.bones, strokes.joints
    ends = torch.cat([bones.start, bones.end])
    caps = _discs(ends, ends.new_ones(len(ends)))
    caps = replace(caps, shape=caps.shape % max(len(bones.start), 1))
    return [
        (_ellipses(limbs, height), limbs.ink),
        (_thick_lines(bones, height), bones.ink),
        (caps, bones.ink),
        (_discs(joints.centre, joints.radius), joints.ink),
    ]


def _discs(centre: Tensor, radius: Tensor) -> Spans:
    """cv2.circle(thickness=-1)."""
    shape, step = ragged(2 * radius + 1)
    dy = step - radius[shape]
    half = (radius[shape] ** 2 - dy**2).double().sqrt().long()
    x, y = centre[shape].unbind(-1)
    return Spans(shape, y + dy, x - half, x + half)


def _ellipses(limbs: Ellipses, height: int) -> Spans:
    """cv2.fillConvexPoly of cv2.ellipse2Poly in steps of 1 degree."""
    # OpenCV's table: seven digits, single precision.
    table = np.sin(np.deg2rad(np.arange(451))).round(7).astype(np.float32)
    sine = torch.from_numpy(table).to(limbs.centre.device).double()
    around = torch.arange(361, device=sine.device)
    x = limbs.half_length[:, None] * sine[450 - around]
    y = LIMB_HALF_WIDTH * sine[around]
    angle = limbs.angle_deg % 360
    cos, sin = sine[450 - angle][:, None], sine[angle][:, None]
    centre = limbs.centre.double()[:, None].unbind(-1)
    outline = torch.stack([centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos], -1)
    return _polygons(outline.round().long() * ONE, height, whole=True)


def _thick_lines(bones: Lines, height: int) -> Spans:
    """cv2.line(thickness=2) less the small discs at its ends: a box, or a point."""
    delta = (bones.end - bones.start).double()
    unit = delta * (ONE / delta.norm(dim=-1, keepdim=True).clamp(min=1))
    aside = torch.stack([unit[:, 1], -unit[:, 0]], -1).round().long()
    start, end = bones.start * ONE, bones.end * ONE
    corners = [start + aside, start - aside, end - aside, end + aside]
    return _polygons(torch.stack(corners, 1), height, whole=False)


def ragged(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Counts n => for each of their sum: whose it is, and its number there."""
    owner = torch.repeat_interleave(counts)
    first = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=counts.device) - first[owner]


def _polygons(vertices: Tensor, height: int, *, whole: bool) -> Spans:
    """n v 2, fixed point; a convex outline each: its own pixels, and all between them in a row."""
    lines = (vertices[..., 1] + HALF) >> SHIFT
    top, bottom = lines.amin(1).clamp(min=0), lines.amax(1).clamp(max=height - 1)
    rows = (bottom - top + 1).clamp(min=0)
    shape, step = ragged(rows)
    row = step + top[shape]
    left = torch.full_like(row, FAR)
    right = torch.full_like(row, -FAR)
    start, end = vertices.roll(1, 1).flatten(0, 1), vertices.flatten(0, 1)
    owner = torch.arange(len(vertices), device=vertices.device)
    owner = owner.repeat_interleave(vertices.shape[1])
    used = (start != end).any(-1) & (rows[owner] > 0)
    start, end, owner = start[used], end[used], owner[used]
    base = (rows.cumsum(0) - rows - top)[owner]
    for edge, x, y in (_outline(start, end, whole), _filling(start, end)):
        inside = (y >= top[owner][edge]) & (y <= bottom[owner][edge])
        place, x = (base[edge] + y)[inside], x[inside]
        left.scatter_reduce_(0, place, x, "amin")
        right.scatter_reduce_(0, place, x, "amax")
    return Spans(shape, row, left, right)


def _outline(start: Tensor, end: Tensor, whole: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels of edges e 2 => (edge, x, y): OpenCV's Line between whole pixels, else Line2."""
    along = ((end - start).abs()[:, 0] > (end - start).abs()[:, 1])[:, None]  # x is the longer way
    # (longer, shorter) coordinate; Line goes from left to right, Line2 up the longer one.
    start, end = torch.where(along, start, start.flip(-1)), torch.where(along, end, end.flip(-1))
    x_place = torch.where(along[:, 0], 0, 1) if whole else torch.zeros_like(along[:, 0]).long()
    back = (end - start).gather(1, x_place[:, None]) < 0
    start, end = torch.where(back, end, start), torch.where(back, start, end)
    delta = end - start
    length = delta[:, 0].abs() >> SHIFT
    edge, step = ragged(length + 1 if whole else length + 2)
    if whole:
        side, long = delta[edge, 1] >> SHIFT, length[edge]
        moved = (2 * step * side.abs() + long - 1) // (2 * long)
        major = (start[edge, 0] >> SHIFT) + step * delta[edge, 0].sign()
        minor = (start[edge, 1] >> SHIFT) + moved * side.sign()
    else:
        slope = torch.div(delta[:, 1] * ONE, delta[:, 0] | 1, rounding_mode="trunc")
        last = step > length[edge]  # the far end, on top of the steps
        major = torch.where(
            last, (end[edge, 0] + HALF) >> SHIFT, ((start[edge, 0] + HALF) >> SHIFT) + step
        )
        minor = torch.where(last, end[edge, 1], start[edge, 1] + step * slope[edge]) + HALF >> SHIFT
    x_first = along[edge, 0]
    return edge, torch.where(x_first, major, minor), torch.where(x_first, minor, major)


def _filling(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the scan line crosses edges e 2 => (edge, x, y), from each upper end down."""
    up = (end[:, 1] < start[:, 1])[:, None]
    start, end = torch.where(up, end, start), torch.where(up, start, end)
    first, stop = ((start[:, 1] + HALF) >> SHIFT), ((end[:, 1] + HALF) >> SHIFT)
    rows = stop - first
    twice = 2 * rows.clamp(min=1)
    slope = torch.div(2 * (end[:, 0] - start[:, 0]) + rows, twice, rounding_mode="trunc")
    edge, step = ragged(rows)
    x = (start[edge, 0] + step * slope[edge] + HALF) >> SHIFT
    return edge, x, first[edge] + step
