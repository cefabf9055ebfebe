"""Pictures and keypoints of one size placed on another: never stretched, bars repeat the edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]  # h, w


def letterbox(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """h w 3 => the largest centred copy that fits `size`; the image itself if it has that size."""
    source = (image.shape[0], image.shape[1])
    if source == size:
        return image
    top, left, height, width = _box(source, size)
    if (height, width) != source:
        image = _resized(image, (height, width))
    below, right = size[0] - top - height, size[1] - left - width
    return np.pad(image, ((top, below), (left, right), (0, 0)), mode="edge")


def letterbox_keypoints(
    keypoints: NDArray[np.float32], source: Size, size: Size
) -> NDArray[np.float32]:
    """... 3: pixels of `source` => pixels of `size`; integers are the centres of pixels."""
    moved = keypoints.astype(np.float32, copy=True)
    if source == size:
        return moved
    top, left, height, width = _box(source, size)
    moved[..., 0] = (keypoints[..., 0] + 0.5) * (width / source[1]) - 0.5 + left
    moved[..., 1] = (keypoints[..., 1] + 0.5) * (height / source[0]) - 0.5 + top
    return moved


def _box(source: Size, size: Size) -> tuple[int, int, int, int]:
    """Top, left, height and width of the copy."""
    scale = min(size[0] / source[0], size[1] / source[1])
    height, width = (max(1, round(side * scale)) for side in source)
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width


def _resized(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    import cv2

    smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (size[1], size[0]), interpolation=way), np.uint8)
