"""The survey of a source: one decode pass that finds its shots and measures them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.filters.verdict import Shot
from mrfashion.media import VideoInfo, decode, probe
from mrfashion.shots.runs import ShotDetector

SIDE_PX = 256  # sharpness is measured at one size, or it would grow with resolution
FROZEN_LEVELS = 0.05  # mean luma difference to the frame before, below which nothing moved


@dataclass(frozen=True)
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


def survey(path: Path, source_sha256: str, detector: ShotDetector) -> dict[str, Any]:
    """Probe, cut and measure a video => JSON of `info`, `frames` and `spans`."""
    info = probe(path)
    pts: list[int] = []
    stats: list[tuple[float, float, float]] = []
    spans = []
    for run in detector.shots(_watched(path, pts, stats), info.fps):
        name = clip_id(source_sha256, pts[run.first], pts[run.last], info.time_base)
        measured = _measure(stats[run.first : run.last + 1])
        spans.append(
            asdict(Span(name, run.first, run.last, pts[run.first], pts[run.last], measured))
        )
    return {"info": asdict(info), "frames": len(pts), "spans": spans}


def shot_of(info: VideoInfo, span: Span) -> Shot:
    """What the filters see of a span."""
    return Shot(info.width, info.height, info.fps, span.frames, span.measurements)


def _watched(
    path: Path, pts: list[int], stats: list[tuple[float, float, float]]
) -> Iterator[NDArray[np.uint8]]:
    """Yield the images of a video, noting each one's pts, luma, sharpness and change."""
    before: NDArray[np.uint8] | None = None
    for frame in decode(path):
        luma = _small_luma(frame.image)
        change = 255.0 if before is None else float(cv2.absdiff(luma, before).mean())
        sharpness = float(cv2.Laplacian(luma, cv2.CV_32F).var())
        pts.append(frame.pts)
        stats.append((float(luma.mean()), sharpness, change))
        before = luma
        yield frame.image


def _small_luma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = SIDE_PX / max(luma.shape)
    if scale < 1:
        luma = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(luma, np.uint8)


def _measure(stats: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    luma, sharpness, change = np.array(stats).T
    moves = change[1:] if len(change) > 1 else change
    return {
        "luma": round(float(luma.mean()), 4),
        "sharpness": round(float(np.median(sharpness)), 4),
        "frozen": round(float(np.mean(moves < FROZEN_LEVELS)), 4),
        "change": round(float(moves.mean()), 4),
    }
