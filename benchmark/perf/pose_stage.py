"""What BlazePose costs beside its networks: `python -m benchmark.perf.pose_stage VIDEO...`

The baseline replays, without anything around them, the very network calls that posing the video
made. The estimator works on frames in memory; the stage decodes the clip and writes its keypoints
as well. CPU seconds on one thread, each by turns, the fastest kept.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from mrfashion.crops import whole
from mrfashion.media import probe, read_frames, write_clip
from mrfashion.poses.blazepose import BlazePose
from mrfashion.poses.blazepose_networks import Network
from mrfashion.posing import PoseConfig, Poser
from mrfashion.shot import KeptShot
from mrfashion.sources.source import Source
from mrfashion.survey import Span

Call = tuple[Network, NDArray[np.float32]]  # and what it was given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    totals = {"networks": 0.0, "estimator": 0.0, "stage": 0.0}
    for video in chosen.videos:
        with TemporaryDirectory() as root:
            frames, best = compared(video, Path(root), chosen.frames, chosen.rounds)
        totals = {name: totals[name] + best[name] for name in totals}
        rates = ", ".join(f"{name} {frames / s:.1f} frames/CPU-s" for name, s in best.items())
        print(f"{video.name}: {rates}")
    for name in ("estimator", "stage"):
        print(f"the {name} reaches {totals['networks'] / totals[name]:.0%} of the bare networks")


def compared(video: Path, root: Path, frames: int, rounds: int) -> tuple[int, dict[str, float]]:
    """Frames of a clip, and CPU seconds of the bare networks, the estimator and the stage."""
    shot, count = encoded(video, root, frames)
    poser = Poser(root, PoseConfig(use="estimator"))
    images = read_frames(root / shot.path)
    estimator = BlazePose()
    calls = recorded(lambda: estimator.track(images, shot.info.fps))
    jobs: dict[str, Callable[[], object]] = {
        "networks": lambda: [network.run(image) for network, image in calls],
        "estimator": lambda: estimator.track(images, shot.info.fps),
        "stage": lambda: poser.pose((shot, "blazepose")),
    }
    best = dict.fromkeys(jobs, math.inf)
    for _ in range(rounds):
        for name, job in jobs.items():
            started = time.process_time()
            job()
            best[name] = min(best[name], time.process_time() - started)
    return count, best


def encoded(video: Path, root: Path, frames: int) -> tuple[KeptShot, int]:
    """The first frames of a video as the clip of a dataset."""
    info = probe(video)
    images = read_frames(video)[:frames]
    span = Span("clip", 0, len(images) - 1, 0, len(images) - 1, {}, "")
    source = Source("perf/clip", video)
    shot = KeptShot(source, "0" * 64, len(images), info, span, whole(info))
    write_clip(root / shot.path, images, info.fps)
    return shot, len(images)


def recorded(job: Callable[[], object]) -> list[Call]:
    """The network calls that a job makes."""
    calls: list[Call] = []

    def note(network: Network, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        calls.append((network, image))
        return run(network, image)

    run = Network.run
    with patch.object(Network, "run", note):
        job()
    return calls


if __name__ == "__main__":
    main()
