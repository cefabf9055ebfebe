"""The survey of a source: one decode pass that finds its shots and measures them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.filters.verdict import Shot
from mrfashion.limits import LIMITS, SourceLimits
from mrfashion.measures import MEASURES
from mrfashion.measures.measure import Measure
from mrfashion.media import Planes, VideoInfo, open_planes
from mrfashion.shots.runs import ShotDetector
from mrfashion.small_pictures import small_picture
from mrfashion.timing import require_even


@dataclass(frozen=True, slots=True)
class Span:
    """One shot of a source: frames `first` to `last`, both included."""

    clip_id: str
    first: int
    last: int
    start_pts: int
    end_pts: int
    measurements: dict[str, float]

    @property
    def frames(self) -> int:
        """Frames of the shot."""
        return self.last - self.first + 1


def clip_id(source_sha256: str, start_pts: int, end_pts: int, time_base: str) -> str:
    """Id of a clip, from the source's content and the span alone: it survives renaming."""
    text = f"{source_sha256}|{start_pts}|{end_pts}|{time_base}"
    return blake2b(text.encode(), digest_size=10).hexdigest()


def survey(
    path: Path, source_sha256: str, detector: ShotDetector, limits: SourceLimits = LIMITS
) -> dict[str, Any]:
    """Probe, cut and measure a video => JSON of `info`, `frames` and `spans`."""
    pts: list[int] = []
    with open_planes(path, limits) as (info, frames):
        measures = [measure(info.fps) for measure in MEASURES]
        runs = detector.shots(_watched(frames, pts, measures), info.fps)
    require_even(pts, info.time_base, info.fps)
    spans = []
    for run in runs:
        name = clip_id(source_sha256, pts[run.first], pts[run.last], info.time_base)
        measured = {key: value for m in measures for key, value in m.of(run).items()}
        spans.append(
            asdict(Span(name, run.first, run.last, pts[run.first], pts[run.last], measured))
        )
    return {"info": asdict(info), "frames": len(pts), "spans": spans}


def shot_of(info: VideoInfo, span: Span) -> Shot:
    """What the filters see of a span."""
    return Shot(info.width, info.height, info.fps, span.frames, span.measurements)


def _watched(
    frames: Iterable[Planes], pts: list[int], measures: Sequence[Measure]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the small pictures of a video, noting each one's pts and what is measured of it."""
    for planes in frames:
        picture = small_picture(planes)
        for measure in measures:
            measure.see(len(pts), planes, picture)
        pts.append(planes.pts)
        yield picture.rgb
