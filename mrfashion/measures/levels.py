"""Light, detail and change, from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.measures.measure import every
from mrfashion.media import Planes
from mrfashion.shots.runs import Run
from mrfashion.small_pictures import SmallPicture

FROZEN_LEVELS = 0.05  # mean luma difference to the frame before, below which nothing moved
BLANK_CONTRAST = 5.0  # levels, standard deviation: grain of a black or white frame has 2
SHARP_S = 0.1  # how often sharpness is measured, of which only the median counts


class Levels:
    """`luma`, `sharpness`, `change`, `frozen` and `blank` of a shot, from small luma pictures."""

    def __init__(self, fps: float) -> None:
        self.step = every(SHARP_S, fps)
        self.seen: list[tuple[float, float, float]] = []
        self.sharpness: dict[int, float] = {}
        self.before: NDArray[np.uint8] | None = None

    def see(self, index: int, planes: Planes, picture: SmallPicture) -> None:
        """Mean luma, mean difference to the frame before, contrast, and Laplacian variance."""
        luma = picture.luma
        change = 255.0 if self.before is None else _difference(luma, self.before)
        light, contrast = cv2.meanStdDev(luma)
        self.seen.append((light.item(), change, contrast.item()))
        if index % self.step == 0:
            edges = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))[1]
            self.sharpness[index] = edges.item() ** 2
        self.before = luma

    def of(self, run: Run) -> dict[str, float]:
        """Means and shares over the shot; of sharpness the median, of change without frame one."""
        luma, change, contrast = np.array(self.seen[run.first : run.last + 1]).T
        sharp = [value for i, value in self.sharpness.items() if run.first <= i <= run.last]
        moves = change[1:] if len(change) > 1 else change
        return {
            "luma": round(float(luma.mean()), 4),
            "sharpness": round(float(np.median(sharp)), 4) if sharp else 0.0,
            "frozen": round(float(np.mean(moves < FROZEN_LEVELS)), 4),
            "change": round(float(moves.mean()), 4),
            "blank": round(float(np.mean(contrast < BLANK_CONTRAST)), 4),
        }


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size
