"""Letterbox bars: black margins that a whole shot has, to the pixel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.measures.measure import every
from mrfashion.media import Planes
from mrfashion.shots.runs import Run
from mrfashion.small_pictures import SmallPicture

LOOK_S = 0.5
DARK = 12  # levels above black: what ringing leaves of it; ffmpeg's cropdetect allows 8 (24 of 16)
SPECKS = 0.002  # of a line's pixels may be brighter
EDGE_PX, EDGE_SHARE = 3, 0.6  # this near to a bar, this much of what lines show at most
AGREE_PX, AGREE_SHARE = 2, 0.5  # looks that must find the bar where it is narrowest
SIDES = ("left", "top", "right", "bottom")
Margins = tuple[int, int, int, int]  # in the order of SIDES


class Bars:
    """`bar_left`, `bar_top`, `bar_right` and `bar_bottom` of a shot, in pixels; 0 where none is."""

    def __init__(self, fps: float) -> None:
        self.step = every(LOOK_S, fps)
        self.seen: dict[int, Margins] = {}

    def see(self, index: int, planes: Planes, picture: SmallPicture) -> None:
        """Look at two frames a second, at full size; dark ones say nothing."""
        if index % self.step:
            return
        black = 0 if planes.full_range else 16
        margins = dark_margins(planes.y, black)
        if margins is not None:
            self.seen[index] = turned(margins, planes.rotation)

    def of(self, run: Run) -> dict[str, float]:
        """The narrowest bar of each side, if most of the shot agrees on it."""
        looks = [m for i, m in self.seen.items() if run.first <= i <= run.last]
        widths = zip(*looks, strict=True) if looks else [(0,)] * len(SIDES)
        return {
            f"bar_{side}": float(_agreed(np.array(width)))
            for side, width in zip(SIDES, widths, strict=True)
        }


def dark_margins(luma: NDArray[np.uint8], black: int = 0) -> Margins | None:
    """h w => dark lines at each side that end at a straight edge; None where all is dark.

    A dark backdrop ends where the person begins, which is no straight edge.
    """
    bright = np.asarray(cv2.threshold(luma, black + DARK, 255, cv2.THRESH_BINARY)[1], np.uint8)
    top, bottom = _margins(bright, 1)
    if top == len(bright):
        return None
    left, right = _margins(bright[top : len(bright) - bottom], 0)
    return left, top, right, bottom


def turned(margins: Margins, rotation: int) -> Margins:
    """Margins of the upright picture, from those of the stored one."""
    turns = rotation // 90 % 4
    left, top, right, bottom = (margins[(i + turns) % 4] for i in range(4))
    return left, top, right, bottom


def _margins(bright: NDArray[np.uint8], axis: int) -> tuple[int, int]:
    """Lines before and after the picture, along the other axis; all and 0 where all is dark."""
    share = cv2.reduce(bright, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel() / 255
    lit = np.flatnonzero(share > SPECKS)
    if not len(lit):
        return len(share), 0
    return _edge(share, int(lit[0])), _edge(share[::-1], len(share) - 1 - int(lit[-1]))


def _edge(share: NDArray[np.floating], width: int) -> int:
    near = share[width : width + EDGE_PX]
    return width if near.max() >= EDGE_SHARE * share.max() else 0


def _agreed(widths: NDArray[np.int_]) -> int:
    narrowest = int(widths.min())
    agree = np.mean(widths <= narrowest + AGREE_PX)
    return narrowest if agree >= AGREE_SHARE else 0
