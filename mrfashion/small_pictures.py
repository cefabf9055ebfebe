"""Small pictures of a video, straight from the decoder's planes: what the survey looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.media import Planes

SIDE_PX = 256  # sharpness is measured at one size, or it would grow with resolution
COLOUR_PX = 128  # content scores of real cuts differ by a level from those at 256, motion by less
# Rows R, G, B: shares of luma, Cb and Cr, for values of the full range (ITU-T H.273).
BT601 = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
BT709 = ((1.0, 0.0, 1.5748), (1.0, -0.187324, -0.468124), (1.0, 1.8556, 0.0))


@dataclass(frozen=True, eq=False)
class SmallPicture:
    """A frame, upright: its luma with a longer side of 256 px at most, its colours of 128 px."""

    luma: NDArray[np.uint8]  # h w, 0..255, weighted as the video's colour space does
    rgb: NDArray[np.uint8]  # h w 3


def small_picture(planes: Planes) -> SmallPicture:
    """Shrink a frame."""
    height, width = planes.y.shape
    y = shrunk(planes.y, small_size(height, width))
    size = small_size(height, width, COLOUR_PX)
    yuv = cv2.merge([shrunk(plane, size) for plane in (y, planes.u, planes.v)])
    rgb = cv2.transform(yuv, _to_rgb(planes.full_range, planes.bt709))
    return SmallPicture(
        upright(full_range(y, planes), planes.rotation),
        upright(np.asarray(rgb, np.uint8), planes.rotation),
    )


def small_size(height: int, width: int, side_px: int = SIDE_PX) -> tuple[int, int]:
    """Height and width with a longer side of `side_px` at most, and no side below 1."""
    scale = min(1.0, side_px / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrunk(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """h w => `size`: halved while it can be, the rest by interpolation.

    OpenCV averages over areas of 2 x 2 thirty times as fast as over any other.
    """
    height, width = size
    while plane.shape[0] >= 2 * height and plane.shape[1] >= 2 * width:
        half = (plane.shape[1] // 2, plane.shape[0] // 2)
        even = plane[: 2 * half[1], : 2 * half[0]]
        plane = np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.uint8)
    if plane.shape != size:
        linear = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
        plane = np.asarray(linear, np.uint8)
    return plane


def full_range(y: NDArray[np.uint8], planes: Planes) -> NDArray[np.uint8]:
    """Luma from 0 to 255, whichever range the video uses."""
    if planes.full_range:
        return y
    scale = 255 / 219
    return np.asarray(
        cv2.convertScaleAbs(np.maximum(y, 16), alpha=scale, beta=-16 * scale), np.uint8
    )


def upright(picture: NDArray[np.uint8], rotation: int) -> NDArray[np.uint8]:
    """As shown: phones store what they film sideways."""
    turns = rotation // 90
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


@lru_cache
def _to_rgb(full: bool, bt709: bool) -> NDArray[np.float32]:
    """3 4: from luma and chroma as stored to RGB, with the offsets in the last column."""
    black, luma, chroma = (0.0, 1.0, 1.0) if full else (16.0, 255 / 219, 255 / 224)
    weights = np.array(BT709 if bt709 else BT601) * (luma, chroma, chroma)
    return np.column_stack([weights, -weights @ (black, 128.0, 128.0)]).astype(np.float32)
