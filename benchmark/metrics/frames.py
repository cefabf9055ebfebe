"""Metrics of single frame pairs: a pure function of two images, in every region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmark.metrics.spec import (
    GARMENT,
    WHOLE,
    ClipContext,
    FramePair,
    Image,
    Mask,
    Measure,
    Metric,
    MetricSpec,
    Value,
    Values,
)
from mrfashion.errors import ItemError


@dataclass(frozen=True)
class FrameScore:
    """One frame's numbers; infinite where the spec says so, never NaN."""

    whole: float
    foreground: float | None = None  # None: no mask, or no pixel of it to measure


Compare = Callable[[Image, Image, Mask | None], FrameScore]  # target, generated, target's mask


class FrameByFrame:
    """A `Measure` that looks at one frame pair at a time; the garment is a crop of both."""

    def __init__(self, compare: Compare, regions: frozenset[str]) -> None:
        self.compare = compare
        self.values: dict[str, list[Value]] = {region: [] for region in regions}

    def update(self, pair: FramePair) -> None:
        """Measure the pair."""
        score = self._score(pair.target, pair.generated, pair.mask)
        for region, values in self.values.items():
            values.append(self._of_region(region, score, pair))

    def _of_region(self, region: str, score: FrameScore | str, pair: FramePair) -> Value:
        if region == GARMENT:
            if pair.garment is None:
                return None
            top, left, bottom, right = pair.garment
            crop = (slice(top, bottom), slice(left, right))
            score, region = self._score(pair.target[crop], pair.generated[crop], None), WHOLE
        if isinstance(score, str):
            return score
        return score.whole if region == WHOLE else score.foreground

    def _score(self, target: Image, generated: Image, mask: Mask | None) -> FrameScore | str:
        """The frame's numbers, or why it has none: a crop may be smaller than a window."""
        try:
            return self.compare(target, generated, mask)
        except ItemError as error:
            return error.text

    def result(self) -> Values:
        """A number a frame."""
        return self.values


def frame_metric(
    spec: MetricSpec, compare: Compare, title: str, decimals: int, family: str = "image"
) -> Metric:
    """The metric whose number of a frame is `compare` of the pair."""
    return Metric(spec, partial(_start, compare, frozenset(spec.regions)), title, decimals, family)


def _start(compare: Compare, regions: frozenset[str], context: ClipContext) -> Measure:
    return FrameByFrame(compare, regions)


CROPPED = {GARMENT: "the garment's box (benchmark/garment.py), cut out of both"}
