"""Windows over a video longer than a method makes at once, and how their answers become one.

The last window is clamped to the end, never wrapped to frame 0. Shares follow a triangle, as in
MimicMotion's tiles: a frame listens most to the window it stands deepest in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Share:
    """What one window says about a frame."""

    window: int
    place: int  # of the frame in the window
    weight: float  # those of a frame sum to 1


@dataclass(frozen=True, slots=True)
class Windows:
    """Where windows of one length begin."""

    starts: tuple[int, ...]
    length: int

    def shares(self, frame: int) -> list[Share]:
        """The windows that hold a frame, each with its share of it."""
        places = [(window, frame - start) for window, start in enumerate(self.starts)]
        held = [(window, place) for window, place in places if 0 <= place < self.length]
        depths = [min(place + 1, self.length - place) for _, place in held]
        return [
            Share(window, place, depth / sum(depths))
            for (window, place), depth in zip(held, depths, strict=True)
        ]


def cut(frames: int, length: int, overlap: int) -> Windows:
    """Windows that share at least `overlap` frames; one that holds all where there is room."""
    if not 0 <= overlap < length:
        raise ValueError(f"overlap is {overlap} of windows of {length}; allowed: 0 to {length - 1}")
    if frames <= length:
        return Windows((0,), length)
    return Windows((*range(0, frames - length, length - overlap), frames - length), length)


def blended(shares: list[Share], windows: list[NDArray[Any]]) -> NDArray[Any]:
    """One frame of the windows' arrays `f ...`: as it is where one holds it, else in float32."""
    parts: list[NDArray[Any]] = [windows[share.window][share.place] for share in shares]
    if len(parts) == 1:
        return parts[0]
    weights = np.array([share.weight for share in shares], np.float32)
    frame: NDArray[Any] = np.einsum("w,w...->...", weights, np.stack(parts).astype(np.float32))
    return frame
