"""Numbers of one generated clip: frame pairs, decoded once, through every metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.spec import REGIONS, FrameScore, Image, Metric
from mrfashion.errors import ItemError
from mrfashion.views import VIEWS

ALL, UNDETERMINED = "all", "undetermined"
STRATA = (ALL, *VIEWS, UNDETERMINED)
NO_MASK = "the target's source brought no foreground mask"
EMPTY_MASK = "no frame has foreground to measure"


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
    target: Iterable[Image],
    generated: Iterable[Image],
    masks: NDArray[np.bool_] | None,  # f h w
    views: Sequence[str | None],
    metrics: Sequence[Metric],
) -> list[StratumScore]:
    """Every metric, region and stratum of a clip; ItemError where the videos do not match."""
    per_frame: list[list[FrameScore]] = []
    for number, (a, b) in enumerate(zip_longest(target, generated)):
        if a is None or b is None or number == len(views):
            got = f"{number}" if b is None else f"more than {number}"
            raise ItemError("score.length", f"the video has {got} frames; asked: {len(views)}")
        if a.shape != b.shape:
            got, need = (f"{x.shape[1]}x{x.shape[0]}" for x in (b, a))
            raise ItemError("score.size", f"frame {number} is {got}; the target is {need}")
        mask = None if masks is None else masks[number]
        per_frame.append([metric.measure(a, b, mask) for metric in metrics])
    return [
        _stratum(metric, region, stratum, [per_frame[f][m] for f in frames], masks is not None)
        for m, metric in enumerate(metrics)
        for region in REGIONS
        for stratum, frames in frames_by_stratum(views).items()
    ]


def frames_by_stratum(views: Sequence[str | None]) -> dict[str, list[int]]:
    """Frame numbers of all frames and of each view that is present, in a fixed order."""
    frames: dict[str, list[int]] = {ALL: list(range(len(views)))}
    for stratum in STRATA[1:]:
        of_view = [i for i, view in enumerate(views) if (view or UNDETERMINED) == stratum]
        if of_view:
            frames[stratum] = of_view
    return frames


def _stratum(
    metric: Metric, region: str, stratum: str, frames: Sequence[FrameScore], masked: bool
) -> StratumScore:
    spec = metric.spec
    found = [getattr(frame, region) for frame in frames]
    values: list[float] = [value for value in found if value is not None]
    infinite = [value for value in values if math.isinf(value)]
    capped = 0 if spec.cap is None else sum(value >= spec.cap for value in values)
    if spec.cap is not None:
        values = [min(value, spec.cap) for value in values]
    if any(math.isnan(value) for value in values) or (infinite and spec.cap is None):
        raise ItemError("score.not_finite", f"{spec.name} gave a value that is no number")
    note = None if values else (EMPTY_MASK if masked else NO_MASK)
    return StratumScore(
        metric_id=spec.metric_id(region),
        metric=spec.name,
        region=region,
        stratum=stratum,
        value=math.fsum(values) / len(values) if values else None,  # exact: order-free
        n=len(values),
        capped=capped,
        note=note,
    )
