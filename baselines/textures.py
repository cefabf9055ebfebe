"""What the references show of each part, ready to be pulled onto another pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from baselines.body_parts import ARMS, PARTS, Part, Pose, chain, in_front
from baselines.matting import Image
from baselines.outlines import SIDES, across, fit_support
from baselines.silhouettes import NUMBER, ROWS, Edges, Labels, measure_edges

Floats = NDArray[np.float64]
MIXED = 0.01  # units, and at least a pixel, over which a part's edge mixes with the backdrop
MENDING_YAW, MENDING_DOUBT = 12.0, 0.3  # sharpness in yaw; weight of the model alone
ABOUT_ARMS = 0.03  # units about an arm whose pixels may be its own
MARGIN = 3  # pixels of surroundings kept about a part


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One part in one reference: its pixels, spread over what hides it."""

    reference: int
    pose: Pose
    rgba: NDArray[np.uint8]  # h w 4, a: 255 where the pixel is the part's own
    origin_px: Floats  # x y of the patch's first pixel in the reference
    edges: Edges
    shown: float  # 0..1, how much of the part is seen


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """One part in all references."""

    part: Part
    support: Floats  # rows 3, units: its outline from above
    patches: tuple[Patch, ...]
    there: Floats  # rows, 0..1: how many references show that the part reaches so far
    ends: tuple[Floats, ...]  # of each patch: rows 2, units, its left and right edge


def make_surfaces(
    images: list[Image], labels: list[Labels], poses: list[Pose]
) -> dict[str, Surface]:
    """Every part that at least one reference shows."""
    surfaces = {}
    for name, part in PARTS.items():
        patches = [
            patch
            for index, (image, marked, pose) in enumerate(zip(images, labels, poses, strict=True))
            if (patch := _patch(index, image, marked, pose, part)) is not None
        ]
        if patches:
            shown = np.array([patch.shown for patch in patches])
            support = fit_support(
                part,
                [patch.edges for patch in patches],
                [patch.pose.yaw_rad for patch in patches],
                shown,
            )
            edges = [edges_at(support, patches, patch.pose.yaw_rad) for patch in patches]
            surfaces[name] = Surface(part, support, tuple(patches), _there(patches), tuple(edges))
    return surfaces


def _there(patches: Sequence[Patch]) -> Floats:
    """Share of the references that show the part in a row, of those that show the row."""
    found = np.stack([patch.edges.there for patch in patches])
    weight = np.array([[patch.shown] for patch in patches]) * ~np.isnan(found) + 1e-6
    share: Floats = (weight * np.nan_to_num(found, nan=1.0)).sum(0) / weight.sum(0)
    return share


def edges_at(support: Floats, patches: Sequence[Patch], yaw_rad: float) -> Floats:
    """Edges of a part at a yaw, rows 2, in units: the model's, mended by the nearest patches."""
    missed, total = np.zeros((ROWS, 2)), np.full((ROWS, 2), MENDING_DOUBT)
    for patch in patches:
        yaw, edges = patch.pose.yaw_rad, patch.edges
        weight = np.stack((edges.trust_left, edges.trust_right), 1) * patch.shown
        weight *= np.exp(MENDING_YAW * (np.cos(yaw - yaw_rad) - 1))
        measured = np.stack((edges.left, edges.right), 1)
        missed += weight * (measured - across(support, SIDES - yaw, yaw))
        total += weight
    model = across(support, SIDES - yaw_rad, yaw_rad)
    mended = model + missed / total
    return np.where(mended[:, 1:] < mended[:, :1], model, mended)


def _patch(index: int, image: Image, labels: Labels, pose: Pose, part: Part) -> Patch | None:
    if part.name not in pose.axes:
        return None
    pixels = int((labels == NUMBER[part.name]).sum())
    if not pixels:
        return None
    own = np.isin(labels, [NUMBER[name] for name in chain(part.name)])
    rows, columns = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
    top, left = max(rows[0] - MARGIN, 0), max(columns[0] - MARGIN, 0)
    box = slice(top, rows[-1] + 1 + MARGIN), slice(left, columns[-1] + 1 + MARGIN)
    own &= ~_covered(labels, pose, part)
    picture, mine = image[box], own[box].view(np.uint8)
    core = _core(mine, labels[box], pose)
    if not core.any():
        return None
    _, nearest = cv2.distanceTransformWithLabels(
        1 - core, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    colours[nearest[core > 0]] = picture[core > 0]
    length_px = pose.rows_px(part)[-1] - pose.rows_px(part)[0]
    expected = length_px * 2 * part.radius * pose.unit_px * (0.8 if part.turns else 1.0)
    return Patch(
        reference=index,
        pose=pose,
        rgba=np.dstack((colours[nearest], mine * np.uint8(255))),
        origin_px=np.array((left, top), np.float64),
        edges=measure_edges(labels, pose, part),
        shown=float(min(1.0, pixels / expected) * pose.seen.get(part.name, 1.0)),
    )


def _covered(labels: Labels, pose: Pose, part: Part) -> NDArray[np.bool_]:
    """Where an arm before the part may be: a little about what is marked as one."""
    arms = {f"{side}_{arm}" for side in ("left", "right") for arm in ARMS} - {*chain(part.name)}
    marked = np.isin(labels, [NUMBER[name] for name in arms if in_front(pose, name)])
    reach = 2 * max(1, round(ABOUT_ARMS * pose.unit_px)) + 1
    return cv2.dilate(marked.view(np.uint8), np.ones((reach, reach), np.uint8)) > 0


def _core(mine: NDArray[np.uint8], labels: Labels, pose: Pose) -> NDArray[np.uint8]:
    """The part's pixels without those at the backdrop, whose colours are mixed."""
    person = (labels > 0).view(np.uint8)
    reach = 2 * max(1, round(MIXED * pose.unit_px)) + 1
    inner = cv2.erode(person, np.ones((reach, reach), np.uint8), borderType=cv2.BORDER_REPLICATE)
    core = np.asarray(mine & (inner > 0), np.uint8)
    return core if core.any() else mine
