"""Light, detail and change, from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.media import Planes
from mrfashion.shots.runs import Run
from mrfashion.small_pictures import SmallPicture

FROZEN_LEVELS = 0.05  # mean luma difference to the frame before, below which nothing moved


class Levels:
    """`luma`, `sharpness`, `change` and `frozen` of a shot, from the small luma pictures."""

    def __init__(self, fps: float) -> None:
        self.seen: list[tuple[float, float, float]] = []
        self.before: NDArray[np.uint8] | None = None

    def see(self, index: int, planes: Planes, picture: SmallPicture) -> None:
        """Mean luma, Laplacian variance and mean difference to the frame before."""
        luma = picture.luma
        change = 255.0 if self.before is None else _difference(luma, self.before)
        deviation = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))[1]
        self.seen.append((cv2.mean(luma)[0], float(deviation.item()) ** 2, change))
        self.before = luma

    def of(self, run: Run) -> dict[str, float]:
        """Means over the shot; of sharpness the median, of change without its first frame."""
        luma, sharpness, change = np.array(self.seen[run.first : run.last + 1]).T
        moves = change[1:] if len(change) > 1 else change
        return {
            "luma": round(float(luma.mean()), 4),
            "sharpness": round(float(np.median(sharpness)), 4),
            "frozen": round(float(np.mean(moves < FROZEN_LEVELS)), 4),
            "change": round(float(moves.mean()), 4),
        }


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size
