"""What DisCo's evaluation prints, from which most tables of this field were made.

Source: github.com/Wangt-CN/DisCo, tool/metrics/ssim_l1_lpips_psnr.py. It evaluates PNG frames at
256x256 and pools the frames of all videos, which is the mean over videos if they are of one length.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from benchmark.metrics.frames import FrameScore, frame_metric
from benchmark.metrics.l1 import l1
from benchmark.metrics.legacy.windows import mean_ssim, uniform
from benchmark.metrics.psnr import PEAK, psnr
from benchmark.metrics.spec import Image, Mask, MetricSpec, check_pair, check_side
from mrfashion.errors import ItemError

EXACT_DB = 100.0  # what it gives an exact frame; other frames are not capped
WINDOW = 7
SIDE_PX = 256
FILE = "github.com/Wangt-CN/DisCo tool/metrics/ssim_l1_lpips_psnr.py"
FIXED, BEFORE = f"{FILE} at 6190108 (2024-04-10)", f"{FILE} up to 8538889 (2023-12-30), issue 86"
FRAMES = "mean over frames of a clip; theirs pools frames, the same for clips of one length"
WHOLE = {"whole": "all pixels"}


def psnr_2024(target: Image, generated: Image, _: Mask | None = None) -> FrameScore:
    """PSNR in dB, after the wrap was repaired."""
    found = psnr(target, generated).whole
    return FrameScore(EXACT_DB if math.isinf(found) else found)


def psnr_2023(target: Image, generated: Image, _: Mask | None = None) -> FrameScore:
    """PSNR in dB of a difference that wraps at 256, and of its square that wraps again."""
    check_pair(target, generated, None)
    gap = target - generated
    error = float(np.mean(gap * gap))
    return FrameScore(10 * math.log10(PEAK**2 / error) if error else EXACT_DB)


def ssim_gray(target: Image, generated: Image, _: Mask | None = None) -> FrameScore:
    """SSIM of rounded grey values with scikit-image's defaults."""
    check_pair(target, generated, None)
    check_side(target, WINDOW, "SSIM (DisCo)")
    gray, other = (
        np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        for image in (target, generated)
    )
    samples = WINDOW**2
    correction = samples / (samples - 1)
    return FrameScore(mean_ssim(gray, other, uniform(WINDOW), WINDOW // 2, correction))


def l1_256(target: Image, generated: Image, _: Mask | None = None) -> FrameScore:
    """Mean absolute error, 0..255, divided by 256 x 256; ItemError for frames of another size."""
    check_pair(target, generated, None)
    height, width = target.shape[:2]
    if (height, width) != (SIDE_PX, SIDE_PX):
        raise ItemError(
            "score.other_size",
            f"frames are {width}x{height}; DisCo's L1 is divided by the frame's area and compares "
            f"at {SIDE_PX}x{SIDE_PX} only: make the task of that size, or read L1",
        )
    return FrameScore(l1(target, generated).whole * PEAK / SIDE_PX**2)


PSNR_2024 = frame_metric(
    MetricSpec(
        name="psnr-disco-2024",
        version=1,
        higher_is_better=True,
        unit="dB",
        range=(0.0, 150.0),
        definition={
            "colour": "uint8 RGB, peak 255, squared error in float64",
            "mean": FRAMES,
            "exact frame": "100 dB; other frames are not capped",
        },
        regions=WHOLE,
        status="comparability",
        citation=FIXED,
    ),
    psnr_2024,
    title="PSNR (DisCo 2024)",
    decimals=2,
)
PSNR_2023 = frame_metric(
    MetricSpec(
        name="psnr-disco-2023",
        version=1,
        higher_is_better=True,
        unit="dB",
        range=(0.0, 100.0),
        definition={
            "colour": "uint8 RGB, difference and square both modulo 256, peak 255",
            "mean": FRAMES,
            "exact frame": "100 dB, also where all differences are multiples of 16",
            "fault": "unrelated images score about 28 dB and better images may score lower; "
            "only to recognise numbers made this way",
        },
        regions=WHOLE,
        status="invalid",
        citation=BEFORE,
    ),
    psnr_2023,
    title="PSNR (DisCo 2023, invalid)",
    decimals=2,
)
SSIM = frame_metric(
    MetricSpec(
        name="ssim-disco",
        version=1,
        higher_is_better=True,
        unit="",
        range=(-1.0, 1.0),
        definition={
            "colour": "grey of BT.601 rounded to uint8, L=255, K=(0.01, 0.03)",
            "window": "uniform 7x7",
            "covariance": "sample: 49/48 of the population's",
            "border": "3 pixels cut off each side",
            "mean": FRAMES,
        },
        regions=WHOLE,
        status="comparability",
        citation=FIXED,
    ),
    ssim_gray,
    title="SSIM (DisCo)",
    decimals=4,
)
L1_256 = frame_metric(
    MetricSpec(
        name="l1-disco-256x256",
        version=1,
        higher_is_better=False,
        unit="",
        range=(0.0, PEAK / SIDE_PX**2),
        definition={
            "colour": "uint8 RGB, absolute difference 0 to 255",
            "size": "256x256 only: the sum over pixels is divided by their number twice",
            "mean": FRAMES,
        },
        regions=WHOLE,
        status="comparability",
        citation=FIXED,
    ),
    l1_256,
    title="L1 (DisCo, 256x256)",
    decimals=7,
)
