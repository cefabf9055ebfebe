"""Painting a body in a new pose with what the references show: part by part, back to front.

A part that turns is a stack of outlines (`outlines.py`): each pixel of the new pose is looked up at
the same direction psi from the body's front in every reference that sees it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from baselines.body_parts import Part, Pose, back_to_front
from baselines.outlines import SIDES, across
from baselines.silhouettes import ROWS
from baselines.textures import Patch, Surface, edges_at
from baselines.weighing import Weighing

Floats = NDArray[np.float64]
COLUMNS = 25  # of a part's grid, from its left edge to its right
ANGLES = np.linspace(-np.pi / 2, np.pi / 2, 37)
END_SHARPNESS = 1.5  # of a part's end, per row
THROUGH = 0.01  # weight of the far side of a part, to one that faces the picture
GUESSED = 0.0004  # weight of a colour spread from elsewhere on the part, to one seen


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """A part of the new pose, unrolled: rows along its bone, columns from edge to edge."""

    left: Floats  # rows, units
    right: Floats
    psi: Floats  # rows columns, radians from the body's front
    there: Floats  # rows, above one half where the part is


def paint(
    canvas: NDArray[np.float32],
    pose: Pose,
    surfaces: dict[str, Surface],
    references: int,
    weighing: Weighing,
) -> Floats:
    """Paint the body over `canvas` (h w 3, changed); returns how many pixels each gave."""
    given = np.zeros(references)
    for name in back_to_front(pose):
        if name in surfaces:
            given += _paint_part(canvas, pose, surfaces[name], references, weighing)
    return given


def _paint_part(
    canvas: NDArray[np.float32],
    pose: Pose,
    surface: Surface,
    references: int,
    weighing: Weighing,
) -> Floats:
    part, given = surface.part, np.zeros(references)
    grid = _grid(surface, pose)
    box = _box(pose, part, grid, canvas.shape[:2])
    if box is None:
        return given
    row, column, alpha = _unrolled(pose, part, grid, box)
    colour = np.zeros((*alpha.shape, 3), np.float32)
    total = np.zeros(alpha.shape, np.float32)
    shares = []
    for patch, ends in zip(surface.patches, surface.ends, strict=True):
        where = _lookup(surface, patch, ends, pose, grid, weighing)
        at = cv2.remap(where, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        found = cv2.remap(
            patch.rgba, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32)
        weight = at[..., 2] * (GUESSED + (1 - GUESSED) * (found[..., 3] / 255) ** 2)
        colour += weight[..., None] * found[..., :3]
        total += weight
        shares.append((patch.reference, weight))
    colour /= total[..., None]
    top, left, bottom, right = box
    under = canvas[top:bottom, left:right]
    under += alpha[..., None] * (colour - under)
    for reference, weight in shares:
        given[reference] += float((alpha * weight / total).sum())
    return given


def _grid(surface: Surface, pose: Pose) -> _Grid:
    """Edges of the part in the new pose, and which place of its surface each column shows."""
    x = across(surface.support, ANGLES[None] - pose.yaw_rad, pose.yaw_rad)
    left, right = edges_at(surface.support, surface.patches, pose.yaw_rad).T
    psi = np.empty((ROWS, COLUMNS))
    for place in range(ROWS):
        wanted = np.linspace(x[place, 0], x[place, -1], COLUMNS)
        psi[place] = np.interp(wanted, x[place], ANGLES) - pose.yaw_rad
    return _Grid(left, right, psi, surface.there)


def _lookup(
    surface: Surface, patch: Patch, ends: Floats, pose: Pose, grid: _Grid, weighing: Weighing
) -> NDArray[np.float32]:
    """Where the patch shows the grid's places, x y in its pixels, and how much that counts."""
    part, there = surface.part, patch.pose
    turn = there.yaw_rad - pose.yaw_rad
    nearness = np.exp(weighing.yaw * (np.cos(turn) - 1))
    if part.turns:
        cosine = np.cos(grid.psi + there.yaw_rad)
        # The far side is seen through the body: a guess where no reference faces it.
        weight = (np.maximum(cosine, 0) ** weighing.facing + THROUGH * cosine**2) * nearness
        model = across(surface.support, SIDES - there.yaw_rad, there.yaw_rad)
        share = across(surface.support, grid.psi, there.yaw_rad) - model[:, :1]
        share /= np.maximum(model[:, 1:] - model[:, :1], 1e-6)
    else:
        share = np.broadcast_to(np.linspace(0, 1, COLUMNS), (ROWS, COLUMNS))
        weight = np.full((ROWS, COLUMNS), nearness)
    units = ends[:, :1] + share.clip(0, 1) * (ends[:, 1:] - ends[:, :1])
    along, sideways = there.directions(part.name)
    start = there.axes[part.name][0] - patch.origin_px
    rows = there.rows_px(part)[:, None, None]
    point = start + rows * along + units[..., None] * there.unit_px * sideways
    trust = max(patch.shown, 0.01)
    return np.dstack((point, np.maximum(weight * trust, 1e-6))).astype(np.float32)


def _box(
    pose: Pose, part: Part, grid: _Grid, size: tuple[int, ...]
) -> tuple[int, int, int, int] | None:
    """Top, left, bottom, right of the pixels that a part may touch."""
    along, sideways = pose.directions(part.name)
    rows = pose.rows_px(part)[:, None]
    edges = np.stack((grid.left, grid.right), 1) * pose.unit_px
    corners = pose.axes[part.name][0] + rows[..., None] * along + edges[..., None] * sideways
    flat = corners.reshape(-1, 2)
    left, top = np.floor(flat.min(0)).astype(int) - 1
    right, bottom = np.ceil(flat.max(0)).astype(int) + 2
    top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, size[0]), min(right, size[1])
    return (top, left, bottom, right) if top < bottom and left < right else None


def _unrolled(
    pose: Pose, part: Part, grid: _Grid, box: tuple[int, int, int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Grid row, grid column and opacity of every pixel of the box."""
    top, left, bottom, right = box
    along, sideways = pose.directions(part.name)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float64)
    x, y = x - pose.axes[part.name][0, 0], y - pose.axes[part.name][0, 1]
    down, side = x * along[0] + y * along[1], x * sideways[0] + y * sideways[1]
    rows_px = pose.rows_px(part)
    row = np.interp(down, rows_px, np.arange(ROWS))
    low, high = (np.interp(row, np.arange(ROWS), e) * pose.unit_px for e in (grid.left, grid.right))
    width = np.maximum(high - low, 1e-6)
    column = ((side - low) / width).clip(0, 1) * (COLUMNS - 1)
    # A pixel is covered as far as it lies inside, half a pixel either way.
    inside = np.minimum(side - low, high - side) + 0.5
    inside = np.minimum(inside, np.minimum(down - rows_px[0], rows_px[-1] - down) + 0.5)
    there = np.interp(row, np.arange(ROWS), grid.there)
    alpha = inside.clip(0, 1) * ((there - 0.5) * END_SHARPNESS + 0.5).clip(0, 1)
    return row.astype(np.float32), column.astype(np.float32), alpha.astype(np.float32)
