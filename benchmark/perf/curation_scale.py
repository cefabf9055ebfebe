"""A dataset of many tiny clips, built twice: python -m benchmark.perf.curation_scale --clips 7000

Says how long each stage takes, how much memory the main process and its workers need, how much more
than for 200 clips, how many bytes are written, and whether the second build, from nothing, gives
the same tables. The clips are rendered once, beside the builds.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mrfashion.curation import CurateConfig
from mrfashion.executors import Failed, Value
from mrfashion.filters import FilterConfig
from mrfashion.filters.technical import Resolution
from mrfashion.pipeline import curate
from mrfashion.posing import PoseConfig
from mrfashion.processes import Processes
from mrfashion.progress import Label, track
from mrfashion.samples import SampleConfig
from mrfashion.sources.turntable.clips import ClipPlan, TurntableConfig, clip_plan
from mrfashion.sources.turntable.source import TurntableSource

FEW = 200  # clips, after which memory should hardly grow
A_GROUP = 2  # clips
TURNTABLE = TurntableConfig(
    clips_per_group=A_GROUP, frames=16, fps=8, height=48, width=36, flow=False
)
CONFIG = CurateConfig(
    filters=FilterConfig(resolution=Resolution(min_side_px=36)),
    poses=PoseConfig(use="sidecar"),
    samples=SampleConfig(frames=8),
)


@dataclass(frozen=True)
class Cost:
    """What a build took."""

    kept: int
    wall_s: float
    cpu_s: float  # of all processes
    stages_s: dict[str, int]
    main_mb: float
    worker_mb: float
    bytes: int = 0  # in the dataset's folder

    def say(self, name: str) -> None:
        """Report it."""
        say(name, f"{self.kept} clips, {self.wall_s:.0f} s, {self.cpu_s:.0f} CPU-s")
        say("  seconds by stage", ", ".join(f"{k} {v}" for k, v in self.stages_s.items()))
        say("  peak memory", f"main {self.main_mb:.0f} MB, worker {self.worker_mb:.0f} MB")
        say("  bytes", f"{self.bytes / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=7000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--builds", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("scale-out"), help="goes on in it")
    chosen = parser.parse_args()
    footage = chosen.folder / f"footage-{chosen.clips}"
    render(chosen.clips, footage, chosen.workers)
    if not chosen.builds:
        return
    few, _ = build(chosen.folder / "few", footage, chosen.workers, limit=FEW)
    few.say(f"{FEW} clips")
    built = []
    for number in range(chosen.builds):
        cost, tables = build(chosen.folder / f"build-{number}", footage, chosen.workers)
        cost.say(f"build {number}")
        say("  growth of main after the first few", f"{cost.main_mb - few.main_mb:.0f} MB")
        built.append(tables)
    for again in built[1:]:
        differ = [name for name in {*again, *built[0]} if again.get(name) != built[0].get(name)]
        say("tables that differ", ", ".join(sorted(differ)) or f"none of {len(again)}")


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


def build(
    dataset: Path, footage: Path, workers: int, limit: int | None = None
) -> tuple[Cost, dict[str, bytes]]:
    """Build from nothing, in a process of its own => what it cost, and the tables."""
    shutil.rmtree(dataset, ignore_errors=True)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as alone:
        cost = alone.submit(measure, dataset, footage, workers, limit).result()
    files = [path for path in dataset.rglob("*") if path.is_file()]
    cost = replace(cost, bytes=sum(path.stat().st_size for path in files))
    return cost, {
        str(p.relative_to(dataset)): p.read_bytes() for p in files if p.suffix == ".parquet"
    }


def measure(dataset: Path, footage: Path, workers: int, limit: int | None) -> Cost:
    """One build in this process."""
    watch = Watch()
    started = time.monotonic()
    summary = curate([str(footage)], dataset, CONFIG, workers=workers, limit=limit, progress=watch)
    wall_s = time.monotonic() - started
    cpu_s = sum(sum(resource.getrusage(who)[:2]) for who in WHO)
    return Cost(summary.kept, wall_s, cpu_s, watch.seconds, peak_mb(os.getpid()), watch.worker_mb)


WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


class Watch:
    """A Progress that notes how long each stage takes, and the peak of the largest worker."""

    def __init__(self) -> None:
        self.seconds: dict[str, int] = {}
        self.worker_mb = 0.0

    def __call__(self, items: Iterable[object], label: Label, total: int) -> Iterator[object]:
        started = time.monotonic()
        yield from items
        self.seconds[str(label)] = round(time.monotonic() - started)
        peaks = [peak_mb(child.pid or 0) for child in multiprocessing.active_children()]
        self.worker_mb = max([self.worker_mb, *peaks])


def peak_mb(pid: int) -> float:
    """The most memory a running process has held, libraries included."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def say(what: str, value: str) -> None:
    """A line of the report."""
    print(f"{what:36s} {value}", flush=True)


if __name__ == "__main__":
    from benchmark.perf import curation_scale  # workers know modules, not scripts

    curation_scale.main()
