"""A dataset of many tiny clips, built twice: python -m benchmark.perf.curation_scale --clips 7000

Says how long each stage takes, how much memory the main process and its workers need, how much the
main process grows after clip 200, how many bytes are written, and whether the second build, from
nothing, gives the same bytes. The clips are rendered once, beside the builds.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from mrfashion.executors import Failed, Value
from mrfashion.filters import FilterConfig
from mrfashion.filters.technical import Resolution
from mrfashion.pipeline import CurateConfig, curate
from mrfashion.posing import PoseConfig
from mrfashion.processes import Processes
from mrfashion.progress import Label, track
from mrfashion.samples import SampleConfig
from mrfashion.sources.turntable.clips import ClipPlan, TurntableConfig, clip_plan
from mrfashion.sources.turntable.source import TurntableSource

WARM = 200  # clips, after which memory should hardly grow
A_GROUP = 2  # clips
TURNTABLE = TurntableConfig(
    clips_per_group=A_GROUP, frames=16, fps=8, height=48, width=36, flow=False
)
CONFIG = CurateConfig(
    filters=FilterConfig(resolution=Resolution(min_side_px=36)),
    poses=PoseConfig(use="sidecar"),
    samples=SampleConfig(frames=8),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=7000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--builds", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("scale-out"), help="goes on in it")
    chosen = parser.parse_args()
    footage = chosen.folder / f"footage-{chosen.clips}"
    render(chosen.clips, footage, chosen.workers)
    built = [build(chosen.folder / f"build-{n}", footage, chosen) for n in range(chosen.builds)]
    for again in built[1:]:
        differ = [
            path for path in sorted({*again, *built[0]}) if again.get(path) != built[0].get(path)
        ]
        say("tables that differ between builds", ", ".join(differ) or f"none of {len(again)}")


def render(clips: int, footage: Path, workers: int) -> None:
    """Draw the clips, unless they are there."""
    plans = clip_plan(replace(TURNTABLE, groups=-(-clips // A_GROUP)))[:clips]
    started = time.monotonic()
    with Processes(workers) as pool:
        for _, ended in track(pool.map(partial(draw, footage=footage), plans), "render", clips):
            if isinstance(ended, Failed):
                raise SystemExit(f"{ended.text}\n{ended.trace}")
    say("rendering", f"{time.monotonic() - started:.0f} s")


def draw(plan: ClipPlan, footage: Path) -> Value:
    """One clip with its sidecar."""
    return {"path": str(TurntableSource(TURNTABLE).clip(plan, footage).path)}


def build(dataset: Path, footage: Path, chosen: argparse.Namespace) -> dict[str, bytes]:
    """Build in a process of its own, whose memory is its own => the tables."""
    shutil.rmtree(dataset, ignore_errors=True)
    job = (dataset, footage, chosen.workers)
    process = multiprocessing.get_context("spawn").Process(target=measure, args=job)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the build ended with {process.exitcode}")
    files = [path for path in dataset.rglob("*") if path.is_file()]
    say("bytes in the dataset's folder", f"{sum(p.stat().st_size for p in files) / 1e6:.1f} MB")
    return {str(p.relative_to(dataset)): p.read_bytes() for p in files if p.suffix == ".parquet"}


def measure(dataset: Path, footage: Path, workers: int) -> None:
    """One build, and what it cost."""
    watch = Watch()
    started = time.monotonic()
    summary = curate([str(footage)], dataset, CONFIG, workers=workers, progress=watch)
    say("build", f"{time.monotonic() - started:.0f} s, {summary.kept} clips kept")
    own, theirs = (resource.getrusage(who).ru_maxrss / 1024 for who in WHO)
    say("stages, seconds", json.dumps(watch.seconds))
    say("peak of the main process", f"{own:.0f} MB")
    say(f"its growth after clip {WARM}", f"{own - watch.warm:.0f} MB")
    say("peak of the largest worker", f"{theirs:.0f} MB")


WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


class Watch:
    """A Progress that notes times, and the memory at clip 200 of the first stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, int] = {}
        self.warm = 0.0  # MB

    def __call__(self, items: Iterable[object], label: Label, total: int) -> Iterator[object]:
        started = time.monotonic()
        for number, item in enumerate(items, 1):
            yield item
            if number == min(WARM, total) and not self.warm:
                self.warm = resident_mb()
        self.seconds[str(label)] = round(time.monotonic() - started)


def resident_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def say(what: str, value: str) -> None:
    """A line of the report."""
    print(f"{what:36s} {value}", flush=True)


if __name__ == "__main__":
    main()
