"""Keypoints packed for the disk: int16 at 1/8 px and uint8 scores, differences along time.

A float16 pixel steps by 1 px above 1024; int16 at 1/8 px is even and 2.8 times smaller.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ItemError, SchemaError
from mrfashion.generation import KEYPOINTS, Keypoints

STEPS_PER_PX = 8
LIMIT_PX = np.iinfo(np.int16).max / STEPS_PER_PX


def pack(keypoints: Keypoints) -> tuple[bytes, bytes]:
    """f k 3, pixels and score 0..1 => (xy, score) bytes. Coordinates move by at most 1/16 px."""
    score = np.rint(keypoints[..., 2].clip(0, 1) * 255).astype(np.uint8)
    xy = keypoints[..., :2]
    missing = (score == 0) | ~np.isfinite(xy).all(-1)
    xy = np.where(missing[..., None], 0, xy)
    if np.abs(xy).max(initial=0) > LIMIT_PX:
        raise ItemError("pose.out_of_range", f"a keypoint lies beyond {LIMIT_PX:.0f} px")
    steps = np.rint(xy * STEPS_PER_PX).astype(np.int16).transpose(2, 1, 0)  # 2 k f
    delta = np.diff(steps, axis=-1, prepend=np.int16(0))  # wraps, and unwraps on reading
    return delta.tobytes(), np.where(missing, 0, score).T.tobytes()


def unpack(xy: bytes, score: bytes, frames: int) -> Keypoints:
    """(xy, score) bytes => f k 3, float32; missing is (NaN, NaN, 0)."""
    if len(score) != frames * KEYPOINTS or len(xy) != 4 * len(score):
        raise SchemaError(f"a keypoint row of {frames} frames holds {len(xy)} + {len(score)} bytes")
    steps = np.frombuffer(xy, np.int16).reshape(2, KEYPOINTS, frames)
    position = np.cumsum(steps, axis=-1, dtype=np.int16).transpose(2, 1, 0) / STEPS_PER_PX
    level: NDArray[np.uint8] = np.frombuffer(score, np.uint8).reshape(KEYPOINTS, frames).T
    keypoints = np.concatenate([position, level[..., None] / 255.0], axis=-1)
    keypoints[level == 0] = (np.nan, np.nan, 0)
    return keypoints.astype(np.float32)
