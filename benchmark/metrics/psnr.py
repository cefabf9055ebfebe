"""PSNR of uint8 RGB frames, in dB; an exact frame is infinite and counts as 100 in a mean."""

from __future__ import annotations

import math

import cv2
import numpy as np

from benchmark.metrics.frames import CROPPED, FrameScore, frame_metric
from benchmark.metrics.spec import Image, Mask, MetricSpec, check_pair

PEAK = 255

SPEC = MetricSpec(
    name="psnr",
    version=1,
    higher_is_better=True,
    unit="dB",
    range=(0.0, 100.0),
    definition={
        "colour": "uint8 RGB, peak 255, squared error of widened integers",
        "mean": "10 log10(255^2 / MSE) of each frame, mean over frames of a clip",
    },
    regions={"whole": "all pixels", "foreground": "MSE over masked pixels", **CROPPED},
    cap=100.0,
)


def psnr(target: Image, generated: Image, mask: Mask | None = None) -> FrameScore:
    """PSNR in dB, infinite for equal frames.

    OpenCV widens before it subtracts; numpy's uint8 difference wraps around, which lifted
    unrelated images to 28 dB in the field's reference code (DisCo issue 86). Its norm takes a root
    and squares it again, so the integer it started from is rounded back.
    """
    check_pair(target, generated, mask)
    whole = _psnr(round(cv2.norm(target, generated, cv2.NORM_L2SQR)), target.size)
    pixels = 0 if mask is None else int(np.count_nonzero(mask))
    if mask is None or not pixels:
        return FrameScore(whole)
    squares = round(cv2.norm(target, generated, cv2.NORM_L2SQR, mask.view(np.uint8)))
    return FrameScore(whole, _psnr(squares, 3 * pixels))


def _psnr(squares: int, values: int) -> float:
    return 10 * math.log10(PEAK**2 * values / squares) if squares else math.inf


METRIC = frame_metric(SPEC, psnr, title="PSNR", decimals=2)
