"""What a person wears: colours over the body's surface, from all sides that a clip shows.

The trunk is taken for a cylinder of elliptic section, so that a yaw says which part of its surface
a pixel shows: what two clips saw of it is compared where both saw it, and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import InputRefused
from mrfashion.generation import Keypoints

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

ROWS = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)  # of the way from the shoulders to the hips
ANGLES = 24  # of 15 degrees, around the trunk
ACROSS = np.linspace(-0.62, 0.62, 9)  # of the trunk's half width; its edges are seen aslant
HALF_WIDTH, HALF_DEPTH = 0.30, 0.21  # of the trunk's length, shoulders to hips; ours
# Limbs are seen too rarely for angles: four views, and places along the bone (sleeve or skin).
BONES = (
    (5, 7, (0.35, 0.75)), (6, 8, (0.35, 0.75)), (7, 9, (0.3, 0.7)), (8, 10, (0.3, 0.7)),
    (11, 13, (0.2, 0.5, 0.8)), (12, 14, (0.2, 0.5, 0.8)),
    (13, 15, (0.3, 0.7)), (14, 16, (0.3, 0.7)),
)  # fmt: skip
ARMS = ((5, 7), (7, 9), (6, 8), (8, 10))
TRUNK = (5, 6, 11, 12)
TRUNK_CELLS = len(ROWS) * ANGLES
CELLS = TRUNK_CELLS + 4 * sum(len(places) for _, _, places in BONES)
FEATURES = 4  # red to green, yellow to blue, lightness, texture

STRIDE_S = 0.125
TRUST = 0.15  # of a trunk's or arm's joint: a hidden one of a turned body is still where it is
SEEN = 0.5  # of a bone's joints, whose colours are read: one that is hidden shows another's
LEAST_TRUNK_PX = 6
TRUNK_PX = 24.0  # pictures are brought to this size, so that texture means the same in all
ARM = 0.14  # of the trunk's length to either side of an arm's bone
DARK = 16.0  # levels added before the logarithm, or noise in the dark would be colour
LOG_STEPS, LOG_ZERO = 40.0, 4.2  # how a value becomes an int8
LEAST_SEEN, MOST_SEEN = 2, 8  # samples of a cell: fewer say nothing, more say no more


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What clips show of a person, cell by cell: the trunk's rows by angle, then the limbs."""

    values: Floats  # ... CELLS FEATURES, differences of logarithms
    weights: Floats  # ... CELLS, 0..1: how well it was seen


@dataclass(frozen=True, slots=True, eq=False)
class _Figure:
    """A person in one frame, brought to TRUNK_PX."""

    features: Floats  # h w FEATURES
    mask: Mask | None  # h w
    pose: Floats  # k 3, pixels of `features`
    yaw_deg: float


class Looking:
    """Gathers a clip's look from its frames, one at a time.

    `mask` (f h w) keeps the backdrop out where there is one. Frames without a yaw or without a
    trunk say nothing.
    """

    def __init__(
        self,
        keypoints: Keypoints,
        yaw_deg: NDArray[np.float32],
        fps: float,
        mask: Mask | None = None,
    ) -> None:
        self.keypoints, self.yaw_deg, self.mask = keypoints, yaw_deg, mask
        self._stride = max(1, round(STRIDE_S * fps))
        self._sums, self._counts = np.zeros((CELLS, FEATURES)), np.zeros(CELLS)

    def see(self, number: int, image: NDArray[np.uint8]) -> None:
        """Look at frame `number`, h w 3."""
        if number % self._stride or np.isnan(self.yaw_deg[number]):
            return
        pose = self.keypoints[number].astype(np.float32)
        if not _has_trunk(pose):
            return
        mask = None if self.mask is None else self.mask[number]
        figure = _figure(image, pose, float(self.yaw_deg[number]), mask)
        for cells, points in (_trunk(figure), _limbs(figure)):
            cells, values = _read(figure, cells, points)
            np.add.at(self._sums, cells, values)
            np.add.at(self._counts, cells, 1)

    def text(self) -> str:
        """What was seen, as text."""
        return _packed(self._sums, self._counts)


