"""Blockiness: how much stronger edges are on a grid of 8 pixels than beside it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.measures.measure import every
from mrfashion.media import Planes
from mrfashion.shots.runs import Run
from mrfashion.small_pictures import SmallPicture

LOOK_S = 0.5
SMALL = 8  # levels: a block's edge is a small step, and an object's must not outweigh it
MIDDLE_PX = 512
LEAST_PX = 128  # along a side: fewer than 16 blocks in a row say nothing
GRID = 8  # pixels: the transform block of JPEG, MPEG-2, MPEG-4 and of half of H.264's macroblock


class Blocks:
    """`blockiness` of a shot, 1 where the grid does not show; 0 where no frame was looked at.

    After Wang, Sheikh & Bovik, No-reference perceptual quality assessment of JPEG compressed
    images, ICIP 2002: differences across block boundaries against those within blocks. Departure:
    the grid may lie anywhere, since re-encoded videos were cropped before, and the ratio is kept.
    """

    def __init__(self, fps: float) -> None:
        self.step = every(LOOK_S, fps)
        self.seen: dict[int, float] = {}

    def see(self, index: int, planes: Planes, picture: SmallPicture) -> None:
        """Look at the middle of two frames a second, at full size."""
        if index % self.step == 0:
            self.seen[index] = blockiness(_middle(planes.y))

    def of(self, run: Run) -> dict[str, float]:
        """The median of the frames looked at."""
        values = [value for i, value in self.seen.items() if run.first <= i <= run.last]
        return {"blockiness": round(float(np.median(values)), 4) if values else 0.0}


def blockiness(y: NDArray[np.uint8]) -> float:
    """h w => the weaker of the two directions' ratios: stripes in a picture have only one."""
    if min(y.shape) < LEAST_PX:
        return 1.0
    return min(_ratio(y[:, 1:], y[:, :-1], 0), _ratio(y[1:], y[:-1], 1))


def _middle(y: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where the person is."""
    top, left = (max(0, side - MIDDLE_PX) // 2 for side in y.shape)
    return y[top : top + MIDDLE_PX, left : left + MIDDLE_PX]


def _ratio(one: NDArray[np.uint8], other: NDArray[np.uint8], axis: int) -> float:
    small = cv2.threshold(cv2.absdiff(one, other), SMALL, 0, cv2.THRESH_TRUNC)[1]
    steps = cv2.reduce(small, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
    whole = steps[: len(steps) // GRID * GRID].reshape(-1, GRID)
    phases = np.asarray(whole.mean(axis=0), np.float64) + 0.05
    strongest = int(phases.argmax())
    return float(phases[strongest] / np.delete(phases, strongest).mean())
