"""Numbers of one generated clip: frame pairs, decoded once, through every metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TypeVar

from benchmark.garment import garment_box
from benchmark.metrics.spec import (
    FOREGROUND,
    GARMENT,
    ClipContext,
    FramePair,
    Image,
    Measure,
    Metric,
    Value,
    Values,
)
from mrfashion.errors import ItemError
from mrfashion.views import VIEWS

T = TypeVar("T")
ALL, UNDETERMINED = "all", "undetermined"
BACK_GAP = "back-gap"  # not frames: front minus back of the same clip, positive where back is worse
STRATA = (ALL, *VIEWS, UNDETERMINED, BACK_GAP)
NO_MASK = "the target's source brought no foreground mask"
EMPTY = {
    FOREGROUND: "no frame has foreground to measure",
    GARMENT: "no frame has shoulders and hips to place the garment by",
}
NO_FRAME = "no frame to measure it on"


@dataclass(frozen=True, slots=True)
class StratumScore:
    """A metric of one region, averaged over the frames of one stratum."""

    metric_id: str
    metric: str
    region: str
    stratum: str
    value: float | None
    n: int
    capped: int
    note: str | None


def score_clip(
    context: ClipContext,
    target: Iterable[Image],
    generated: Iterable[Image],
    metrics: Sequence[Metric],
) -> list[StratumScore]:
    """Every metric, region and stratum of a clip; ItemError where the videos do not match."""
    at_work = [AtWork(metric, context) for metric in metrics]
    for pair in _pairs(context, target, generated):
        for work in at_work:
            work.update(pair)
    return [score for work in at_work for score in _scores(work.metric, work.result(), context)]


class AtWork:
    """A metric on a clip; its own ItemError is why it has no number there, and stops no other."""

    def __init__(self, metric: Metric, context: ClipContext) -> None:
        self.metric, self.frames = metric, len(context.views)
        self.reason: str | None = None
        self.measure: Measure | None = self._try(lambda: metric.start(context))

    def update(self, pair: FramePair) -> None:
        """Take in the next frame pair."""
        if self.measure is not None and self.reason is None:
            self._try(partial(self.measure.update, pair))

    def result(self) -> Values:
        """Its values, or the reason in place of each."""
        values = None
        if self.measure is not None and self.reason is None:
            values = self._try(self.measure.result)
        return values or {
            region: [self.reason] * self.frames for region in self.metric.spec.regions
        }

    def _try(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except ItemError as error:
            self.reason = error.text
            return None


def _pairs(
    context: ClipContext, target: Iterable[Image], generated: Iterable[Image]
) -> Iterable[FramePair]:
    asked = len(context.views)
    for number, (a, b) in enumerate(zip_longest(target, generated)):
        if a is None or b is None or number == asked:
            got = f"{number}" if b is None else f"more than {number}"
            raise ItemError("score.length", f"the video has {got} frames; asked: {asked}")
        if a.shape != b.shape:
            got, need = (f"{x.shape[1]}x{x.shape[0]}" for x in (b, a))
            raise ItemError("score.size", f"frame {number} is {got}; the target is {need}")
        mask = None if context.masks is None else context.masks[number]
        size = (a.shape[0], a.shape[1])
        pose = None if context.keypoints is None else context.keypoints[number]
        yield FramePair(a, b, number, mask, None if pose is None else garment_box(pose, size))


def _scores(metric: Metric, values: Values, context: ClipContext) -> Iterable[StratumScore]:
    for region in metric.spec.regions:
        of_region = values[region]
        if len(of_region) != len(context.views):
            raise AssertionError(f"{metric.spec.name} has {len(of_region)} of {len(context.views)}")
        place = metric.spec.metric_id(region), region
        by_stratum = {
            stratum: _stratum(metric, place, stratum, [of_region[f] for f in frames], context)
            for stratum, frames in frames_by_stratum(context.views).items()
        }
        yield from by_stratum.values()
        yield from _back_gap(metric, by_stratum)


def frames_by_stratum(views: Sequence[str | None]) -> dict[str, list[int]]:
    """Frame numbers of all frames and of each view that is present, in a fixed order."""
    frames: dict[str, list[int]] = {ALL: list(range(len(views)))}
    for stratum in (*VIEWS, UNDETERMINED):
        of_view = [i for i, view in enumerate(views) if (view or UNDETERMINED) == stratum]
        if of_view:
            frames[stratum] = of_view
    return frames


def _stratum(
    metric: Metric,
    place: tuple[str, str],  # metric id and region
    stratum: str,
    found: Sequence[Value],
    context: ClipContext,
) -> StratumScore:
    spec, (metric_id, region) = metric.spec, place
    values = [value for value in found if isinstance(value, int | float)]
    reasons = [value for value in found if isinstance(value, str)]
    infinite = [value for value in values if math.isinf(value)]
    capped = 0 if spec.cap is None else sum(value >= spec.cap for value in values)
    if spec.cap is not None:
        values = [min(value, spec.cap) for value in values]
    if any(math.isnan(value) for value in values) or (infinite and spec.cap is None):
        raise ItemError("score.not_finite", f"{spec.name} gave a value that is no number")
    return StratumScore(
        metric_id=metric_id,
        metric=spec.name,
        region=region,
        stratum=stratum,
        value=math.fsum(values) / len(values) if values else None,  # exact: order-free
        n=len(values),
        capped=capped,
        note=None if values else next(iter(reasons), None) or _why_empty(region, context),
    )


def _why_empty(region: str, context: ClipContext) -> str:
    if region == FOREGROUND and context.masks is None:
        return NO_MASK
    return EMPTY.get(region, NO_FRAME)


def _back_gap(metric: Metric, by_stratum: dict[str, StratumScore]) -> Iterable[StratumScore]:
    """How much worse the clip's back frames score than its front ones, where it has both."""
    front, back = by_stratum.get("front"), by_stratum.get("back")
    if front is None or back is None or front.value is None or back.value is None:
        return
    sign = 1 if metric.spec.higher_is_better else -1
    yield StratumScore(
        metric_id=front.metric_id,
        metric=front.metric,
        region=front.region,
        stratum=BACK_GAP,
        value=sign * (front.value - back.value),
        n=front.n + back.n,
        capped=front.capped + back.capped,
        note=None,
    )
