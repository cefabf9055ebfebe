"""Thumbnails, on which gradual transitions are found and light is told from content."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.small_pictures import shrunk, small_size

SIDE_PX = 64
# Gradients of neighbouring frames correlate 0.93 and more through the sun flare of real footage,
# and at most 0.61 across its true cuts, one of them between two cameras in one room.
ALIKE = 0.75

# Of the difference of two pictures, what optical flow between them leaves: motion 0.53 at most,
# two pictures (the ends of dissolves between real clips) 0.76 and more.
LEAST_LEFT = 0.65


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """h w 3, RGB => luma of at most 64 x 64 px."""
    luma = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    return shrunk(luma, small_size(image.shape[0], image.shape[1], SIDE_PX))


def structure(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """h w => n, where the edges are and how strong, of mean 0 and length 1: blind to exposure."""
    smooth = cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 0.7)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, x, 1 - x) for x in (1, 0))
    edges = np.asarray(cv2.magnitude(across, down), np.float32).ravel()
    edges -= cv2.mean(edges)[0]
    return edges / np.float32(max(cv2.norm(edges), 1e-6))


def likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two thumbnails' edges, 1 for the same picture in whatever light."""
    return float(structure(one) @ structure(other))


def still_there(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether moving the parts of `other` about gives most of `one`, in whatever light."""
    target, moving = _standard(one), _standard(other)
    # cv2 takes None for "no flow to start from", which its stubs do not know.
    flow = cv2.calcOpticalFlowFarneback(target, moving, None, 0.5, 2, 9, 5, 5, 1.1, 0)  # type: ignore[call-overload]
    y, x = np.mgrid[: one.shape[0], : one.shape[1]].astype(np.float32)
    x, y = x + flow[..., 0], y + flow[..., 1]
    moved = cv2.remap(moving, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    left = np.linalg.norm(moved.astype(np.float32) - target)
    return bool(left < LEAST_LEFT * np.linalg.norm(moving.astype(np.float32) - target))


def _standard(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One mean and one contrast, so that flow sees no change of light."""
    scaled = (luma - luma.mean()) / max(float(luma.std()), 1e-6) * 48 + 128
    return np.asarray(scaled.clip(0, 255), np.uint8)


def same_picture(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two thumbnails show one scene, moments apart, in whatever light."""
    return likeness(one, other) >= ALIKE or still_there(one, other)


def flash_frames(fps: float) -> int:
    """Longest flash, in frames: a quarter of a second, and 4 frames at the least."""
    return max(4, round(fps / 4))
