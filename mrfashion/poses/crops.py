"""Images and boxes => what YOLOX and RTMPose networks are fed, to the level as their ports do."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mrfashion.poses.blazepose_roi import check_frame
from mrfashion.poses.estimator import Image

ColourOrder = Literal["rgb", "bgr"]
LETTERBOX_GREY = 114
MEAN_RGB = (123.675, 116.28, 103.53)  # of ImageNet; by channel position, whatever the order
STD_RGB = (58.395, 57.12, 57.375)
_LEVELS = np.arange(256, dtype=np.float64)[:, None]
NORMALISED = ((_LEVELS - MEAN_RGB) / STD_RGB).astype(np.float32)  # 256 3: level => network input


def check_image(image: Image) -> None:
    """ItemError where an image is not uint8 h w 3, is empty, or too long to warp."""
    check_frame(image, (image.shape[0], image.shape[1]) if image.ndim == 3 else (0, 0))


def letterbox(
    image: Image, size_hw: tuple[int, int], colour: ColourOrder
) -> tuple[NDArray[np.float32], float]:
    """h w 3 => 3 h w in 0..255, the image at the top left of grey, and how much it was scaled."""
    import cv2

    height, width = image.shape[:2]
    ratio = min(size_hw[0] / height, size_hw[1] / width)
    inner_h, inner_w = max(1, int(height * ratio)), max(1, int(width * ratio))
    planes = np.full((3, *size_hw), LETTERBOX_GREY, np.float32)
    small = cv2.resize(image, (inner_w, inner_h), interpolation=cv2.INTER_LINEAR)
    planes[:, :inner_h, :inner_w] = _ordered(np.asarray(small, np.uint8), colour).transpose(2, 0, 1)
    return planes, ratio


def crop_area(
    boxes_xyxy_px: NDArray[np.float64], padding: float, aspect: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """n 4 => centre n 2 and size n 2, padded and widened to `aspect` (width over height)."""
    low, high = boxes_xyxy_px[:, :2], boxes_xyxy_px[:, 2:]
    width, height = ((high - low) * padding).T
    size = np.stack([np.maximum(width, height * aspect), np.maximum(height, width / aspect)], -1)
    return (low + high) * 0.5, size


def crop(
    image: Image,
    centre: NDArray[np.float64],
    size: NDArray[np.float64],
    size_hw: tuple[int, int],
    colour: ColourOrder,
) -> NDArray[np.float32]:
    """The area as 3 h w, normalised; black outside the image."""
    import cv2

    warp = cv2.getAffineTransform(_corners(centre, size[0]), _corners(*_frame(size_hw)))
    warped = cv2.warpAffine(image, warp, size_hw[::-1], flags=cv2.INTER_LINEAR)
    ordered = np.ascontiguousarray(_ordered(np.asarray(warped, np.uint8), colour))
    normalised = cv2.LUT(ordered, NORMALISED[:, None])
    return np.asarray(normalised, np.float32).transpose(2, 0, 1)


def _frame(size_hw: tuple[int, int]) -> tuple[NDArray[np.float64], float]:
    height, width = size_hw
    return np.array([width * 0.5, height * 0.5]), float(width)


def _corners(centre: NDArray[np.float64], width: float) -> NDArray[np.float32]:
    """3 2: centre, half a width above it, and as far left of that; rounded as the ports round."""
    corners = np.tile(centre.astype(np.float32), (3, 1))
    corners[1:, 1] = centre[1] - width * 0.5
    corners[2, 0] += corners[1, 1] - corners[0, 1]
    return corners


def _ordered(image: Image, colour: ColourOrder) -> Image:
    return image if colour == "rgb" else image[..., ::-1]
