"""Shots by change of content: hard cuts as PySceneDetect finds them, fades and dissolves as ours.

https://www.scenedetect.com/docs/latest/api/detectors.html. Frames come from our own decoder.
Departure: PySceneDetect tells a flash by its shortness alone (`min_scene_len`), which keeps one of
a flash's two edges and swallows the second of two cuts; we ask whether the picture came back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.shots.dissolves import dissolves
from mrfashion.shots.fades import fades
from mrfashion.shots.runs import Image, Run, shots_between
from mrfashion.shots.thumbnails import flash_frames, same_picture, thumbnail

SIDE_PX = 256  # the detector's own default works on frames scaled down to about this


@dataclass(frozen=True)
class ContentCuts:
    """Hard cuts, fades and dissolves."""

    threshold: float = 27.0  # PySceneDetect's default

    def shots(self, frames: Iterable[Image], fps: float) -> list[Run]:
        """Shots of a video, from one pass over its frames."""
        from scenedetect import ContentDetector, FrameTimecode

        rate = Fraction(fps).limit_denominator(1001)
        detector = ContentDetector(threshold=self.threshold, min_scene_len=0)
        changes, small = [], []
        for index, image in enumerate(frames):
            bgr = _small_bgr(image)
            if detector.process_frame(FrameTimecode(index, fps=rate), bgr):
                changes.append(index)
            small.append(thumbnail(bgr))
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


def _small_bgr(image: Image) -> NDArray[np.uint8]:
    scale = SIDE_PX / max(image.shape[:2])
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    if scale < 1:
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(bgr, np.uint8)
