"""`generate`: resume, independence of order and of shards."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.protocol import TaskOptions
from benchmark.results import GENERATIONS, Generation
from benchmark.runner import generate
from benchmark.running import Running
from mrfashion.artefacts import sha256_file
from mrfashion.errors import (
    ConfigError,
    InputRefused,
    MissingRequirement,
)
from mrfashion.media import read_frames

BOTH = ["still", "nearest"]


def table(runs: Path) -> list[Generation]:
    return GENERATIONS.read(runs / "generations.parquet")


def end_state(runs: Path) -> dict[str, Any]:
    """All that must not depend on how a run went: rows without durations, videos, tasks."""
    files = {
        str(path.relative_to(runs)): path.read_bytes()
        for path in sorted(runs.rglob("*"))
        if path.is_file() and path.name not in (".lock", "run.json", "generations.jsonl")
    }
    del files["generations.parquet"]
    rows = [asdict(replace(row, seconds=None)) for row in table(runs)]
    lines = [json.loads(line) for line in (runs / "generations.jsonl").open()]
    journal = sorted((row["key"], row["status"], row["attempt"]) for row in lines)
    return {"files": files, "rows": rows, "journal": journal}


@pytest.fixture(scope="module")
def undisturbed(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("undisturbed") / "runs"
    generate(tiny_dataset, runs, BOTH)
    return runs


def test_generate_makes_every_video(undisturbed: Path, tiny_dataset: Path) -> None:
    rows = table(undisturbed)
    assert [(row.entrant, row.status) for row in rows] == [("nearest", "ok")] * 4 + [
        ("still", "ok")
    ] * 4
    for row in rows:
        assert row.path is not None
        frames = read_frames(undisturbed / row.path)
        assert frames.shape == (row.frames, row.height, row.width, 3) == (12, 64, 48, 3)
    assert {len(row.reference_ids) for row in rows if row.entrant == "still"} == {1}
    assert {len(row.reference_ids) for row in rows if row.entrant == "nearest"} == {4}
    run = json.loads((undisturbed / "run.json").read_text())["runs"][0]
    assert run["status"] == "complete"
    assert run["environment"]["packages"]["numpy"] == np.__version__


def test_a_second_run_makes_nothing(tiny_dataset: Path, undisturbed: Path) -> None:
    before = end_state(undisturbed)
    summary = generate(tiny_dataset, undisturbed, BOTH)
    for tally in summary.entrants.values():
        assert (tally.planned, tally.reused, tally.ok, tally.failed) == (4, 4, 0, 0)
    assert end_state(undisturbed) == before


def test_order_and_shards_change_nothing(
    tiny_dataset: Path, undisturbed: Path, tmp_path: Path
) -> None:
    for index in (2, 0, 1):
        generate(tiny_dataset, tmp_path, BOTH[::-1], running=Running(shard=(index, 3)))
    state, other = end_state(tmp_path), end_state(undisturbed)
    tasks = [json.loads(files.pop("task.json")) for files in (state["files"], other["files"])]
    assert tasks[0]["task_hash"] == tasks[1]["task_hash"]
    assert state == other


def test_shards_of_two_folders_merge(tiny_dataset: Path, undisturbed: Path, tmp_path: Path) -> None:
    for index in range(2):
        generate(tiny_dataset, tmp_path / str(index), BOTH, running=Running(shard=(index, 2)))
    merged = tmp_path / "0"
    shutil.copytree(tmp_path / "1" / "videos", merged / "videos", dirs_exist_ok=True)
    with (merged / "generations.jsonl").open("a") as journal:
        journal.write((tmp_path / "1" / "generations.jsonl").read_text())
    summary = generate(tiny_dataset, merged, BOTH)
    assert all(tally.reused == 4 for tally in summary.entrants.values())
    assert end_state(merged)["rows"] == end_state(undisturbed)["rows"]


def test_a_dry_run_writes_nothing_and_counts_right(tiny_dataset: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert generate(tiny_dataset, runs, BOTH, dry_run=True).entrants["still"].todo == 4
    assert not runs.exists()
    generate(tiny_dataset, runs, ["still"])
    before = end_state(runs)
    summary = generate(tiny_dataset, runs, BOTH, dry_run=True)
    assert summary.entrants["still"].reused == 4
    assert summary.entrants["nearest"].todo == 4
    assert end_state(runs) == before


def test_force_makes_finished_videos_again(tiny_dataset: Path, tmp_path: Path) -> None:
    generate(tiny_dataset, tmp_path, ["still"])
    before = {row.sample_id: row.video_sha256 for row in table(tmp_path)}
    assert (
        generate(tiny_dataset, tmp_path, ["still"], running=Running(force=True))
        .entrants["still"]
        .ok
        == 4
    )
    assert {row.sample_id: row.video_sha256 for row in table(tmp_path)} == before


def test_a_limited_run_is_another_task(
    tiny_dataset: Path, undisturbed: Path, tmp_path: Path
) -> None:
    limited = generate(tiny_dataset, tmp_path, ["still"], TaskOptions(limit=2))
    assert limited.entrants["still"].planned == 2
    full = generate(tiny_dataset, undisturbed, ["still"])
    assert limited.task_hash != full.task_hash
    with pytest.raises(InputRefused, match="limit: 2 there, None now"):
        generate(tiny_dataset, tmp_path, ["still"])


def test_another_size_is_letterboxed_into_the_asked_one(tiny_dataset: Path, tmp_path: Path) -> None:
    generate(tiny_dataset, tmp_path, ["still"], TaskOptions(size=(32, 40)))
    row = table(tmp_path)[0]
    assert (row.height, row.width) == (32, 40)
    assert row.path is not None
    assert read_frames(tmp_path / row.path).shape == (12, 32, 40, 3)


def test_what_a_killed_run_left_half_written_is_swept(tiny_dataset: Path, tmp_path: Path) -> None:
    generate(tiny_dataset, tmp_path, ["still"])
    half = tmp_path / "videos" / "still" / ".sample-clip00-0a1b2c3d.4242-1399.mkv"
    half.write_bytes(b"half")
    generate(tiny_dataset, tmp_path, ["still"])
    assert not half.exists()


def test_a_folder_without_its_task_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    generate(tiny_dataset, tmp_path, ["still"])
    (tmp_path / "task.json").unlink()
    with pytest.raises(InputRefused, match=r"without task\.json"):
        generate(tiny_dataset, tmp_path, ["still"])


@pytest.mark.parametrize("text", ["", "[]", '{"runs": 3}'])
def test_a_damaged_run_log_is_refused(tiny_dataset: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputRefused, match=r"run\.json"):
        generate(tiny_dataset, tmp_path, ["still"])


@pytest.mark.parametrize("shard", [(1, 1), (-1, 2), (0, 0)])
def test_a_shard_that_does_not_exist_is_refused(
    tiny_dataset: Path, tmp_path: Path, shard: tuple[int, int]
) -> None:
    with pytest.raises(ConfigError, match="shard"):
        generate(tiny_dataset, tmp_path, ["still"], running=Running(shard=shard))


def test_a_device_that_is_not_there_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cuda:N"):
        generate(tiny_dataset, tmp_path, ["still"], running=Running(device="gpu"))
    with pytest.raises(MissingRequirement, match="cuda:99"):
        generate(tiny_dataset, tmp_path, ["still"], running=Running(device="cuda:99"))


@pytest.mark.parametrize("damage", ["truncated", "altered", "deleted"])
def test_a_damaged_video_is_found_and_made_again(
    tiny_dataset: Path, tmp_path: Path, damage: str
) -> None:
    generate(tiny_dataset, tmp_path, ["still"])
    before = {row.sample_id: row.video_sha256 for row in table(tmp_path)}
    path = tmp_path / str(table(tmp_path)[2].path)
    data = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    else:
        middle = len(data) // 2
        path.write_bytes(
            data[:middle] + (b"" if damage == "truncated" else b"x" + data[middle + 1 :])
        )
    tally = generate(tiny_dataset, tmp_path, ["still"]).entrants["still"]
    assert (tally.reused, tally.ok) == (3, 1)
    assert sha256_file(path) == before["sample-clip02"]
    assert {row.sample_id: row.video_sha256 for row in table(tmp_path)} == before
