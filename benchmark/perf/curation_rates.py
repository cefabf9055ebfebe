"""What curation costs a frame, stage by stage: `python -m benchmark.perf.curation_rates VIDEO...`

Each video is curated in this process by one worker, and the CPU time of each stage is divided by
the frames; what lies on the disk afterwards likewise. From that follow hours and bytes of a dataset
of 7,000 clips of such footage. Give videos of one shot that no filter drops.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from mrfashion.curation import CurateConfig
from mrfashion.executors import ExecutorConfig
from mrfashion.media import decode
from mrfashion.pipeline import curate
from mrfashion.posing import PoseConfig
from mrfashion.progress import Label

CLIPS, SECONDS, FPS = 7000, 10, 30  # of the dataset that is told about
CONFIG = CurateConfig(poses=PoseConfig(use="estimator"), executor=ExecutorConfig("thread"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, nargs="+")
    chosen = parser.parse_args()
    for video in chosen.videos:
        frames = sum(1 for _ in decode(video))
        with tempfile.TemporaryDirectory() as folder:
            watch = Watch()
            summary = curate([str(video)], folder, CONFIG, workers=1, progress=watch)
            if summary.kept != 1:
                raise SystemExit(f"{video.name}: {summary.kept} clips kept; 1 is needed")
            sizes = {name: bytes_in(Path(folder) / name) for name in ("clips", "stages")}
        print(f"{video.name}: {frames} frames, {video.stat().st_size / frames / 1e3:.1f} kB each")
        whole = CLIPS * SECONDS * FPS
        for stage, cpu_s in watch.cpu_s.items():
            hours = cpu_s / frames * whole / 3600
            print(f"  {stage:12s} {1e3 * cpu_s / frames:8.2f} CPU-ms a frame {hours:9.1f} hours")
        for name, size in sizes.items():
            gigabytes = size / frames * whole / 1e9
            print(f"  {name:12s} {size / frames / 1e3:8.2f} kB a frame {gigabytes:12.1f} GB")


class Watch:
    """A Progress that notes the CPU time of each stage."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}

    def __call__(self, items: Iterable[object], label: Label, total: int) -> Iterator[object]:
        started = time.process_time()
        yield from items
        self.cpu_s[str(label)] = time.process_time() - started


def bytes_in(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
