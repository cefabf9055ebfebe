"""Light, detail and change, from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.media import Planes
from mrfashion.shots.runs import Run
from mrfashion.small_pictures import SmallPicture

FROZEN_LEVELS = 0.05  # mean luma difference to the frame before, below which nothing moved
BLANK_CONTRAST = 5.0  # levels, standard deviation: grain of a black or white frame has 2


class Levels:
    """`luma`, `sharpness`, `change`, `frozen` and `blank` of a shot, from small luma pictures."""

    def __init__(self, fps: float) -> None:
        self.seen: list[tuple[float, float, float, float]] = []
        self.before: NDArray[np.uint8] | None = None

    def see(self, index: int, planes: Planes, picture: SmallPicture) -> None:
        """Mean luma, Laplacian variance, mean difference to the frame before, and contrast."""
        luma = picture.luma
        change = 255.0 if self.before is None else _difference(luma, self.before)
        light, contrast = cv2.meanStdDev(luma)
        edges = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))[1]
        self.seen.append((light.item(), edges.item() ** 2, change, contrast.item()))
        self.before = luma

    def of(self, run: Run) -> dict[str, float]:
        """Means and shares over the shot; of sharpness the median, of change without frame one."""
        luma, sharpness, change, contrast = np.array(self.seen[run.first : run.last + 1]).T
        moves = change[1:] if len(change) > 1 else change
        return {
            "luma": round(float(luma.mean()), 4),
            "sharpness": round(float(np.median(sharpness)), 4),
            "frozen": round(float(np.mean(moves < FROZEN_LEVELS)), 4),
            "change": round(float(moves.mean()), 4),
            "blank": round(float(np.mean(contrast < BLANK_CONTRAST)), 4),
        }


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size
