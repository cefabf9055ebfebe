"""The rotated square a BlazePose network looks at: from alignment points, to a crop and back.

Crops are corner-aligned: pixel indices are taken for positions, without the half-pixel shift, as
mediapipe's OpenCV converter does, at positions rounded to 1/32 px, as the OpenCV inside mediapipe
0.10 rounds them. The newer, exact warp of `cv2.warpAffine` moves the landmarks by 0.1 % of the
body's height, the half-pixel shift by 0.5 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ItemError

ENLARGED = 1.25  # over the circle through the alignment points
SUBPIXELS = 32
STRIP = 64  # rows
MAX_SIDE_PX = (1 << 15) - 2  # cv2 counts the pixels of a warp in int16
REACH = (-(1 << 20), (1 << 20) - 1)  # int16 in 1/32 px
Image = NDArray[np.uint8]  # h w 3, RGB
Points = NDArray[np.float64]  # n 2, x and y


@dataclass(frozen=True, slots=True)
class Roi:
    """A square of the image; `angle_rad` turns its up axis clockwise, as seen, from the image's."""

    x_px: float  # centre
    y_px: float
    side_px: float
    angle_rad: float = 0.0

    def matrix(self) -> NDArray[np.float64]:
        """2 3: a position in the square, 0..1 along each side => pixels of the image."""
        cos, sin = self.side_px * math.cos(self.angle_rad), self.side_px * math.sin(self.angle_rad)
        return np.array(
            [
                [cos, -sin, self.x_px - (cos - sin) / 2],
                [sin, cos, self.y_px - (sin + cos) / 2],
            ]
        )

    def crop(self, image: Image, side: int, *, replicate: bool) -> Image:
        """The square as side x side pixels; outside the image its border goes on, or black."""
        import cv2

        step = np.arange(side, dtype=np.float64) / side
        (xx, xy, x0), (yx, yy, y0) = self.matrix() * SUBPIXELS
        whole, part = np.empty((side, side, 2), np.int16), np.empty((side, side), np.uint16)
        for first in range(0, side, STRIP):  # few rows stay in the cache: half the time
            strip = slice(first, first + STRIP)
            down = step[strip, None]
            # In 1/32 px; farther than int16 reaches lies outside any image that may come here.
            columns = np.rint(xx * step + (xy * down + x0)).clip(*REACH).astype(np.int32)
            rows = np.rint(yx * step + (yy * down + y0)).clip(*REACH).astype(np.int32)
            whole[strip, :, 0], whole[strip, :, 1] = columns >> 5, rows >> 5
            part[strip] = (rows & 31) << 5 | columns & 31
        border = cv2.BORDER_REPLICATE if replicate else cv2.BORDER_CONSTANT
        warped = cv2.remap(image, whole, part, cv2.INTER_LINEAR, borderMode=border)
        return np.asarray(warped, np.uint8)

    def to_image(self, points: Points) -> Points:
        """n 2, 0..1 in the square => n 2, pixels of the image."""
        matrix = self.matrix()
        projected: Points = points @ matrix[:, :2].T + matrix[:, 2]
        return projected

    def distance(self, other: Roi) -> float:
        """Pixels between the centres."""
        return math.hypot(other.x_px - self.x_px, other.y_px - self.y_px)


def letterbox_roi(image: Image) -> Roi:
    """The smallest square around the whole image."""
    height, width = image.shape[:2]
    return Roi(width / 2, height / 2, float(max(height, width)))


def body_roi(centre: Points, top: Points) -> Roi | None:
    """The square around a body, from its hip centre and a point on the circle that encloses it.

    Upright in the crop: `top` lies straight above `centre`. None where the points coincide or are
    not finite, for such a square has no size.
    """
    across, down = (float(value) for value in top - centre)
    side = 2 * ENLARGED * math.hypot(across, down)
    if not (math.isfinite(side) and np.isfinite(centre).all() and side >= 1):
        return None
    angle = math.pi / 2 - math.atan2(-down, across)
    angle -= 2 * math.pi * math.floor((angle + math.pi) / (2 * math.pi))
    return Roi(float(centre[0]), float(centre[1]), side, angle)


def check_frame(frame: Image, size: tuple[int, int]) -> None:
    """ItemError where a frame is not uint8 `h w 3` of the clip's size, or too long to warp."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape != (*size, 3):
        text = f"a frame is {frame.dtype} {frame.shape}; uint8 {(*size, 3)} is needed"
        raise ItemError("pose.frame_shape", text)
    if not 0 < min(size) <= max(size) <= MAX_SIDE_PX:
        raise ItemError("pose.frame_shape", f"frames are {size}; allowed: 1 to {MAX_SIDE_PX} px")