def appearance(
    frames: Iterable[NDArray[np.uint8]],
    keypoints: Keypoints,
    yaw_deg: NDArray[np.float32],
    fps: float,
    mask: Mask | None = None,
) -> str:
    """A clip's look as text; see Looking."""
    looking = Looking(keypoints, yaw_deg, fps, mask)
    for number, image in enumerate(frames):
        looking.see(number, image)
    return looking.text()


def packed_of(text: str) -> NDArray[np.uint8]:
    """The bytes of what `appearance` wrote; InputRefused if it is none of that."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != CELLS * (FEATURES + 1):
        raise InputRefused(
            f"{text[:40]!r} is no appearance: {len(data)} bytes in base64; "
            f"{CELLS * (FEATURES + 1)} are needed. Run curate again"
        )
    return np.frombuffer(data, np.uint8)


def unpacked(packed: NDArray[np.uint8]) -> Looks:
    """... bytes => the looks."""
    values, weights = np.split(packed, [CELLS * FEATURES], axis=-1)
    steps = np.ascontiguousarray(values).view(np.int8).astype(np.float32)
    return Looks(
        steps.reshape(*packed.shape[:-1], CELLS, FEATURES) / np.float32(LOG_STEPS),
        weights.astype(np.float32) / np.float32(MOST_SEEN),
    )


def mirror_image(looks: Looks) -> Looks:
    """How the same people look in mirrored clips, where left and right have changed places."""
    trunk = np.arange(TRUNK_CELLS).reshape(len(ROWS), ANGLES)[:, ::-1]
    limbs = np.arange(TRUNK_CELLS, CELLS).reshape(-1, 4)[
        :, [0, 3, 2, 1]
    ]  # front, right, back, left
    ends = np.cumsum([len(places) for _, _, places in BONES])[:-1]
    bones = np.split(limbs, ends)
    swapped = [bones[i ^ 1] for i in range(len(bones))]
    order = np.concatenate([trunk.ravel(), *(bone.ravel() for bone in swapped)])
    return Looks(looks.values[..., order, :], looks.weights[..., order])


def _packed(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> str:
    means = sums / np.maximum(counts, 1)[:, None]
    steps = np.rint(means * LOG_STEPS).clip(-127, 127).astype(np.int8)
    weights = np.where(counts < LEAST_SEEN, 0, np.minimum(counts, MOST_SEEN)).astype(np.uint8)
    steps[weights == 0] = 0
    return base64.b64encode(steps.tobytes() + weights.tobytes()).decode()


def _has_trunk(pose: Floats) -> bool:
    if not (pose[list(TRUNK), 2] >= TRUST).all():
        return False
    return bool(np.linalg.norm(_middle(pose, 11, 12) - _middle(pose, 5, 6)) >= LEAST_TRUNK_PX)


def _middle(pose: Floats, one: int, other: int) -> Floats:
    return np.asarray((pose[one, :2] + pose[other, :2]) / 2, np.float32)


def _figure(image: NDArray[np.uint8], pose: Floats, yaw_deg: float, mask: Mask | None) -> _Figure:
    """Cut out what lies about the trunk, and bring it to one size."""
    top, bottom = _middle(pose, 5, 6), _middle(pose, 11, 12)
    trunk = float(np.linalg.norm(bottom - top))
    limit = np.array((image.shape[1], image.shape[0]))
    low = np.floor(np.minimum(top, bottom) - 1.6 * trunk).clip(0, limit - 1).astype(int)
    high = np.ceil(np.maximum(top, bottom) + np.array((1.6, 2.4)) * trunk).clip(low + 1, limit)
    window = slice(low[1], int(high[1])), slice(low[0], int(high[0]))
    scale = TRUNK_PX / trunk
    size = np.maximum(1, np.rint((high - low) * scale)).astype(int)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image[window], (int(size[0]), int(size[1])), interpolation=method)
    placed = pose.copy()
    placed[:, :2] = (pose[:, :2] + 0.5 - low) * (size / (high - low)) - 0.5
    shape = (int(size[0]), int(size[1]))
    seen = None if mask is None else cv2.resize(mask[window].astype(np.uint8), shape) > 0
    return _Figure(_features(np.asarray(small, np.uint8)), seen, placed, yaw_deg)


def _features(image: NDArray[np.uint8]) -> Floats:
    """h w 3 => h w FEATURES, logarithms: light of another strength adds the same to lightness."""
    logs = np.log(image.astype(np.float32) + DARK) - LOG_ZERO
    soft = cv2.GaussianBlur(logs, (0, 0), 1.0)
    red, green, blue = np.moveaxis(soft, -1, 0)
    light = soft.mean(-1)
    rough = cv2.GaussianBlur(np.square(logs.mean(-1) - light), (0, 0), 2.0)
    texture = 2 * np.sqrt(rough)  # twice: of as much use as a colour on the turntable
    return np.stack([red - green, (red + green) / 2 - blue, light, texture], -1)


def _trunk(figure: _Figure) -> tuple[NDArray[np.intp], Floats]:
    """Cells of the trunk and the pixels that show them, but for those behind an arm."""
    pose = figure.pose
    top, bottom = _middle(pose, 5, 6), _middle(pose, 11, 12)
    length = np.linalg.norm(bottom - top)
    down = (bottom - top) / length
    across = np.array((down[1], -down[0]))
    yaw = np.deg2rad(figure.yaw_deg)
    half = length * np.hypot(HALF_WIDTH * np.cos(yaw), HALF_DEPTH * np.sin(yaw))
    along = length * np.array(ROWS)[:, None, None] * down
    points = top + along + half * ACROSS[:, None] * across  # rows places 2
    # From the chest's normal: 0 is the middle of the chest, -90 the person's right side.
    surface = np.rad2deg(np.arcsin(ACROSS)) - figure.yaw_deg
    angle = np.floor(surface % 360 * ANGLES / 360).astype(np.intp) % ANGLES
    cells = np.arange(len(ROWS))[:, None] * ANGLES + angle
    free = np.ones(cells.shape, bool)
    for one, other in ARMS:
        if min(pose[one, 2], pose[other, 2]) >= TRUST:
            free &= _away(points, pose[one, :2], pose[other, :2]) > ARM * length
    return cells[free], np.asarray(points[free], np.float32)


def _away(points: NDArray[np.float64], start: Floats, end: Floats) -> NDArray[np.float64]:
    """Distance of points (... 2) from the line between two joints."""
    bone = end - start
    share = ((points - start) @ bone / max(float(bone @ bone), 1e-6)).clip(0, 1)
    return np.asarray(np.linalg.norm(points - start - share[..., None] * bone, axis=-1))


def _limbs(figure: _Figure) -> tuple[NDArray[np.intp], Floats]:
    """Cells along the bones that can be seen, and their pixels."""
    view = int((45 - figure.yaw_deg) % 360 // 90)
    cells, points, first = [], [np.zeros((0, 2), np.float32)], TRUNK_CELLS
    for one, other, places in BONES:
        if min(figure.pose[one, 2], figure.pose[other, 2]) >= SEEN:
            start, end = figure.pose[one, :2], figure.pose[other, :2]
            points.append(start + np.array(places, np.float32)[:, None] * (end - start))
            cells += [first + 4 * i + view for i in range(len(places))]
        first += 4 * len(places)
    return np.array(cells, np.intp), np.concatenate(points)


def _read(
    figure: _Figure, cells: NDArray[np.intp], points: Floats
) -> tuple[NDArray[np.intp], Floats]:
    """The features at points inside the picture, and on the person where that is known."""
    height, width = figure.features.shape[:2]
    x, y = np.rint(points).astype(int).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if figure.mask is not None:
        inside[inside] = figure.mask[y[inside], x[inside]]
    return cells[inside], figure.features[y[inside], x[inside]]
