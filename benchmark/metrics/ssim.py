"""SSIM after Wang et al. 2004 on each of R, G, B; as fast as four separable filters allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.frames import CROPPED, FrameScore, frame_metric
from benchmark.metrics.spec import Image, Mask, MetricSpec, check_pair, check_side

WINDOW, SIGMA, RADIUS = 11, 1.5, 5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
STRIP_ROWS = 256  # keeps the working set in the cache

SPEC = MetricSpec(
    name="ssim",
    version=2,
    higher_is_better=True,
    unit="",
    range=(-1.0, 1.0),
    definition={
        "colour": "uint8 RGB, each channel by itself, L=255, K=(0.01, 0.03)",
        "window": "Gaussian 11x11, sigma 1.5",
        "covariance": "population",
        "border": "valid region: 5 pixels cut off each side, no downsampling",
        "mean": "mean of the map over pixels and channels, then frames of a clip",
    },
    regions={
        "whole": "all pixels of the valid region",
        "foreground": "mean of the map over masked pixels inside the valid region",
        **CROPPED,
    },
    citation="Wang, Bovik, Sheikh, Simoncelli 2004, doi:10.1109/TIP.2003.819861",
)


@dataclass(frozen=True, eq=False)
class Plane:
    """One channel of both frames: x + y - shift and x - y, h w float32.

    Half of (x + y)^2 + (x - y)^2 is x^2 + y^2, and half of their difference is 2 x y: SSIM needs
    the mean and variance of these two maps, and no covariance.
    """

    total: NDArray[np.float32]
    gap: NDArray[np.float32]
    shift: float


def ssim(target: Image, generated: Image, mask: Mask | None = None) -> FrameScore:
    """SSIM, -1..1; ItemError for frames smaller than the window."""
    check_pair(target, generated, mask)
    height, width = target.shape[:2]
    check_side(target, WINDOW, "SSIM")
    inner = None if mask is None else mask[RADIUS : height - RADIUS, RADIUS : width - RADIUS]
    lost, inner_lost = 0.0, 0.0
    for plane in planes(target, generated):
        for top, loss in losses(plane):
            lost += cv2.sumElems(loss)[0]
            if inner is not None:
                inner_lost += cv2.sumElems(loss * inner[top : top + len(loss)])[0]
    pixels = (height - 2 * RADIUS) * (width - 2 * RADIUS)
    inner_pixels = 0 if inner is None else int(np.count_nonzero(inner))
    foreground = 1 - inner_lost / (3 * inner_pixels) if inner_pixels else None
    return FrameScore(1 - lost / (3 * pixels), foreground)


def planes(target: Image, generated: Image) -> Iterator[Plane]:
    """Red, green and blue of both frames.

    Variances do not see a shift, and near zero float32 keeps more digits of them.
    """
    shift = round((sum(cv2.mean(target)[:3]) + sum(cv2.mean(generated)[:3])) / 3)
    for channel, other in zip(cv2.split(target), cv2.split(generated), strict=True):
        x, y = channel.astype(np.float32), other.astype(np.float32)
        gap = x - y
        x += y
        x -= shift
        yield Plane(x, gap, shift)


def losses(plane: Plane, luminance: bool = True) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """1 - SSIM of the valid region by strips of rows: first row in the region, map h w.

    Without `luminance`, 1 - the product of contrast and structure (Eq. 10).
    """
    rows = len(plane.gap) - 2 * RADIUS
    for top in range(0, rows, STRIP_ROWS):
        taken = slice(top, min(top + STRIP_ROWS, rows) + 2 * RADIUS)
        shift = plane.shift if luminance else None
        yield top, _loss(plane.total[taken], plane.gap[taken], shift)[:, RADIUS:-RADIUS]


def _loss(
    total: NDArray[np.float32], gap: NDArray[np.float32], shift: float | None
) -> NDArray[np.float32]:
    """1 - SSIM (Eq. 13) of a strip's inner rows, all columns, from four filtered maps.

    Each factor is 1 - small, and the loss of equal images exactly 0. Numpy works in place on
    whole rows: on a region cut out left and right it takes three times as long.
    """
    mean_total, mean_gap = _filter(total), _filter(gap)
    variances, loss = _filter(total * total, 2 * C2), _filter(gap * gap)
    mean_gap *= mean_gap
    loss -= mean_gap
    np.maximum(loss, 0, out=loss)  # a variance, but for rounding
    variances -= mean_total * mean_total
    variances += loss
    cv2.divide(loss, variances, dst=loss, scale=2)
    if shift is None:
        return loss
    mean_total += np.float32(shift)
    mean_total *= mean_total
    mean_total += mean_gap
    mean_total += np.float32(2 * C1)
    darker = cv2.divide(mean_gap, mean_total, scale=2)
    both = loss * darker
    loss += darker
    loss -= both
    return loss


def _filter(image: NDArray[np.float32], plus: float = 0.0) -> NDArray[np.float32]:
    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_32F)
    filtered = cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel, delta=plus)
    return np.asarray(filtered[RADIUS:-RADIUS], np.float32)


METRIC = frame_metric(SPEC, ssim, title="SSIM", decimals=4)
