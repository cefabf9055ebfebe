"""PSNR of luma, as video super-resolution prints it."""

from __future__ import annotations

import math

import numpy as np

from benchmark.metrics.frames import FrameScore, frame_metric
from benchmark.metrics.psnr import PEAK
from benchmark.metrics.spec import Image, Mask, MetricSpec, check_pair

STUDIO = np.array([65.481, 128.553, 24.966]) / PEAK  # BT.601, luma 16 to 235


def psnr_y(target: Image, generated: Image, _: Mask | None = None) -> FrameScore:
    """PSNR in dB of luma; its offset of 16 cancels."""
    check_pair(target, generated, None)
    error = np.mean(np.square((target.astype(np.float64) - generated) @ STUDIO))
    return FrameScore(10 * math.log10(PEAK**2 / error) if error else math.inf)


PSNR_Y = frame_metric(
    MetricSpec(
        name="psnr-y",
        version=1,
        higher_is_better=True,
        unit="dB",
        range=(0.0, 100.0),
        definition={
            "colour": "Y of BT.601, studio range, not rounded, peak 255",
            "mean": "10 log10(255^2 / MSE) of each frame, mean over frames of a clip",
            "left out": "TecoGAN's crop to multiples of 32 and its cut of two frames at each end",
        },
        regions={"whole": "all pixels"},
        cap=100.0,
        status="comparability",
        citation="github.com/thunil/TecoGAN metrics.py, psnr",
    ),
    psnr_y,
    title="PSNR of Y (TecoGAN)",
    decimals=2,
)
