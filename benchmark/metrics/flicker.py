"""Flicker: change from frame to frame that the target does not have (dtSSD)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.flow import Step
from benchmark.metrics.spec import MetricSpec
from benchmark.metrics.stepwise import STEPS, Errors, stepwise_metric

SPEC = MetricSpec(
    name="flicker",
    version=1,
    higher_is_better=False,
    unit="",
    range=(0.0, 2.0),
    definition={
        "error": "squared difference of the two videos' changes from a frame to the next, RGB 0..1",
        "mean": "root of the mean over pixels and channels of a step, then mean over steps",
        "reading": "a frozen video scores what the target moves, not 0",
    },
    regions=STEPS,
    citation="dtSSD: Erofeev et al. 2015, doi:10.5244/C.29.99",
)


def _errors(step: Step) -> tuple[Errors, NDArray[np.bool_]]:
    change = step.after.generated.astype(np.int16) - step.before.generated
    wanted = step.after.target.astype(np.int16) - step.before.target
    squares = np.square((change - wanted).astype(np.float64) / 255).mean(-1)
    return squares, np.ones(squares.shape, bool)


METRIC = stepwise_metric(SPEC, _errors, title="Flicker", decimals=4, finish=math.sqrt)
