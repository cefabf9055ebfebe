"""Multi-scale SSIM after Wang, Simoncelli and Bovik 2003 on each of R, G, B."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.frames import CROPPED, FrameScore, frame_metric
from benchmark.metrics.spec import Image, Mask, MetricSpec, check_pair, check_side
from benchmark.metrics.ssim import RADIUS, WINDOW, Plane, losses, planes

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first
LEAST_SIDE_PX = (WINDOW - 1) * 2 ** (len(WEIGHTS) - 1) + 1  # a window fits into the last scale

SPEC = MetricSpec(
    name="ms-ssim",
    version=1,
    higher_is_better=True,
    unit="",
    range=(0.0, 1.0),
    definition={
        "colour": "uint8 RGB, each channel by itself, L=255, K=(0.01, 0.03)",
        "window": "Gaussian 11x11, sigma 1.5, valid region of each scale, population covariance",
        "scales": "5, each the mean of 2x2 pixels of the last; an odd side has a line of zeros put "
        "in front first, as pytorch-msssim has it",
        "weights": "0.0448, 0.2856, 0.3001, 0.2363, 0.1333: exponents of the mean contrast and "
        "structure of scales 1 to 4 and of the mean SSIM of scale 5, negative means taken as 0",
        "least side": f"{LEAST_SIDE_PX} pixels, else not measured",
        "mean": "product over scales, mean over channels, then frames of a clip",
    },
    # No foreground: nobody has defined which window of a coarse scale is foreground.
    regions={"whole": "all pixels of the valid regions", **CROPPED},
    citation="Wang, Simoncelli, Bovik 2003, doi:10.1109/ACSSC.2003.1292216",
)


def ms_ssim(target: Image, generated: Image, mask: Mask | None = None) -> FrameScore:
    """MS-SSIM, 0..1; ItemError for frames whose last scale is smaller than the window."""
    check_pair(target, generated, mask)
    check_side(target, LEAST_SIDE_PX, "MS-SSIM")
    of_channels = [_of_channel(plane) for plane in planes(target, generated)]
    return FrameScore(math.fsum(of_channels) / len(of_channels))


def _of_channel(plane: Plane) -> float:
    """The product over scales (Eq. 7)."""
    product = 1.0
    for weight in WEIGHTS[:-1]:
        product *= math.pow(max(_mean(plane, luminance=False), 0.0), weight)
        plane = replace(
            plane, total=_halved(plane.total, -plane.shift), gap=_halved(plane.gap, 0.0)
        )
    return product * math.pow(max(_mean(plane, luminance=True), 0.0), WEIGHTS[-1])


def _mean(plane: Plane, luminance: bool) -> float:
    lost = sum(cv2.sumElems(loss)[0] for _, loss in losses(plane, luminance))
    return 1 - float(lost) / plane.gap[RADIUS:-RADIUS, RADIUS:-RADIUS].size


def _halved(image: NDArray[np.float32], black: float) -> NDArray[np.float32]:
    """Means of 2x2 pixels; `black` is what a pixel of zeros is here."""
    height, width = image.shape
    in_front = ((height % 2, 0), (width % 2, 0))
    even = np.pad(image, in_front, constant_values=black) if height % 2 or width % 2 else image
    size = ((width + 1) // 2, (height + 1) // 2)
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), np.float32)


METRIC = frame_metric(SPEC, ms_ssim, title="MS-SSIM", decimals=4)
