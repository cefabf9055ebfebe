"""The garment of a frame, unrolled: what of the torso's cloth shows, where on the body it lies.

A print moves across the image as a person turns, and its sides come and go. Unrolled from a torso
of fixed proportions, two pictures of a garment agree wherever both show it, in image order: what
is read from left to right is so from any side. It needs shoulders, hips and a yaw, no weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmark.metrics.spec import GARMENT, ClipContext, FramePair, Image, Value, Values, check_pair

Pose = NDArray[np.float32]  # k 3
Floats = NDArray[np.floating]
SHOULDERS, HIPS, FOREARMS = [5, 6], [11, 12], ((7, 9), (8, 10))  # COCO; elbow and wrist
# Lengths are in torsos, mid-shoulders to mid-hips. Half the width of a torso is 0.32 to 0.33 in
# the turntable and on real footage, and a little less keeps the backdrop out.
HALF_WIDTH, DEPTH = 0.3, 0.6  # depth over width
HALF_ANGLE_DEG = 40.0  # cloth farther round belongs to the sides
TOP, BOTTOM = 0.15, 1.0  # below collar and hair, down to the hips
FOREARM, HAND = 0.13, 0.35  # radius; a hand's length in forearms
LEAST_FACING = 0.25  # cosine between cloth and camera; beyond it a texel is smeared
LEAST_TORSO_PX = 16.0
SIZE = (48, 32)  # rows, columns
TILE, REACH = 8, 3  # texels; how far a tile may have slid
NOISE, COLOUR_RANGE = 20.0, 50.0  # variance that hides structure; Lab distance of strangers
UNROLLED = (
    "the torso's cloth, 48x32 texels: elliptic cylinder of half width 0.3 torsos and depth 0.6 of "
    "it, 40 degrees to each side, from 0.15 torsos below the shoulders to the hips, in image "
    "order; texels within 0.13 torsos of a forearm or hand, or turned away, do not count"
)
SIMILARITY = (
    "mean over tiles of 8x8 texels of max(0, 1 - dLab / 50) max(0, structure), the best of slides "
    "by up to 3 texels; dLab between means, structure (2 cov + 20) / (var + var + 20) over L, a, b"
)
REGION = {GARMENT: "torso cloth, unrolled (benchmark/metrics/garment_chart.py)"}
NO_YAW = "the frame has no yaw"
HIDDEN = "too little of the cloth shows in both pictures"


@dataclass(frozen=True, eq=False)
class Chart:
    """Unrolled cloth."""

    texels: Floats  # rows columns c
    seen: NDArray[np.bool_]  # rows columns


def garment_chart(
    image: Image, pose: Pose, turned_deg: float, size: tuple[int, int] = SIZE
) -> Chart | None:
    """Lab chart of the cloth around the direction from which the camera is `turned_deg` away.

    The body's yaw gives its front, yaw - 180 its back. None where shoulders or hips are missing or
    the torso is shorter than 16 pixels.
    """
    placed = (pose[:, 2] > 0) & np.isfinite(pose[:, :2]).all(1)
    if not placed[[*SHOULDERS, *HIPS]].all():
        return None
    xy = pose[:, :2].astype(np.float64)
    top = xy[SHOULDERS].mean(0)
    down = xy[HIPS].mean(0) - top
    torso = float(np.hypot(*down))
    if torso < LEAST_TORSO_PX:
        return None
    across, facing = _columns(turned_deg, size[1])
    rows = TOP + (BOTTOM - TOP) * (np.arange(size[0]) + 0.5) / size[0]
    right = np.array([down[1], -down[0]])
    points = top + rows[:, None, None] * down + across[None, :, None] * right
    seen = np.tile(facing > LEAST_FACING, (size[0], 1))
    for elbow, wrist in FOREARMS:
        if placed[elbow] and placed[wrist]:
            hand = xy[wrist] + HAND * (xy[wrist] - xy[elbow])
            seen &= _distance(points, xy[elbow], hand) > FOREARM * torso
    step = torso * max((BOTTOM - TOP) / size[0], float(np.ptp(across)) / size[1])
    return Chart(_sampled(image, points, step), seen)


def _columns(turned_deg: float, columns: int) -> tuple[Floats, Floats]:
    """Of each column: its place across the torso, in torsos, and how far it faces the camera."""
    around = np.deg2rad(HALF_ANGLE_DEG) * ((np.arange(columns) + 0.5) * 2 / columns - 1)
    turned = np.deg2rad(turned_deg)
    x, z = np.sin(around), DEPTH * np.cos(around)
    across = HALF_WIDTH * (x * np.cos(turned) + z * np.sin(turned))
    normal = np.stack((np.sin(around), np.cos(around) / DEPTH))
    towards = normal[1] * np.cos(turned) - normal[0] * np.sin(turned)
    return across, towards / np.hypot(*normal)


def _distance(points: Floats, start: Floats, end: Floats) -> Floats:
    """Of points (... 2) from a line between two points."""
    line = end - start
    along = ((points - start) @ line / max(float(line @ line), 1e-9)).clip(0, 1)
    found: Floats = np.linalg.norm(points - start - along[..., None] * line, axis=-1)
    return found


def _sampled(image: Image, points: Floats, step: float) -> Floats:
    """Lab at the points, from an image blurred so that none between them is left out."""
    sigma = 0.5 * step if step > 1 else 0.0
    margin = int(3 * sigma) + 2
    limit = np.array(image.shape[1::-1])
    low = np.floor(points.min((0, 1)) - margin).clip(0, limit - 1).astype(int)
    high = np.ceil(points.max((0, 1)) + margin).clip(low + 1, limit).astype(int)
    crop = np.asarray(image[low[1] : high[1], low[0] : high[0]] / np.float32(255), np.float32)
    if sigma:
        crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.float32)
    x, y = np.moveaxis((points - low).astype(np.float32), -1, 0)
    rgb = cv2.remap(crop, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB))


def tile_similarity(one: Chart, other: Chart, tile: int = TILE, reach: int = REACH) -> Floats:
    """SIMILARITY of every tile, 0..1; NaN where less than half of it shows in both."""
    shape = one.seen.shape
    down, across = (_fold(side, tile) for side in shape)
    both = (one.seen & other.seen).astype(np.float32)
    shown = down.T @ both @ across / tile**2
    weight = both / (np.maximum(shown, 1e-9) * tile**2).repeat(tile, 0).repeat(tile, 1)

    def mean(values: Floats) -> Floats:  # ... h w => ... tiles
        return np.asarray(down.T @ ((values * weight) @ across))

    padded = np.pad(other.texels, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    theirs = sliding_window_view(padded, shape, (0, 1))  # slides down, across, c h w
    squares = sliding_window_view(np.square(padded).sum(-1), shape)
    ours = np.moveaxis(one.texels, -1, 0)
    a, b = mean(ours), mean(theirs)
    spread = mean(np.square(ours).sum(0)) - np.square(a).sum(0)
    spread = spread + mean(squares) - np.square(b).sum(-3)
    shared = mean(np.einsum("yxchw,chw->yxhw", theirs, ours)) - (b * a).sum(-3)
    structure = ((2 * shared + NOISE) / (spread + NOISE)).clip(0, 1)
    colour = (1 - np.linalg.norm(b - a, axis=-3) / COLOUR_RANGE).clip(0, 1)
    best: Floats = (colour * structure).max((0, 1))
    return np.where(shown >= 0.5, best, np.nan)


def _fold(side: int, tile: int) -> Floats:
    """Sums tiles of a side by a matrix product."""
    return np.eye(side // tile, dtype=np.float32).repeat(tile, 0)


def similarity(one: Chart, other: Chart) -> float | None:
    """SIMILARITY of two charts, 0..1; None where no tile shows in both."""
    tiles = tile_similarity(one, other)
    return float(np.nanmean(tiles)) if np.isfinite(tiles).any() else None


Score = Callable[[FramePair, Pose, float], Value]  # pair, the pose both show, its yaw in degrees


class ByFrame:
    """A `Measure` of single frames whose pose and yaw are known."""

    def __init__(self, context: ClipContext, score: Score) -> None:
        self.context, self.score = context, score
        self.values: list[Value] = []

    def update(self, pair: FramePair) -> None:
        """Measure the pair."""
        check_pair(pair.target, pair.generated, pair.mask)
        poses, yaws = self.context.keypoints, self.context.yaw_deg
        if poses is None or pair.garment is None:
            self.values.append(None)
        elif yaws is None or not np.isfinite(yaws[pair.number]):
            self.values.append(NO_YAW)
        else:
            self.values.append(self.score(pair, poses[pair.number], float(yaws[pair.number])))

    def result(self) -> Values:
        """A number a frame."""
        return {GARMENT: self.values}
