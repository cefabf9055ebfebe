"""tOF: how far the motion in the generated video is from that in its target, in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.flow import Step, dis_flow
from benchmark.metrics.spec import MetricSpec
from benchmark.metrics.stepwise import STEPS, Errors, stepwise_metric

SPEC = MetricSpec(
    name="tof",
    version=1,
    higher_is_better=False,
    unit="px",
    range=(0.0, None),
    definition={
        "flow": "OpenCV DIS medium on luma, from each frame to the next, of each video by itself",
        "error": "end-point distance of the two flows, in pixels of the scored size",
        "mean": "mean over pixels of a step, then steps of a clip",
    },
    regions=STEPS,
    citation="Chu et al. 2020 (TecoGAN), arXiv 1811.09393, with DIS in place of Farneback",
)


def _errors(step: Step) -> tuple[Errors, NDArray[np.bool_]]:
    generated = dis_flow(step.before.generated, step.after.generated)
    distance = np.hypot(*np.moveaxis(generated - step.forward, -1, 0))
    return distance, np.ones(distance.shape, bool)


METRIC = stepwise_metric(SPEC, _errors, title="tOF", decimals=3)
