"""Pictures and keypoints of one size placed on another: never stretched, bars repeat the edge.

A few pixels of studio backdrop go on without a seam, whereas bars of the mean colour draw a line
that every method sees as an object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import Keypoints

Size = tuple[int, int]  # h, w


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies on a canvas: a box, the rest are bars."""

    source: Size
    canvas: Size
    top: int
    left: int
    height: int
    width: int

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas pixels a source pixel, along y and x."""
        return self.height / self.source[0], self.width / self.source[1]

    def then(self, outer: Placement) -> Placement:
        """This canvas placed on another one: both steps in one."""
        along_y, along_x = outer.scale
        top, height = _span(self.top, self.height, along_y, outer.height)
        left, width = _span(self.left, self.width, along_x, outer.width)
        return Placement(
            self.source, outer.canvas, outer.top + top, outer.left + left, height, width
        )


def place(source: Size, canvas: Size) -> Placement:
    """The largest centred box of the source's shape on a canvas."""
    scale = min(canvas[0] / source[0], canvas[1] / source[1])
    height, width = (max(1, round(side * scale)) for side in source)
    top, left = (canvas[0] - height) // 2, (canvas[1] - width) // 2
    return Placement(source, canvas, top, left, height, width)


def letterbox(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """h w 3 => the largest centred copy that fits `size`; the image itself if it has that size."""
    return paint(image, place((image.shape[0], image.shape[1]), size))


def paint(image: NDArray[np.uint8], placement: Placement) -> NDArray[np.uint8]:
    """h w 3 => the canvas, bars repeating the picture's edge."""
    picture = resized(image, (placement.height, placement.width))
    below = placement.canvas[0] - placement.top - placement.height
    right = placement.canvas[1] - placement.left - placement.width
    return np.pad(picture, ((placement.top, below), (placement.left, right), (0, 0)), mode="edge")


def move(keypoints: Keypoints, placement: Placement) -> Keypoints:
    """... 3, pixels of the source => pixels of the canvas; integers are centres of pixels."""
    along_y, along_x = placement.scale
    moved = keypoints.astype(np.float32, copy=True)
    # (x + 0.5) * scale - 0.5 + left, so ordered that scale 1 loses no bit.
    moved[..., 0] = keypoints[..., 0] * along_x + (0.5 * along_x - 0.5 + placement.left)
    moved[..., 1] = keypoints[..., 1] * along_y + (0.5 * along_y - 0.5 + placement.top)
    return moved


def centre(source: Size, canvas: Size) -> Placement:
    """The source at its own size in the middle of a larger canvas."""
    top, left = (canvas[0] - source[0]) // 2, (canvas[1] - source[1]) // 2
    return Placement(source, canvas, top, left, *source)


def resized(image: NDArray[Any], size: Size) -> NDArray[Any]:
    """h w 3, uint8 or float => another size: by area when it shrinks, bicubic when it grows."""
    if image.shape[:2] == size:
        return image
    import cv2

    smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    resized = cv2.resize(image, (size[1], size[0]), interpolation=method)
    return np.asarray(resized, image.dtype)


def _span(start: int, length: int, scale: float, room: int) -> tuple[int, int]:
    """Start and length after scaling; rounding the two ends keeps them inside the room."""
    first = min(round(start * scale), room - 1)
    return first, max(1, min(round((start + length) * scale), room) - first)
