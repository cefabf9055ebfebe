"""Metrics of neighbouring frames: a number of each step, told at the step's first frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.flow import LAST, Step, steps_of
from benchmark.metrics.spec import (
    FOREGROUND,
    WHOLE,
    ClipContext,
    FramePair,
    Measure,
    Metric,
    MetricSpec,
    Value,
    Values,
)

STEPS = {
    "whole": "all pixels of the step's first frame",
    "foreground": "masked pixels of the step's first frame",
}
Errors = NDArray[np.floating]
# A step => the error at each pixel of its first frame, and where it counts.
PixelErrors = Callable[[Step], tuple[Errors, NDArray[np.bool_]]]
NOTHING = "no pixel whose motion can be trusted"


class Stepwise:
    """A `Measure` of steps: the mean of a pixel error, through `finish`."""

    def __init__(
        self, context: ClipContext, errors: PixelErrors, finish: Callable[[float], float]
    ) -> None:
        self.steps, self.errors, self.finish = steps_of(context), errors, finish
        self.values: dict[str, list[Value]] = {WHOLE: [], FOREGROUND: []}

    def update(self, pair: FramePair) -> None:
        """Measure the step that ends at the pair."""
        if step := self.steps.to(pair):
            error, counts = self.errors(step)
            self.values[WHOLE].append(self._mean(error, counts))
            mask = step.before.mask
            if mask is None or not mask.any():
                self.values[FOREGROUND].append(None)
            else:
                self.values[FOREGROUND].append(self._mean(error, counts & mask))

    def _mean(self, error: Errors, where: NDArray[np.bool_]) -> Value:
        chosen = error[where]
        return self.finish(float(chosen.mean(dtype=np.float64))) if chosen.size else NOTHING

    def result(self) -> Values:
        """A number a frame; the last frame begins no step."""
        foreground = self.values[FOREGROUND]
        masked = any(value is not None for value in foreground)
        return {
            WHOLE: [*self.values[WHOLE], LAST],
            FOREGROUND: [*foreground, LAST if masked else None],
        }


def stepwise_metric(
    spec: MetricSpec,
    errors: PixelErrors,
    title: str,
    decimals: int,
    finish: Callable[[float], float] = float,
) -> Metric:
    """The metric whose number of a step is the mean of a pixel error, through `finish`."""
    return Metric(spec, partial(_start, errors, finish), title, decimals, family="motion")


def _start(errors: PixelErrors, finish: Callable[[float], float], context: ClipContext) -> Measure:
    return Stepwise(context, errors, finish)
