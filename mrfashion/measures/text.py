"""Overlay text: lines of letters that stay where they are. Cheap, and fooled by blinds and stripes.

No network: what looks like a line of text is a box, wider than high, densely filled with strong
edges across it. The filter is off unless asked for.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.measures.measure import every
from mrfashion.media import Planes
from mrfashion.shots.runs import Run
from mrfashion.small_pictures import SmallPicture, shrunk, small_size, upright

LOOK_S = 1.0
SIDE_PX = 512
CELL_PX = 8  # where text was is kept by cells of 8 pixels
EDGE = 60  # levels across a pixel: letters are made to be read
LEAST_HEIGHT, MOST_HEIGHT = 7, 48  # of a line, in pixels of the picture looked at
LEAST_ASPECT, LEAST_FILL = 2.5, 0.45
LEAST_STROKES = 1.2  # edges along the middle of a line, for each line height of its length
STAYS = 0.8  # of the looks


class Text:
    """`overlay_text` of a shot: share of the picture that lines of text cover throughout."""

    def __init__(self, fps: float) -> None:
        self.step = every(LOOK_S, fps)
        self.seen: dict[int, NDArray[np.bool_]] = {}

    def see(self, index: int, planes: Planes, picture: SmallPicture) -> None:
        """Look at a frame a second."""
        if index % self.step == 0:
            size = small_size(planes.y.shape[0], planes.y.shape[1], SIDE_PX)
            self.seen[index] = text_cells(upright(shrunk(planes.y, size), planes.rotation))

    def of(self, run: Run) -> dict[str, float]:
        """Cells that hold text in nearly all looks."""
        looks = [cells for i, cells in self.seen.items() if run.first <= i <= run.last]
        share = np.mean(np.mean(looks, axis=0) >= STAYS) if looks else 0.0
        return {"overlay_text": round(float(share), 4)}


def text_cells(luma: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """h w => cells of 8 pixels that lie in what looks like a line of text."""
    gradient = cv2.absdiff(luma[:, 2:], luma[:, :-2])
    edges = np.asarray(cv2.threshold(gradient, EDGE, 255, cv2.THRESH_BINARY)[1], np.uint8)
    closed = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, np.ones((3, 13), np.uint8))
    closed = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((5, 9), np.uint8))
    outlines = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    height, width = (-(-side // CELL_PX) for side in luma.shape)
    cells = np.zeros((height, width), bool)
    for outline in outlines:
        x, y, w, h = cv2.boundingRect(outline)
        if _is_line(edges[y : y + h, x : x + w], cv2.contourArea(outline)):
            rows = slice(y // CELL_PX, -(-(y + h) // CELL_PX))
            cells[rows, x // CELL_PX : -(-(x + w) // CELL_PX)] = True
    return cells


def _is_line(edges: NDArray[np.uint8], area: float) -> bool:
    height, width = edges.shape
    if not LEAST_HEIGHT <= height <= MOST_HEIGHT or width < LEAST_ASPECT * height:
        return False
    strokes = np.diff(edges > 0, axis=1).sum(1) / 2  # of each row
    crossed = float(np.median(strokes)) / (width / height)
    return bool(area >= LEAST_FILL * height * width and crossed >= LEAST_STROKES)
