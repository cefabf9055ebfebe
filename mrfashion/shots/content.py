"""Shots by change of content: hard cuts as PySceneDetect finds them, fades and dissolves as ours.

https://www.scenedetect.com/docs/latest/api/detectors.html. Frames come from our own decoder.
Departure: PySceneDetect tells a flash by its shortness alone (`min_scene_len`), which keeps one of
a flash's two edges and swallows the second of two cuts; we ask whether the picture came back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.shots.dissolves import dissolves
from mrfashion.shots.fades import fades
from mrfashion.shots.runs import Image, Run, shots_between
from mrfashion.shots.thumbnails import flash_frames, same_picture, thumbnail

SIDE_PX = 128  # PySceneDetect scales to about 256; scores of real cuts differ by a level


@dataclass(frozen=True)
class ContentCuts:
    """Hard cuts, fades and dissolves."""

    threshold: float = 27.0  # PySceneDetect's default

    def shots(self, frames: Iterable[Image], fps: float) -> list[Run]:
        """Shots of a video, from one pass over its frames."""
        changes, small = [], []
        before: Image | None = None
        for index, image in enumerate(frames):
            picture = _small(image)
            hsv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), np.uint8)
            if before is not None and content_change(before, hsv) >= self.threshold:
                changes.append(index)
            small.append(thumbnail(picture))
            before = hsv
        if not small:
            return []
        thumbnails = np.stack(small)
        faded = fades(thumbnails, fps)
        gradual = faded + dissolves(thumbnails, fps, faded)
        return shots_between(len(small), _cuts(changes, thumbnails, fps), gradual)


def _cuts(changes: Sequence[int], thumbnails: NDArray[np.uint8], fps: float) -> list[int]:
    """The changes after which another picture stays: neither an exposure change nor a flash."""
    cuts, back = [], 0
    for change in changes:
        if change <= back:
            continue
        before = thumbnails[change - 1]
        after = thumbnails[change : change + flash_frames(fps) + 1]
        same = [i for i, picture in enumerate(after) if same_picture(before, picture)]
        if same:
            back = change + same[0]
        else:
            cuts.append(change)
    return cuts


def content_change(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """PySceneDetect's content score: h w 3, h w 3, HSV => mean difference of a value, in levels."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size


def _small(image: Image) -> Image:
    scale = SIDE_PX / max(image.shape[:2])
    if scale >= 1:
        return image
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
