"""Who is in front of what: the empty backdrop of pictures, and the person's mask, from keypoints.

The backdrop is interpolated along each row across the space that the body may fill; the person is
what differs from it. No random numbers: cv2.grabCut draws its from a global generator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from baselines.body_parts import PARTS, Pose

Image = NDArray[np.uint8]  # h w 3, RGB
Mask = NDArray[np.bool_]  # h w

ROOM, LEG_ROOM = 2.4, 0.5  # radii, and units about legs, that clothes may fill
LEGS = ("left_thigh", "right_thigh", "left_shin", "right_shin")
CORE = 0.35  # radii about the bones where the person surely is
TRUNK = ("torso", "skirt", "head")  # whose core counts whatever its colour
AT_BONES = 0.4  # of the contrast asked for elsewhere: estimated limbs may miss the person
LEAST_CONTRAST = 14.0  # levels, root of the sum of squares over the channels
SHADOW, SHADOW_COUNTS = 0.4, 0.25  # how much a shadow darkens at most; its weight
EDGE, SMEAR = 0.4, 5  # share of the contrast nearby; pixels
CLOSED, HOLE = 0.012, 0.015  # units, square units: gaps and holes that are filled
NOISES = 5.0  # times the backdrop's median difference that count as contrast


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """A picture divided into person and backdrop."""

    mask: Mask
    backdrop: Image  # the picture without the person


def capsules(pose: Pose, size: tuple[int, int], radii: float, least: float = 0.0) -> Mask:
    """Pixels within so many radii, and of legs at least so many units, of any bone."""
    drawn = np.zeros(size, np.uint8)
    for name, axis in pose.axes.items():
        part = PARTS[name]
        along, _ = pose.directions(name)
        a = axis[0]
        b = axis[1] + along * (part.beyond * 0.5 * pose.unit_px)
        width = max(1, round(2 * max(radii * part.radius, least * (name in LEGS)) * pose.unit_px))
        cv2.line(drawn, _pixel(a), _pixel(b), 255, min(width, 32767))
    return drawn > 0


def matte(image: Image, pose: Pose, backdrop: Image | None = None) -> Matte:
    """The person of a picture, and the picture without, given its backdrop where that is known."""
    size = (image.shape[0], image.shape[1])
    room, core = capsules(pose, size, ROOM, LEG_ROOM), capsules(pose, size, CORE)
    if backdrop is None or not _agrees(image, backdrop, room):
        backdrop = _interpolated(image, room)
    contrast = _contrast(image, backdrop, pose)
    outside = contrast[~room]
    noise = float(np.median(outside)) if len(outside) else 0.0
    least = max(LEAST_CONTRAST, NOISES * noise)
    found = (contrast > least) & room
    found &= _unsmeared(found, contrast)
    found |= (contrast > AT_BONES * least) & core
    trunk = {name: axis for name, axis in pose.axes.items() if name in TRUNK}
    body = capsules(replace(pose, axes=trunk), size, CORE)
    mask = _filled(_connected(found | body, core), pose)
    return Matte(mask, np.where(_grown(mask, pose)[..., None], backdrop, image))


def _agrees(image: Image, backdrop: Image, room: Mask) -> bool:
    """Whether a picture has this backdrop, where nobody stands."""
    if image.shape != backdrop.shape or room.all():
        return False
    away = np.abs(image[~room].astype(np.float32) - backdrop[~room]).max(1)
    return float(np.percentile(away, 90)) < LEAST_CONTRAST


def _contrast(image: Image, backdrop: Image, pose: Pose) -> NDArray[np.float32]:
    """Difference from the backdrop, in levels; at the feet a mere shadow counts less."""
    apart = image.astype(np.float32) - backdrop
    contrast: NDArray[np.float32] = np.linalg.norm(apart, axis=2)
    ankles = [axis[1, 1] for name, axis in pose.axes.items() if name.endswith("shin")]
    if not ankles:
        return contrast
    floor = slice(max(0, int(min(ankles))), None)
    ground = backdrop[floor].astype(np.float32)
    length = np.maximum(np.linalg.norm(ground, axis=2), 1.0)
    darker = -(apart[floor] * ground).sum(2) / length
    colour = np.sqrt(np.maximum(contrast[floor] ** 2 - darker**2, 0))
    shadow = (darker > 0) & (darker < SHADOW * length)
    contrast[floor] = np.where(shadow, np.hypot(colour, darker * SHADOW_COUNTS), contrast[floor])
    return contrast


def shared_backdrop(mattes: list[Matte], poses: list[Pose]) -> Image:
    """The median of the pictures where they show the backdrop; all of one size."""
    shown = np.stack([m.backdrop for m in mattes]).astype(np.float32)
    hidden = np.stack([_grown(m.mask, p) for m, p in zip(mattes, poses, strict=True)])
    everywhere = hidden.all(0)
    shown[hidden & ~everywhere] = np.nan
    return np.rint(np.nanmedian(shown, axis=0)).astype(np.uint8)


def _grown(mask: Mask, pose: Pose) -> Mask:
    reach = 2 * max(1, round(0.04 * pose.unit_px)) + 1
    return cv2.dilate(mask.view(np.uint8), np.ones((reach, reach), np.uint8)) > 0


def _connected(mask: Mask, core: Mask) -> Mask:
    """The pieces of a mask that hold a pixel of the core."""
    _, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    wanted = np.zeros(int(labels.max()) + 1, bool)
    wanted[np.unique(labels[core])] = True
    wanted[0] = False
    return np.asarray(wanted[labels])


def _unsmeared(found: Mask, contrast: NDArray[np.float32]) -> Mask:
    """Compressed video smears colour over its neighbours: the rim ends where contrast drops."""
    window = np.ones((SMEAR, SMEAR), np.uint8)
    inner = cv2.erode(cv2.morphologyEx(found.view(np.uint8), cv2.MORPH_CLOSE, window), window)
    return np.asarray((inner > 0) | (contrast > EDGE * cv2.dilate(contrast, window)))


def _filled(mask: Mask, pose: Pose) -> Mask:
    """The mask without pinholes: white flowers before a white wall; room between limbs stays."""
    reach = 2 * round(CLOSED * pose.unit_px) + 1
    closed = cv2.morphologyEx(
        mask.view(np.uint8), cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8)
    )
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - closed, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < HOLE * pose.unit_px**2
    return np.asarray((closed > 0) | small[labels])


def _interpolated(image: Image, room: Mask) -> Image:
    """The picture with the room of the body filled along each row from both of its sides."""
    filled = image.astype(np.float32)
    columns = np.arange(image.shape[1])
    smooth = cv2.blur(filled, (3, 3))
    for row in np.flatnonzero(room.any(1)):
        free = np.flatnonzero(~room[row])
        if not len(free):
            continue
        inside = np.flatnonzero(room[row])
        for channel in range(3):
            filled[row, inside, channel] = np.interp(
                columns[inside], free, smooth[row, free, channel]
            )
    return np.rint(filled).astype(np.uint8)


def _pixel(point: NDArray[np.float64]) -> tuple[int, int]:
    x, y = np.clip(np.rint(point), -16000, 16000)
    return int(x), int(y)
