"""What every format is read into and written from, and how a format is told from others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import KEYPOINTS, Keypoints
from mrfashion.poses.exchange.document import Document

BODY, FEET = slice(0, 17), slice(17, 23)
FACE, LEFT_HAND, RIGHT_HAND = slice(23, 91), slice(91, 112), slice(112, 133)


@dataclass(frozen=True, eq=False)
class Poses:
    """One person's keypoints through a video, in pixels of frames of `size`."""

    keypoints: Keypoints  # f 133 3; missing is (NaN, NaN, 0)
    size: tuple[int, int] | None = None  # h, w; None where the format does not say
    fps: float | None = None


@dataclass(frozen=True)
class Format:
    """A way to write keypoints down.

    `recognises` judges by content alone; `read` raises InputRefused (file, what is wrong, what is
    allowed). `write` makes the files of a clip, name and bytes; None where we only read it.
    """

    recognises: Callable[[Document], bool]
    read: Callable[[Document], Poses]
    write: Callable[[str, Poses], Iterator[tuple[str, bytes]]] | None = None


def missing(frames: int) -> Keypoints:
    """All keypoints of so many frames, missing."""
    keypoints = np.full((frames, KEYPOINTS, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    return keypoints


def tidied(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores into 0..1; what has none, or no place, is missing. OpenPose writes 0, 0, 0 for it."""
    unknown = ~np.isfinite(keypoints).all(-1) | (keypoints[..., 2] <= 0)
    keypoints[..., 2] = keypoints[..., 2].clip(0, 1)
    keypoints[unknown] = (np.nan, np.nan, 0)
    return keypoints


def surest(people: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The person (133 3) whose body's scores add up to most; all missing where there is none."""
    return max(people, key=lambda person: float(person[BODY, 2].sum()), default=missing(1)[0])


def flat(points: NDArray[np.float32]) -> list[float]:
    """k 3 => x, y, score, ...; 0, 0, 0 is missing. 1/8 px and 1/255 survive the rounding."""
    known = points[:, 2] > 0
    rounded = np.zeros(points.shape)
    values = points[known].astype(np.float64)
    rounded[known, :2] = values[:, :2].round(3)
    rounded[known, 2] = values[:, 2].round(4).clip(1e-4)  # or the least would be missing
    return [int(v) if v.is_integer() else v for v in rounded.ravel().tolist()]
