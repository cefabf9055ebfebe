"""SSIM with other windows, borders and covariances than ours, in float64."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.ssim import C1, C2, SIGMA, WINDOW

Blur = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def mean_ssim(
    target: NDArray[np.uint8],
    generated: NDArray[np.uint8],
    blur: Blur,
    cut: int = 0,
    correction: float = 1.0,
) -> float:
    """Mean of Wang et al. 2004, Eq. 13, over pixels and channels.

    `cut` pixels are left out on each side; `correction` multiplies variances and covariance.
    """
    x, y = target.astype(np.float64), generated.astype(np.float64)
    mean_x, mean_y = blur(x), blur(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = correction * (blur(x * x + y * y) - squares)
    covariance = correction * (blur(x * y) - product)
    ssim = (2 * product + C1) * (2 * covariance + C2) / ((squares + C1) * (variances + C2))
    height, width = ssim.shape[:2]
    return float(ssim[cut : height - cut, cut : width - cut].mean())


def uniform(side: int) -> Blur:
    """Mean of the window; what it takes for the outside has to be cut off."""
    return lambda image: np.asarray(cv2.blur(image, (side, side)), np.float64)


def gaussian(border: int) -> Blur:
    """Our window over the whole image, `border` an OpenCV border type."""
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    return lambda image: np.asarray(
        cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel, borderType=border), np.float64
    )
