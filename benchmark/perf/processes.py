"""What two processes lose to the executor: `python -m benchmark.perf.processes VIDEO...`

Every round lets two bare processes, and then the executor's two, work on the same videos: decode
them to luma, and survey them as a stage with its journal. Wall time says what a run takes on this
machine, beside whatever else runs here; CPU time (workers and main process) does not depend on it.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mrfashion.executors import Failed, Value
from mrfashion.limits import LIMITS
from mrfashion.media import open_planes
from mrfashion.processes import Processes
from mrfashion.progress import silent
from mrfashion.shots import ShotConfig
from mrfashion.stages import Item, Stage
from mrfashion.survey import survey

WORKERS = 2
Work = Callable[[Path], Value]


@dataclass(frozen=True)
class Took:
    """Seconds of one way to do the work."""

    wall_s: float = math.inf
    cpu_s: float = math.inf

    def best(self, other: Took) -> Took:
        """The lesser of each."""
        return Took(min(self.wall_s, other.wall_s), min(self.cpu_s, other.cpu_s))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2, help="of the videos, a process and round")
    chosen = parser.parse_args()
    share = chosen.videos * chosen.repeats
    best: dict[str, Took] = {}
    with Processes(WORKERS) as pool:
        for _ in range(chosen.rounds):
            for name, work in (("decode to luma", to_luma), ("survey", surveyed)):
                for how, took in (
                    (f"{name}, bare", bare(work, share)),
                    (f"{name}, executor", staged(pool, work, share * WORKERS)),
                ):
                    best[how] = best.get(how, Took()).best(took)
    for how, took in best.items():
        print(f"{how:28s} {took.wall_s:7.2f} s {took.cpu_s:7.2f} CPU-s")
    for name in ("decode to luma", "survey"):
        bare_, ours = best[f"{name}, bare"], best[f"{name}, executor"]
        wall, cpu = bare_.wall_s / ours.wall_s, bare_.cpu_s / ours.cpu_s
        print(f"{name}: the executor reaches {wall:.0%} of two bare processes, {cpu:.0%} by CPU")


def to_luma(path: Path) -> Value:
    """Decode, and look at each luma plane: what no survey can do without."""
    with open_planes(path, LIMITS) as (_, frames):
        return {"levels": sum(int(planes.y[0, 0]) for planes in frames)}


def surveyed(path: Path) -> Value:
    """The survey stage's work."""
    return survey(path, "0" * 64, ShotConfig().chosen())


def bare(work: Work, share: Sequence[Path]) -> Took:
    """Two processes that do the same share each, with nothing around it."""
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(WORKERS), spawn.Queue()
    crew = [spawn.Process(target=_bare, args=(work, share, start, answers)) for _ in range(WORKERS)]
    for process in crew:
        process.start()
    took = [answers.get() for _ in crew]
    for process in crew:
        process.join()
    return Took(max(t.wall_s for t in took), sum(t.cpu_s for t in took))


def _bare(work: Work, share: Sequence[Path], start: Any, answers: Any) -> None:
    import cv2

    cv2.setNumThreads(1)
    work(share[0])  # libraries are loaded before the clock starts
    start.wait()
    wall, cpu = time.perf_counter(), time.process_time()
    for path in share:
        work(path)
    answers.put(Took(time.perf_counter() - wall, time.process_time() - cpu))


def staged(pool: Processes, work: Work, videos: Sequence[Path]) -> Took:
    """The same through a stage: the executor, its pipes, and a journal that is fsynced."""
    for _, ended in pool.map(partial(_timed, work=work), videos[:WORKERS]):
        if isinstance(ended, Failed):
            raise SystemExit(ended.text + ended.trace)
    items = [Item(f"{n}", f"{n}", n, path) for n, path in enumerate(videos)]
    with tempfile.TemporaryDirectory() as root:
        stage = Stage(Path(root), "perf", 1, None, partial(_timed, work=work))
        wall, cpu = time.perf_counter(), time.process_time()
        outcome = stage.run(items, progress=silent, executor=pool)
        wall_s, main_s = time.perf_counter() - wall, time.process_time() - cpu
        return Took(wall_s, main_s + sum(v["cpu_s"] for v in outcome.values.values()))


def _timed(path: Path, work: Work) -> Value:
    cpu = time.process_time()
    value = work(path)
    return {**value, "cpu_s": time.process_time() - cpu}


if __name__ == "__main__":
    from benchmark.perf import processes  # workers know modules, not scripts

    processes.main()
