"""Camera motion: how fast the surroundings move, whoever moves in front of them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.measures.bars import dark_margins
from mrfashion.measures.measure import every
from mrfashion.media import Planes
from mrfashion.shots.runs import Run
from mrfashion.small_pictures import SmallPicture, shrunk, small_size

LOOK_S, GAP_S = 0.75, 0.25  # how often two pictures are compared, and the time between them
SIDE_PX = 128
TILES = 5  # along each side; the person fills the middle, head and feet in the middle too
POINTS = 80
LEAST_POINTS, LEAST_TILES = 2, 4  # fewer: nothing to see motion by, as in a white studio
MOST_ERROR_PX = 0.5  # of following a corner there and back
FLOW: dict[str, Any] = {
    "winSize": (9, 9),
    "maxLevel": 2,
    "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03),
}


class Camera:
    """`camera_motion` of a shot: longer sides a second; 0 where nothing shows any."""

    def __init__(self, fps: float) -> None:
        self.gap = every(GAP_S, fps)
        self.step = max(every(LOOK_S, fps), self.gap)
        self.seconds = self.gap / fps
        self.seen: dict[int, float] = {}
        self.before: NDArray[np.uint8] | None = None

    def see(self, index: int, planes: Planes, picture: SmallPicture) -> None:
        """Compare the first picture of a step with the one a gap later."""
        if self.before is not None and index % self.step == self.gap % self.step:
            self.seen[index] = drift(self.before, picture.luma) / self.seconds
        if index % self.step == 0:
            self.before = picture.luma

    def of(self, run: Run) -> dict[str, float]:
        """The median of the comparisons within the shot."""
        first = run.first + self.gap
        values = [value for i, value in self.seen.items() if first <= i <= run.last]
        return {"camera_motion": round(float(np.median(values)), 4) if values else 0.0}


def drift(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """How far surroundings moved between two pictures, as a share of the longer side.

    A tile of the left and right edge, or of the upper corners, moves as the median of what can be
    followed in it, and the surroundings as the median of these tiles: a person fills few of them.
    Bars do not count as surroundings.
    """
    size_hw = small_size(one.shape[0], one.shape[1], SIDE_PX)
    one, other = shrunk(one, size_hw), shrunk(other, size_hw)
    margins = dark_margins(one)
    if margins is None:
        return 0.0
    left, top, right, bottom = margins
    kept = np.s_[top : one.shape[0] - bottom, left : one.shape[1] - right]
    start, moved = _followed(np.ascontiguousarray(one[kept]), np.ascontiguousarray(other[kept]))
    size = np.array(one[kept].shape[::-1])
    tile = np.minimum((start * TILES / size).astype(int), TILES - 1)
    column, row = tile.T
    outer = (column % (TILES - 1) == 0) | ((row == 0) & (column != TILES // 2))
    number, speed = (tile @ (1, TILES))[outer], np.linalg.norm(moved, axis=1)[outer]
    found, count = np.unique(number, return_counts=True)
    tiles = [float(np.median(speed[number == i])) for i in found[count >= LEAST_POINTS]]
    return float(np.median(tiles)) / max(one.shape) if len(tiles) >= LEAST_TILES else 0.0


def _followed(
    one: NDArray[np.uint8], other: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corners of a picture, x and y in pixels, and how far they moved: n 2, n 2."""
    start: Any = cv2.goodFeaturesToTrack(one, POINTS, 0.02, 3)
    if start is None:  # there is no corner, which cv2's stubs do not know
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    there, found, _ = cv2.calcOpticalFlowPyrLK(one, other, start, start.copy(), **FLOW)
    back, again, _ = cv2.calcOpticalFlowPyrLK(other, one, there, start.copy(), **FLOW)
    error = np.linalg.norm(back - start, axis=-1)
    sure = ((found == 1) & (again == 1) & (error < MOST_ERROR_PX))[:, 0]
    return np.asarray(start[sure, 0], np.float32), np.asarray((there - start)[sure, 0], np.float32)
