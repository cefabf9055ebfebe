"""CPU seconds of the survey: `python -m benchmark.perf.survey VIDEO...`.

Beside decoding to luma, PyAV's cheapest reading of a video, and beside the chain that people
write: PySceneDetect, OpenCV filters and image hashes, each decoding anew. The package's `dev`
extra brings scenedetect.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

# One thread for all of them, before any library is loaded: what is compared is work, not waiting.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENCV_FFMPEG_CAPTURE_OPTIONS": "threads;1"}

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.filters import FilterConfig
from mrfashion.filters.verdict import Shot, first_dropping
from mrfashion.fingerprints import frame_places
from mrfashion.measures.levels import FROZEN_LEVELS
from mrfashion.media import VideoInfo
from mrfashion.shots.content import ContentCuts
from mrfashion.survey import Span, survey

ROUNDS = 5
LEAST_SHARE, LEAST_GAIN = 0.6, 2.0  # of decoding to luma; over the naive chain
SIDE_PX = 256
FILTERS = ("brightness", "sharpness", "motion")  # what both chains judge
CUT_FRAMES = 1  # by which two detectors may differ


@dataclass(frozen=True)
class Answer:
    """What a chain says of a video: where shots start after a hard cut, and who is dropped."""

    cuts: tuple[int, ...]
    dropped: tuple[str | None, ...]  # of each shot that lasts, the first filter against it

    def equals(self, other: Answer) -> bool:
        """The same verdicts, and the same cuts but for a frame."""
        near = [abs(a - b) <= CUT_FRAMES for a, b in zip(self.cuts, other.cuts, strict=False)]
        return len(self.cuts) == len(other.cuts) and all(near) and self.dropped == other.dropped


def main() -> None:
    """Print CPU milliseconds a frame, the least of several rounds by turns, and both ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    chains = (decode_to_luma, surveyed, naive)
    total = np.zeros(len(chains))
    unequal = []
    print(
        f"{'ms a frame':28}{'frames':>7}{'luma':>8}{'survey':>8}{'naive':>8}{'share':>8}{'gain':>7}"
    )
    for video in arguments.videos:
        frames = decode_to_luma(video)
        if not surveyed(video).equals(naive(video)):
            unequal.append(video.name)
        best = np.full(len(chains), np.inf)
        for _ in range(arguments.rounds):
            best = np.minimum(best, [_cpu_s(chain, video) for chain in chains])
        total += best
        _row(video.name, frames, best)
    share, gain = _row("all", 0, total)
    print(
        f"share of decoding to luma: {share:.2f}; bar {LEAST_SHARE}: {_met(share >= LEAST_SHARE)}"
    )
    print(f"against the naive chain: {gain:.2f} x; bar {LEAST_GAIN}: {_met(gain >= LEAST_GAIN)}")
    print(f"verdicts differ on: {', '.join(unequal) or 'none'}")


def decode_to_luma(video: Path) -> int:
    """Frames, each one's luma plane seen as an array."""
    frames = 0
    with av.open(str(video)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for frame in container.decode(video=0):
            plane: Any = frame.planes[0]
            np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
            frames += 1
    return frames


def surveyed(video: Path) -> Answer:
    """Probe, shots, technical measures, motion, bars, text and fingerprints in one pass."""
    found = survey(video, "0" * 64, ContentCuts())
    info, spans = VideoInfo(**found["info"]), [Span(**span) for span in found["spans"]]
    cuts = tuple(b.first for a, b in pairwise(spans) if b.first == a.last + 1)
    return Answer(cuts, _verdicts(info.fps, [(s.frames, s.measurements) for s in spans]))


def naive(video: Path) -> Answer:
    """The same by the tools at hand, one after the other."""
    from scenedetect import ContentDetector, detect

    scenes = detect(str(video), ContentDetector(min_scene_len=5), start_in_scene=True)
    starts = [scene[0].frame_num for scene in scenes]
    levels, fps = _levels(video)
    shots = []
    for first, stop in zip(starts, [*starts[1:], len(levels)], strict=True):
        luma, sharpness, change = levels[first:stop].T
        frozen = float(np.mean(change[1:] < FROZEN_LEVELS)) if len(change) > 1 else 0.0
        measured = {"luma": luma.mean(), "sharpness": np.median(sharpness), "frozen": frozen}
        shots.append((stop - first, {name: float(value) for name, value in measured.items()}))
    _hashes(video, len(levels))
    return Answer(tuple(starts[1:]), _verdicts(fps, shots))


def _verdicts(fps: float, shots: list[tuple[int, dict[str, float]]]) -> tuple[str | None, ...]:
    config = FilterConfig()
    verdicts = []
    for frames, measured in shots:
        shot = Shot(512, 512, fps, frames, measured)
        if config.duration.judge(shot).kept:
            dropped = first_dropping(FILTERS, config, shot)
            verdicts.append(dropped[0] if dropped else None)
    return tuple(verdicts)


def _levels(video: Path) -> tuple[NDArray[np.float64], float]:
    """Mean luma, Laplacian variance and change of every frame, and the frame rate."""
    capture = cv2.VideoCapture(str(video))
    found: list[tuple[float, float, float]] = []
    before: NDArray[np.uint8] | None = None
    for image in _images(capture):
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        scale = SIDE_PX / max(grey.shape)
        small = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale), np.uint8)
        change = 255.0 if before is None else float(cv2.absdiff(small, before).mean())
        found.append((float(small.mean()), float(cv2.Laplacian(small, cv2.CV_64F).var()), change))
        before = small
    return np.array(found), float(capture.get(cv2.CAP_PROP_FPS))


def _images(capture: cv2.VideoCapture) -> Iterator[NDArray[np.uint8]]:
    while True:
        there, image = capture.read()
        if not there:
            return
        yield np.asarray(image, np.uint8)


def _hashes(video: Path, frames: int) -> list[NDArray[np.bool_]]:
    """Perceptual hashes of the frames that a fingerprint takes; the others are not converted."""
    capture = cv2.VideoCapture(str(video))
    wanted, hashes = set(frame_places(frames)), []
    for index in range(frames):
        capture.grab()
        if index in wanted:
            grey = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2GRAY)
            small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
            low = cv2.dct(small)[:8, :8]
            hashes.append(low > np.median(low))
    return hashes


def _cpu_s(chain: Callable[[Path], object], video: Path) -> float:
    started = time.process_time()
    chain(video)
    return time.process_time() - started


def _row(name: str, frames: int, seconds: NDArray[np.float64]) -> tuple[float, float]:
    luma, ours, chain = seconds
    share, gain = luma / ours, chain / ours
    each = "".join(f"{value * 1e3 / (frames or 1e3):8.2f}" for value in seconds)
    print(f"{name:28}{frames or '':>7}{each}{share:8.2f}{gain:7.2f}")
    return share, gain


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


if __name__ == "__main__":
    main()
