"""Curation killed again and again: python -m benchmark.soak.curation --kills 50

From a checkout, with the `dev` extra. A dataset is built from rendered clips, a folder, a tar of a
published dataset and a list on a local web server; once in peace, and once with SIGKILL at random
moments: to the command, or now and then to one of its workers. What both leave must be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

CONFIG = """
[executor]
kind = "{kind}"
[web]
private_addresses = true
between_s = 0.0
backoff_s = 0.05
[poses]
use = "sidecar"
[turntable]
groups = 2
frames = 12
fps = 6
height = 48
width = 36
flow = false
[filters.resolution]
min_side_px = 36
[filters.sharpness]
min_variance = 1.0
[splits]
train = 0.5
val = 0.0
test = 0.5
[samples]
frames = 8
splits = ["test"]
"""
A_WORKER = 0.3  # share of the kills that hit a worker first: its item fails, to be tried again


@dataclass(frozen=True)
class Soaked:
    """What became of the build."""

    commands_killed: int
    workers_killed: int
    differing: list[str]  # files of the dataset that are not those of the peaceful build
    left_over: list[str]  # temporary files
    repeated: list[str]  # work that was done twice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        soaked = soak(Path(folder), chosen.kills, chosen.seed)
    print(f"{soaked.commands_killed} commands and {soaked.workers_killed} workers were killed")
    print(f"in {time.monotonic() - started:.0f} s")
    wrong = False
    for what in ("differing", "left_over", "repeated"):
        names: list[str] = getattr(soaked, what)
        print(f"{what.replace('_', ' ')}: {', '.join(names) or 'nothing'}")
        wrong |= bool(names)
    sys.exit(wrong)


def soak(folder: Path, kills: int, seed: int, *, quick: bool = False) -> Soaked:
    """Build in peace and under fire, and compare; quick: in threads, and without rendering."""
    rng = random.Random(seed)
    (folder / "small.toml").write_text(CONFIG.format(kind="thread" if quick else "process"))
    with inputs(folder) as sources:
        sources = sources if quick else ["turntable", *sources]
        command = [sys.executable, "-m", "mrfashion", "curate", *sources, "--workers", "2"]
        command += ["--config", str(folder / "small.toml"), "--out"]
        calm, out = folder / "calm", folder / "killed"
        quietly([*command, str(calm)])
        whole, killed = progress(calm), [0, 0]
        for number in range(kills):
            # By what is done, not by the clock: a busy machine would shift every moment.
            goal = whole * (number + rng.random()) / (kills + 1)
            command_hit, worker_hit = interrupted([*command, str(out)], goal, rng)
            killed = [killed[False] + command_hit, killed[True] + worker_hit]
        quietly([*command, str(out)])
        if killed[True]:  # the run may have gone on where the worker's item had failed
            quietly([*command, str(out)])
    ours, theirs = dataset_files(out), dataset_files(calm)
    return Soaked(
        commands_killed=killed[False],
        workers_killed=killed[True],
        differing=sorted(n for n in {*ours, *theirs} if ours.get(n) != theirs.get(n)),
        left_over=[p.name for p in out.rglob(".*") if p.is_file() and p.name != ".lock"],
        repeated=repeated(out),
    )


@contextmanager
def inputs(folder: Path) -> Iterator[list[str]]:
    """Sources of three kinds, some of them broken; the list's server runs meanwhile."""
    from mrfashion.poses.sidecar import sidecar_path
    from tests.footage import write_footage
    from tests.media_server import Page, serving_media

    shop, published, shown = folder / "shop", folder / "published", folder / "shown"
    for number in range(4):
        write_footage(shop, f"clip{number}", number, group=f"dress{number // 2}")
    (shop / "copy.mp4").write_bytes((shop / "clip0.mp4").read_bytes())
    (shop / "broken.mp4").write_bytes(b"no video" * 99)
    published.mkdir()
    with tarfile.open(published / "part.tar", "w") as tar:
        for number in (5, 6):
            path = write_footage(shown, f"clip{number}", number)
            for file in (path, sidecar_path(path)):
                tar.add(file, file.name)
    with serving_media() as server:
        names = ["clip7", "clip8"]
        for number, name in enumerate(names, 7):
            body = write_footage(shown, name, number).read_bytes()
            server.pages[f"/{name}.mp4"] = Page(body, broken=1)
        rows = [f"{server.url}/{name}.mp4,{name}" for name in [*names, "missing"]]
        (folder / "list.csv").write_text("\n".join(["url,id", *rows]) + "\n")
        lists = [f"hub:{published}", f"url_list:{folder / 'list.csv'}"]
        yield [str(shop), *lists]


def quietly(command: list[str]) -> None:
    """A run that is left alone; some of its items fail, and it says so."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")


def interrupted(command: list[str], goal: float, rng: random.Random) -> tuple[bool, bool]:
    """Run until so much is done, and kill it, now and then a worker first => who was hit."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and progress(Path(command[-1])) < goal:
        time.sleep(0.005)
    worker_hit = False
    if rng.random() < A_WORKER:
        for worker in workers(process.pid)[:1]:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
                worker_hit = True
    time.sleep(rng.uniform(0, 0.2))
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL, worker_hit


def workers(pid: int) -> list[int]:
    """Processes that a command spawned to work, the latest first."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and "spawn_main" in (folder / "cmdline").read_text():
                found.append(int(folder.name))
    return sorted(found, reverse=True)


def progress(root: Path) -> int:
    """How far a build is: its files and the rows of its journals, which grow meanwhile."""
    count = 0
    for folder, _, names in os.walk(root):
        count += len(names)
        for name in names:
            if name.endswith(".jsonl"):
                with suppress(OSError):
                    count += Path(folder, name).read_bytes().count(b"\n")
    return count


def dataset_files(root: Path) -> dict[str, bytes]:
    """What the dataset is: tables and clips."""
    files = [*root.rglob("*.parquet"), *(root / "clips").glob("*"), root / "mrfashion.json"]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def repeated(root: Path) -> list[str]:
    """Keys that a journal holds as done more often than it lost them."""
    wrong = []
    for journal in root.rglob("*.jsonl"):
        balance: dict[str, int] = {}
        for line in journal.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            step = {"ok": 1, "lost": -1}.get(row["status"], 0)
            balance[row["key"]] = balance.get(row["key"], 0) + step
        wrong += [f"{journal.name}:{key}" for key, done in balance.items() if done > 1]
    return wrong


if __name__ == "__main__":
    main()
