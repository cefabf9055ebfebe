"""Frames a second of BlazePose: `python -m benchmark.perf.blazepose VIDEO`.

The baseline is mediapipe's static mode, which detects in every frame; following the person is
compared with it, on one and two threads a frame and as two estimators side by side.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrfashion.media import decode, probe
from mrfashion.poses.blazepose import BlazePose, BlazePoseConfig

ROUNDS = 3
Clip = list[NDArray[np.uint8]]


def main() -> None:
    """Print decoded frames a second, best of several rounds, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    arguments = parser.parse_args()
    fps = probe(arguments.video).fps
    clip = [frame.image for frame in islice(decode(arguments.video), arguments.frames)]
    entrants = {
        "static, 2 threads": _alone(clip, fps, threads=2, static=True),
        "static, 1 thread": _alone(clip, fps, threads=1, static=True),
        "followed, 2 threads": _alone(clip, fps, threads=2),
        "followed, 1 thread": _alone(clip, fps, threads=1),
        "followed, 2 side by side": _side_by_side(clip, fps),
    }
    best = dict.fromkeys(entrants, float("inf"))
    for _ in range(ROUNDS):  # by turns, so that a busy machine slows all alike
        for name, job in entrants.items():
            best[name] = min(best[name], job())
    baseline = best["static, 2 threads"]
    print(f"{len(clip)} frames of {clip[0].shape[1]}x{clip[0].shape[0]} at {fps:.2f} fps")
    for name, seconds in best.items():
        print(f"{name:26}{1 / seconds:8.1f} frames/s{baseline / seconds:8.2f}x")


def _alone(clip: Clip, fps: float, threads: int, static: bool = False) -> Callable[[], float]:
    """Seconds a frame of one estimator; its networks are loaded before the clock starts."""
    estimator = BlazePose(BlazePoseConfig(static=static), threads)
    estimator.track(clip[:1], fps)
    return lambda: _seconds(lambda: estimator.track(clip, fps), len(clip))


def _side_by_side(clip: Clip, fps: float) -> Callable[[], float]:
    estimators = [BlazePose(), BlazePose()]
    for estimator in estimators:
        estimator.track(clip[:1], fps)

    def work() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda estimator: estimator.track(clip, fps), estimators))

    return lambda: _seconds(work, 2 * len(clip))


def _seconds(work: Callable[[], object], frames: int) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) / frames


if __name__ == "__main__":
    main()
