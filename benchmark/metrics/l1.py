"""L1: mean absolute error of uint8 RGB values, 0 to 1."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.metrics.frames import CROPPED, FrameScore, frame_metric
from benchmark.metrics.spec import Image, Mask, MetricSpec, check_pair

SPEC = MetricSpec(
    name="l1",
    version=1,
    higher_is_better=False,
    unit="",
    range=(0.0, 1.0),
    definition={
        "colour": "uint8 RGB, absolute difference divided by 255",
        "mean": "mean over pixels and channels, then frames of a clip",
    },
    regions={"whole": "all pixels", "foreground": "masked pixels", **CROPPED},
)


def l1(target: Image, generated: Image, mask: Mask | None = None) -> FrameScore:
    """Mean absolute error, 0..1; the sums are exact integers."""
    check_pair(target, generated, mask)
    whole = cv2.norm(target, generated, cv2.NORM_L1) / target.size / 255
    pixels = 0 if mask is None else int(np.count_nonzero(mask))
    if mask is None or not pixels:
        return FrameScore(whole)
    total = cv2.norm(target, generated, cv2.NORM_L1, mask.view(np.uint8))
    return FrameScore(whole, total / (3 * pixels) / 255)


METRIC = frame_metric(SPEC, l1, title="L1", decimals=4)
