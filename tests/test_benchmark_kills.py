"""SIGKILL at random moments, of the run and of its makers: in the end as if nothing had happened.

MRFASHION_KILLS=60 kills so often, in runs of 200 requests in place of 8.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from benchmark.results import GENERATIONS
from tests.conftest import write_dataset

KILLS = int(os.environ.get("MRFASHION_KILLS", "3"))
LONG = "MRFASHION_KILLS" in os.environ
ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
import sys
from benchmark.runner import generate
from benchmark.running import Running
import mrfashion.environment, cv2, av
if __name__ == "__main__":
    print("ready", flush=True)
    generate(sys.argv[1], sys.argv[2], ["still", "nearest"], running=Running(device=sys.argv[3]))
"""


@pytest.fixture(scope="module")
def dataset(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 4 samples, two entrants make 8 requests; of 100, 200."""
    return write_dataset(tmp_path_factory.mktemp("many"), groups=50) if LONG else tiny_dataset


@pytest.fixture(scope="module")
def calm(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run in peace, and its seconds."""
    runs = tmp_path_factory.mktemp("calm") / "runs"
    began = time.monotonic()
    assert start(dataset, runs, "cpu").wait() == 0
    return runs, time.monotonic() - began


def start(dataset: Path, runs: Path, device: str) -> subprocess.Popen[str]:
    script = runs.parent / "run.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(script), str(dataset), str(runs), device],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def makers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        children = psutil.Process(process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def table(runs: Path, *, attempts: bool) -> bytes:
    """Bytes of the table without its durations; a maker that was killed costs an attempt."""
    rows = GENERATIONS.read(runs / "generations.parquet")
    timeless = [replace(r, seconds=None, attempt=r.attempt if attempts else 1) for r in rows]
    return json.dumps([asdict(row) for row in timeless], sort_keys=True).encode()


def videos(runs: Path) -> dict[str, bytes]:
    return {str(p.relative_to(runs)): p.read_bytes() for p in sorted(runs.rglob("*.mkv"))}


def statuses(runs: Path) -> Counter[tuple[str, str]]:
    rows = [json.loads(line) for line in (runs / "generations.jsonl").open()]
    return Counter((row["key"], row["status"]) for row in rows)


def require_alike(runs: Path, calm: Path, *, attempts: bool) -> None:
    assert videos(runs) == videos(calm)
    assert table(runs, attempts=attempts) == table(calm, attempts=attempts)
    ok = {key: n for key, n in statuses(runs).items() if key[1] == "ok"}
    assert ok == statuses(calm)
    assert set(ok.values()) == {1}
    assert not [path for path in runs.rglob(".*") if path.name != ".lock"]


def test_kills_of_the_run_change_nothing(
    dataset: Path, calm: tuple[Path, float], tmp_path: Path
) -> None:
    rng, kills, folder = random.Random(0), 0, 0
    runs = tmp_path / "killed0"
    while kills < KILLS:
        process = start(dataset, runs, "cpu")
        time.sleep(rng.uniform(0, calm[1] / (8 if LONG else 1)))
        process.kill()
        killed = process.wait() == -signal.SIGKILL
        kills += killed
        if not killed:  # it had finished: check it, and go on in a fresh folder
            require_alike(runs, calm[0], attempts=True)
            folder += 1
            runs = tmp_path / f"killed{folder}"
    assert start(dataset, runs, "cpu").wait() == 0
    require_alike(runs, calm[0], attempts=True)
    assert set(statuses(runs).values()) == {1}
    print(f"{kills} kills, {folder + 1} folders")


def test_kills_of_the_run_and_its_makers_leave_every_video_once(
    dataset: Path, calm: tuple[Path, float], tmp_path: Path
) -> None:
    rng, killed, folder = random.Random(1), Counter[str](), 0
    runs = tmp_path / "killed0"
    while killed.total() < KILLS:
        process = start(dataset, runs, "cpu,cpu")
        while process.poll() is None and killed.total() < KILLS:
            time.sleep(rng.uniform(0, 2.0))
            hands = makers(process)
            if hands and rng.random() < 0.7:
                rng.choice(hands).kill()
                killed["makers"] += 1
            elif rng.random() < 0.5:
                process.kill()
                killed["runs"] += process.wait() == -signal.SIGKILL
                _, alive = psutil.wait_procs(hands, timeout=10)
                assert not alive  # none is left that holds a card
        if process.wait() == 0 and (runs / "generations.parquet").exists():
            folder += finish(dataset, runs, calm[0])
            runs = tmp_path / f"killed{folder}"
    finish(dataset, runs, calm[0])
    print(f"{dict(killed)} kills, {folder + 1} folders")


def finish(dataset: Path, runs: Path, calm: Path) -> int:
    """Run until nothing is failed; in peace, once more is enough."""
    assert start(dataset, runs, "cpu,cpu").wait() == 0
    require_alike(runs, calm, attempts=False)
    return 1
