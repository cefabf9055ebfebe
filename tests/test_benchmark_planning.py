"""What a run says before it starts: how much, how long, how big, and whether it fits."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from benchmark import planning
from benchmark.runner import generate
from benchmark.running import Running
from benchmark.summary import Estimate, Tally, estimate, size_text
from mrfashion.errors import InputRefused
from mrfashion.media import write_lossless

VIDEO = 12 * 64 * 48  # pixels of one of the tiny dataset's
Usage = namedtuple("Usage", "total used free")


def plan_of(dataset: Path, runs: Path, name: str = "still", **running: object) -> Tally:
    how = Running(**running)  # type: ignore[arg-type]
    return generate(dataset, runs, [name], running=how, dry_run=True).entrants[name]


def cost(tally: Tally) -> Estimate:
    assert tally.estimate is not None
    return tally.estimate


def test_a_first_plan_knows_no_time_and_bounds_the_disk(tiny_dataset: Path, tmp_path: Path) -> None:
    first = cost(plan_of(tiny_dataset, tmp_path / "runs"))
    assert (first.seconds, first.measured, first.least_bytes) == (None, False, 0)
    assert 4 * 3 * VIDEO < first.bytes < 4 * 4 * VIDEO
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 7, 9), (12, 64, 48), (2, 256, 192)])
def test_the_bound_holds_for_noise(tmp_path: Path, frames: int, height: int, width: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), np.uint8)
    write_lossless(tmp_path / "noise.mkv", noise, 12.0)
    size = (tmp_path / "noise.mkv").stat().st_size
    assert size < estimate([(frames, height * width)], [], []).bytes


def test_a_later_plan_goes_by_what_the_finished_videos_took(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    generate(tiny_dataset, tmp_path, ["still"], running=Running(limit=1))
    row = json.loads((tmp_path / "generations.jsonl").read_text())
    size = (tmp_path / row["path"]).stat().st_size
    plan = plan_of(tiny_dataset, tmp_path)
    assert (plan.planned, plan.reused, plan.todo) == (4, 1, 3)
    assert cost(plan) == Estimate(pytest.approx(3 * row["seconds"]), 3 * size, True, 3 * size)
    other = cost(plan_of(tiny_dataset, tmp_path, "nearest"))
    assert (other.seconds, other.measured) == (None, False)


def test_estimates_by_hand() -> None:
    """Two videos of 10 frames of 100 pixels, one of 5 of 40: 25 frames, 2200 pixels."""
    videos = [(10, 100), (10, 100), (5, 40)]
    assert estimate(videos, [0.5, 1.5], [1.0, 3.0]) == Estimate(25.0, 4400, True, 2200)
    assert estimate([], [], []) == Estimate(None, 0, False, 0)


def test_a_disk_that_surely_does_not_suffice_refuses_the_run(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> Usage:
        return Usage(10**6, 10**6 - 9000, 9000)

    generate(tiny_dataset, tmp_path, ["still"], running=Running(limit=1))
    monkeypatch.setattr(planning.shutil, "disk_usage", full)
    before = (tmp_path / "generations.jsonl").read_bytes()
    with pytest.raises(InputRefused, match=r"need 2\d\.\d kB or more.*free: 9 kB"):
        generate(tiny_dataset, tmp_path, ["still"])
    assert (tmp_path / "generations.jsonl").read_bytes() == before
    said: list[str] = []
    generate(tiny_dataset, tmp_path / "new", ["still"], tell=said.append)  # it may suffice: it runs
    assert "disk: at most 5" in said[0]
    assert "disk: 9 kB free" in said[0]


def test_the_plan_is_told_before_anything_is_made(tiny_dataset: Path, tmp_path: Path) -> None:
    said: list[tuple[str, bool]] = []
    runs = tmp_path / "runs"
    generate(
        tiny_dataset, runs, ["still"], tell=lambda t: said.append((t, any(runs.rglob("*.mkv"))))
    )
    ((text, made),) = said
    assert "still: 4 planned, 4 to make, 0 reused, 0 failed before" in text
    assert "4 x todo: first attempt" in text
    assert not made


def test_a_limit_is_how_much_to_do_now(tiny_dataset: Path, tmp_path: Path) -> None:
    first = generate(tiny_dataset, tmp_path, ["still"], running=Running(limit=2))
    whole = generate(tiny_dataset, tmp_path, ["still"])
    assert first.task_hash == whole.task_hash
    assert (first.entrants["still"].planned, first.entrants["still"].ok) == (2, 2)
    assert (whole.entrants["still"].reused, whole.entrants["still"].ok) == (2, 2)


def test_a_plan_finds_what_cannot_be_asked(tiny_dataset: Path, tmp_path: Path) -> None:
    dataset = shutil.copytree(tiny_dataset, tmp_path / "dataset")
    (dataset / "clips" / "clip01.mp4").unlink()
    plan = plan_of(dataset, tmp_path / "runs")
    assert (plan.failed, plan.todo) == (1, 3)
    assert plan.reasons["failed: probe.missing"] == 1


def test_sizes_are_for_people() -> None:
    assert [size_text(n) for n in (0, 999, 1500, 3_200_000_000, 5 * 10**15)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "3.2 GB",
        "5e+03 TB",
    ]
