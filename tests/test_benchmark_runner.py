"""`generate`: resume, failures as rows, independence of order, shards and kills."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from baselines.still import Still
from benchmark import entrants
from benchmark.attempts import without_places
from benchmark.commands import mount
from benchmark.protocol import TaskOptions
from benchmark.results import GENERATIONS, Generation
from benchmark.runner import generate
from mrfashion.errors import (
    ConfigError,
    InputRefused,
    MissingRequirement,
    MRFashionError,
)
from mrfashion.generation import Request, Result, Unsupported
from mrfashion.media import read_frames

KILLS = int(os.environ.get("MRFASHION_KILLS", "6"))
ROOT = Path(__file__).resolve().parent.parent
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


class Faulty(Still):
    """Fails in the way that its class attribute says, at one sample."""

    info = replace(Still.info, name="faulty")
    fault: Any = None
    requests = 0

    def generate(self, request: Request) -> Result:
        type(self).requests += 1
        result = super().generate(request)
        if self.fault is None or request.sample_id != "sample-clip01":
            return result
        return type(self).fault(result)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> type[Faulty]:
    made = type("Made", (Faulty,), {"fault": None, "requests": 0})
    monkeypatch.setitem(entrants.ENTRANTS, "faulty", made)
    return made


def fails_with(error: BaseException) -> Any:
    def fault(result: Result) -> Result:
        raise error

    return staticmethod(fault)


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
        generate(tiny_dataset, tmp_path, BOTH[::-1], shard=(index, 3))
    state, other = end_state(tmp_path), end_state(undisturbed)
    tasks = [json.loads(files.pop("task.json")) for files in (state["files"], other["files"])]
    assert tasks[0]["task_hash"] == tasks[1]["task_hash"]
    assert state == other


def test_shards_of_two_folders_merge(tiny_dataset: Path, undisturbed: Path, tmp_path: Path) -> None:
    for index in range(2):
        generate(tiny_dataset, tmp_path / str(index), BOTH, shard=(index, 2))
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
    assert generate(tiny_dataset, tmp_path, ["still"], force=True).entrants["still"].ok == 4
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


def test_an_unsupported_sample_is_a_row_and_stays_one(
    tiny_dataset: Path, tmp_path: Path, faulty: type[Faulty]
) -> None:
    faulty.fault = fails_with(Unsupported("too short a skirt"))
    first = generate(tiny_dataset, tmp_path, ["faulty"])
    assert (first.failed, first.entrants["faulty"].ok) == (1, 3)
    (row,) = [row for row in table(tmp_path) if row.status == "failed"]
    assert (row.sample_id, row.error) == ("sample-clip01", "generate.unsupported")
    assert row.path is None
    assert row.seconds is None
    faulty.requests = 0
    assert generate(tiny_dataset, tmp_path, ["faulty"]).failed == 1
    assert faulty.requests == 0


def test_a_bug_is_a_row_a_log_and_tried_again(
    tiny_dataset: Path, tmp_path: Path, faulty: type[Faulty], caplog: pytest.LogCaptureFixture
) -> None:
    faulty.fault = fails_with(OSError(f"no file {tmp_path}/deep/weights.bin for {os.getpid()}"))
    assert generate(tiny_dataset, tmp_path, ["faulty"]).entrants["faulty"].failed == 1
    (row,) = [row for row in table(tmp_path) if row.status == "failed"]
    assert row.error == "internal.bug"
    assert row.error_text == "OSError: no file weights.bin for PID"
    assert "Traceback" in caplog.text
    faulty.fault = None
    again = generate(tiny_dataset, tmp_path, ["faulty"])
    assert (again.failed, again.entrants["faulty"].ok) == (0, 1)
    assert {row.attempt for row in table(tmp_path)} == {1, 2}


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, frames=r.frames[1:]),
        lambda r: replace(r, frames=r.frames / np.float32(255)),
        lambda r: replace(r, fps=8.0),
        lambda r: replace(r, reference_weights=r.reference_weights * 2),
        lambda r: replace(r, reference_weights=r.reference_weights * np.nan),
        lambda r: replace(r, effective={"scale": float("nan")}),
        lambda r: replace(r, effective={"scale": np.float32(1)}),
    ],
)
def test_an_answer_that_was_not_asked_for_is_a_row(
    tiny_dataset: Path, tmp_path: Path, faulty: type[Faulty], change: Any
) -> None:
    faulty.fault = staticmethod(change)
    assert generate(tiny_dataset, tmp_path, ["faulty"]).failed == 1
    assert {row.error for row in table(tmp_path)} == {None, "generate.invalid"}


def test_a_run_level_error_stops_the_run_and_keeps_what_is_done(
    tiny_dataset: Path, tmp_path: Path, faulty: type[Faulty]
) -> None:
    faulty.fault = fails_with(MissingRequirement("pip install something"))
    with pytest.raises(MissingRequirement):
        generate(tiny_dataset, tmp_path, ["faulty"])
    assert [row.sample_id for row in table(tmp_path)] == ["sample-clip00"]
    assert json.loads((tmp_path / "run.json").read_text())["runs"][0]["status"] == "stopped"


def test_an_interrupt_leaves_a_folder_that_goes_on(
    tiny_dataset: Path, tmp_path: Path, faulty: type[Faulty]
) -> None:
    faulty.fault = fails_with(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        generate(tiny_dataset, tmp_path, ["faulty"])
    assert [row.status for row in table(tmp_path)] == ["ok"]
    assert json.loads((tmp_path / "run.json").read_text())["runs"][0]["status"] == "interrupted"
    faulty.fault = None
    tally = generate(tiny_dataset, tmp_path, ["faulty"]).entrants["faulty"]
    assert (tally.reused, tally.ok) == (1, 3)
    assert {row.attempt for row in table(tmp_path)} == {1}


def test_an_entrant_that_lacks_something_stops_before_any_work(
    tiny_dataset: Path, tmp_path: Path, faulty: type[Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faulty, "check", lambda self: ["weights: run `mrfashion weights fetch`"])
    with pytest.raises(MissingRequirement, match="weights fetch"):
        generate(tiny_dataset, tmp_path / "runs", ["still", "faulty"])
    assert not (tmp_path / "runs").exists()


def test_a_missing_video_fails_its_samples_and_heals(tiny_dataset: Path, tmp_path: Path) -> None:
    dataset = shutil.copytree(tiny_dataset, tmp_path / "dataset")
    (dataset / "clips" / "clip01.mp4").rename(tmp_path / "away.mp4")
    runs = tmp_path / "runs"
    for _ in range(2):
        assert generate(dataset, runs, BOTH).failed == 2
    failed = [row for row in table(runs) if row.status == "failed"]
    assert {(row.sample_id, row.error, row.attempt) for row in failed} == {
        ("sample-clip00", "probe.missing", 1)
    }
    (tmp_path / "away.mp4").rename(dataset / "clips" / "clip01.mp4")
    assert generate(dataset, runs, ["still"]).failed == 0
    assert generate(dataset, runs, ["nearest"]).failed == 0
    assert {row.status for row in table(runs)} == {"ok"}


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
        generate(tiny_dataset, tmp_path, ["still"], shard=shard)


def test_a_video_that_no_encoder_takes_is_a_row(tiny_dataset: Path, tmp_path: Path) -> None:
    summary = generate(tiny_dataset, tmp_path, ["still"], TaskOptions(size=(7, 1), limit=1))
    assert summary.failed == 1
    (row,) = table(tmp_path)
    assert (row.status, row.error, row.attempt) == ("failed", "encode.failed", 1)
    generate(tiny_dataset, tmp_path, ["still"], TaskOptions(size=(7, 1), limit=1))
    assert table(tmp_path)[0].attempt == 2  # the disk might have been full


def test_a_device_that_is_not_there_is_refused(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cuda:N"):
        generate(tiny_dataset, tmp_path, ["still"], device="gpu")
    with pytest.raises(MissingRequirement, match="cuda:99"):
        generate(tiny_dataset, tmp_path, ["still"], device="cuda:99")


@pytest.mark.gpu
def test_cuda_memory_is_measured(tiny_dataset: Path, tmp_path: Path, faulty: type[Faulty]) -> None:
    def hungry(result: Result) -> Result:
        import torch

        torch.zeros(1 << 24, dtype=torch.uint8, device="cuda")
        return result

    faulty.fault = staticmethod(hungry)
    generate(tiny_dataset, tmp_path, ["faulty"], device="cuda")
    peaks = {row.sample_id: row.peak_memory_bytes for row in table(tmp_path)}
    assert peaks["sample-clip00"] == 0
    assert (peaks["sample-clip01"] or 0) >= 1 << 24


def test_texts_lose_places_but_not_addresses() -> None:
    text = "at /home/me/x.bin, see https://a.org/b/c; 1/2 of <o at 0x7f00aa11>"
    assert without_places(text) == "at x.bin, see https://a.org/b/c; 1/2 of <o at 0x...>"


def command(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    mount(app)
    result = CliRunner().invoke(app, ["generate", *arguments])
    if isinstance(result.exception, MRFashionError):
        raise result.exception
    return result.exit_code, result.stdout


def test_the_command_prints_a_summary_and_tells_failures_by_its_code(
    tiny_dataset: Path, tmp_path: Path, faulty: type[Faulty]
) -> None:
    plain = [str(tiny_dataset), "--out", str(tmp_path), "--entrant", "faulty"]
    code, text = command(
        *plain, "--entrant", "still", "--json", "--size", "32x24", "--shard", "0/2"
    )
    assert code == 0
    assert json.loads(text)["entrants"]["still"]["ok"] == 2
    faulty.fault = fails_with(Unsupported("no"))
    code, text = command(*plain, "--size", "32x24")
    assert code == 3
    assert "faulty: 4 planned, 1 made, 2 reused, 1 failed" in text


@pytest.mark.parametrize(
    "option",
    [
        ["--size", "32"],
        ["--size", "x"],
        ["--shard", "1"],
        ["--reduction", "best"],
        ["--dtype", "int8"],
        ["--entrant", "stil"],
        ["--limit", "0"],
    ],
)
def test_the_command_refuses_what_it_does_not_know(
    tiny_dataset: Path, tmp_path: Path, option: list[str]
) -> None:
    with pytest.raises(ConfigError):
        command(str(tiny_dataset), "--out", str(tmp_path / "r"), "--entrant", "still", *option)
    assert not (tmp_path / "r").exists()


SCRIPT = """
import sys
from benchmark.runner import generate
import benchmark.environment, cv2, av
print("ready", flush=True)
generate(sys.argv[1], sys.argv[2], ["still", "nearest"])
"""


def start(dataset: Path, runs: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(dataset), str(runs)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_kills_change_nothing(tiny_dataset: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments, then a last run: as if nothing had happened."""
    calm_run = start(tiny_dataset, tmp_path / "calm")
    began = time.monotonic()
    assert calm_run.wait() == 0
    span_s = time.monotonic() - began
    calm = end_state(tmp_path / "calm")
    rng, kills, folder = random.Random(0), 0, 0
    while kills < KILLS:
        runs = tmp_path / f"killed{folder}"
        process = start(tiny_dataset, runs)
        time.sleep(rng.uniform(0, span_s))
        process.kill()
        killed = process.wait() == -signal.SIGKILL
        kills += killed
        if not killed:  # it had finished: check it, and go on in a fresh folder
            assert end_state(runs) == calm
            folder += 1
    assert start(tiny_dataset, runs).wait() == 0
    assert end_state(runs) == calm
    assert {attempt for _, _, attempt in calm["journal"]} == {1}
    assert not [path for path in runs.rglob(".*") if path.name != ".lock"]
    print(f"{kills} kills, {folder + 1} folders, {time.monotonic() - began:.1f} s")
