"""L1: mean absolute error of uint8 RGB values, 0 to 1."""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.metrics.spec import FrameScore, Image, Mask, Metric, MetricSpec, check_pair

SPEC = MetricSpec(
    name="l1",
    version=1,
    higher_is_better=False,
    unit="",
    range=(0.0, 1.0),
    colour="uint8 RGB, absolute difference divided by 255",
    window="none",
    covariance="none",
    border="whole frame",
    cap=None,
    aggregation="mean over pixels and channels, then frames of a clip",
    foreground="masked pixels",
    citation="",
)


def measure(target: Image, generated: Image, mask: Mask | None) -> FrameScore:
    """Mean absolute error, 0..1; the sums are exact integers."""
    check_pair(target, generated, mask)
    whole = cv2.norm(target, generated, cv2.NORM_L1) / target.size / 255
    pixels = 0 if mask is None else int(np.count_nonzero(mask))
    if mask is None or not pixels:
        return FrameScore(whole, None)
    total = cv2.norm(target, generated, cv2.NORM_L1, mask.view(np.uint8))
    return FrameScore(whole, total / (3 * pixels) / 255)


METRIC = Metric(SPEC, measure, title="L1", decimals=4)
