"""The survey of a source: one decode pass that finds its shots and measures them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.crops import scaled, without_bars
from mrfashion.fingerprints import fingerprint
from mrfashion.limits import LIMITS, SourceLimits
from mrfashion.measures import MEASURES
from mrfashion.measures.measure import Watcher, every
from mrfashion.media import Planes, VideoInfo, open_planes
from mrfashion.shots.runs import Run, ShotDetector
from mrfashion.small_pictures import SmallPicture, shrunk, small_picture, small_size
from mrfashion.timing import require_even

KEPT_S, KEPT_PX = 0.125, 96  # pictures that fingerprints are made of: how often, and their side


@dataclass(frozen=True, slots=True)
class Span:
    """One shot of a source: frames `first` to `last`, both included."""

    clip_id: str
    first: int
    last: int
    start_pts: int
    end_pts: int
    measurements: dict[str, float]
    fingerprint: str | None  # of the shot without its bars; None where it is a few frames long

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
        pictures = _Pictures(info)
        runs = detector.shots(_watched(frames, pts, [*measures, pictures]), info.fps)
    require_even(pts, info.time_base, info.fps)
    spans = []
    for run in runs:
        name = clip_id(source_sha256, pts[run.first], pts[run.last], info.time_base)
        measured = {key: value for m in measures for key, value in m.of(run).items()}
        ends = (run.first, run.last, pts[run.first], pts[run.last])
        spans.append(asdict(Span(name, *ends, measured, pictures.fingerprint(run, measured))))
    return {"info": asdict(info), "frames": len(pts), "spans": spans}


def _watched(
    frames: Iterable[Planes], pts: list[int], watchers: Sequence[Watcher]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the small pictures of a video, noting each one's pts and what is measured of it."""
    for planes in frames:
        picture = small_picture(planes)
        for watcher in watchers:
            watcher.see(len(pts), planes, picture)
        pts.append(planes.pts)
        yield picture.rgb


class _Pictures:
    """Pictures of 96 px, eight a second: bars and shots are only known at the end."""

    def __init__(self, info: VideoInfo) -> None:
        self.info = info
        self.step = every(KEPT_S, info.fps)
        self.kept: list[NDArray[np.uint8]] = []

    def see(self, index: int, planes: Planes, picture: SmallPicture) -> None:
        if index % self.step == 0:
            height, width = picture.luma.shape
            self.kept.append(shrunk(picture.luma, small_size(height, width, KEPT_PX)))

    def fingerprint(self, run: Run, measurements: dict[str, float]) -> str | None:
        kept = self.kept[-(-run.first // self.step) : run.last // self.step + 1]
        crop = without_bars(self.info, measurements)
        if not kept:
            return None
        return fingerprint(np.stack([scaled(crop, self.info, small) for small in kept]))
