"""What is cut off around a clip: letterbox bars, as the survey found them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrfashion.media import VideoInfo


@dataclass(frozen=True)
class BarConfig:
    """Whether bars are cut off; they are measured either way."""

    remove: bool = True


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of a frame that a clip keeps, in pixels of the source as shown."""

    left: int
    top: int
    width: int
    height: int

    @property
    def part(self) -> tuple[slice, slice]:
        """Index of the part in an array of h w."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)


def whole(info: VideoInfo) -> Crop:
    """Everything but an odd last row and column: 4:2:0 has none."""
    return Crop(0, 0, info.width // 2 * 2, info.height // 2 * 2)


def without_bars(info: VideoInfo, measurements: Mapping[str, float]) -> Crop:
    """What lies between the bars; on even pixels, and without a line that is half bar."""
    left, top, right, bottom = (
        _cut(measurements[f"bar_{side}"]) for side in ("left", "top", "right", "bottom")
    )
    width, height = info.width - left - right, info.height - top - bottom
    if min(width, height) < 2:
        return whole(info)
    return Crop(left, top, width // 2 * 2, height // 2 * 2)


def scaled(crop: Crop, info: VideoInfo, small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of a small picture (h w) that the crop keeps of the frame."""
    along_y, along_x = small.shape[0] / info.height, small.shape[1] / info.width
    top, left = round(crop.top * along_y), round(crop.left * along_x)
    bottom = max(top + 1, round((crop.top + crop.height) * along_y))
    right = max(left + 1, round((crop.left + crop.width) * along_x))
    return small[top:bottom, left:right]


def _cut(bar: float) -> int:
    """Pixels cut off for a bar: one more at least, up to an even number."""
    return (int(bar) + 2) // 2 * 2 if bar else 0
