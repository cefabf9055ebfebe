"""Warping error: does the generated video move as its target does?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.flow import Step, trusted, warped
from benchmark.metrics.spec import Image, MetricSpec
from benchmark.metrics.stepwise import STEPS, Errors, stepwise_metric

CITATION = "Lai et al. 2018, arXiv 1808.00449"
DEFINITION = {
    "flow": "of the target video, OpenCV DIS medium on luma, from each frame to the next",
    "trusted": "inside, |fw + bw|^2 <= 0.01 (|fw|^2 + |bw|^2) + 0.5, and no motion boundary: "
    "|grad fw|^2 <= 0.01 |fw|^2 + 0.002",
    "error": "squared difference of a frame and its warped successor, RGB in 0..1, bilinear",
    "mean": "mean over channels and trusted pixels of a step, then steps of a clip",
}
SPEC = MetricSpec(
    name="warping-error",
    version=1,
    higher_is_better=False,
    unit="",
    range=(0.0, 1.0),
    definition=DEFINITION | {"video": "the generated one"},
    regions=STEPS,
    citation=CITATION,
)
TARGET_SPEC = MetricSpec(
    name="warping-error-target",
    version=1,
    higher_is_better=False,
    unit="",
    range=(0.0, 1.0),
    definition=DEFINITION | {"video": "the target itself: what flow and light leave over"},
    regions=STEPS,
    citation=CITATION,
)


def _errors(step: Step) -> tuple[Errors, NDArray[np.bool_]]:
    return _squares(step, step.before.generated, step.after.generated), trusted(step)


def _target_errors(step: Step) -> tuple[Errors, NDArray[np.bool_]]:
    return _squares(step, step.before.target, step.after.target), trusted(step)


def _squares(step: Step, image: Image, following: Image) -> NDArray[np.float32]:
    scale = np.float32(1 / 255)
    gap = image * scale - warped(following * scale, step.forward)
    squares: NDArray[np.float32] = np.square(gap).mean(-1)
    return squares


METRIC = stepwise_metric(SPEC, _errors, title="Warping error", decimals=5)
TARGET_METRIC = stepwise_metric(
    TARGET_SPEC, _target_errors, title="Warping error of the target itself", decimals=5
)
