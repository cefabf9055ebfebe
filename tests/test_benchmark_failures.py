"""What `generate` does where something fails, and what its command says."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from baselines.still import Still
from benchmark import entrants
from benchmark.commands import mount
from benchmark.protocol import TaskOptions
from benchmark.results import GENERATIONS, Generation
from benchmark.runner import generate
from benchmark.running import Running
from mrfashion.errors import (
    ConfigError,
    MissingRequirement,
    MRFashionError,
    without_places,
)
from mrfashion.generation import Request, Result, Unsupported


def table(runs: Path) -> list[Generation]:
    return GENERATIONS.read(runs / "generations.parquet")


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
        assert generate(dataset, runs, ["still", "nearest"]).failed == 2
    failed = [row for row in table(runs) if row.status == "failed"]
    assert {(row.sample_id, row.error, row.attempt) for row in failed} == {
        ("sample-clip00", "probe.missing", 1)
    }
    (tmp_path / "away.mp4").rename(dataset / "clips" / "clip01.mp4")
    assert generate(dataset, runs, ["still"]).failed == 0
    assert generate(dataset, runs, ["nearest"]).failed == 0
    assert {row.status for row in table(runs)} == {"ok"}


def test_a_video_that_no_encoder_takes_is_a_row(tiny_dataset: Path, tmp_path: Path) -> None:
    summary = generate(tiny_dataset, tmp_path, ["still"], TaskOptions(size=(7, 1), limit=1))
    assert summary.failed == 1
    (row,) = table(tmp_path)
    assert (row.status, row.error, row.attempt) == ("failed", "encode.failed", 1)
    generate(tiny_dataset, tmp_path, ["still"], TaskOptions(size=(7, 1), limit=1))
    assert table(tmp_path)[0].attempt == 2  # the disk might have been full


@pytest.mark.gpu
def test_cuda_memory_is_measured(tiny_dataset: Path, tmp_path: Path, faulty: type[Faulty]) -> None:
    def hungry(result: Result) -> Result:
        import torch

        torch.zeros(1 << 24, dtype=torch.uint8, device="cuda")
        return result

    faulty.fault = staticmethod(hungry)
    generate(tiny_dataset, tmp_path, ["faulty"], running=Running(device="cuda"))
    peaks = {row.sample_id: row.peak_memory_bytes for row in table(tmp_path)}
    plain, more = peaks["sample-clip00"], peaks["sample-clip01"]
    assert plain is not None
    assert more is not None
    assert more - plain >= 1 << 24  # whatever other tests have left on the device


def test_texts_lose_places_but_not_addresses() -> None:
    text = "at /home/me/x.bin, see https://a.org/b/c; 1/2 of <o at 0x7f00aa11>"
    assert without_places(text) == "at x.bin, see https://a.org/b/c; 1/2 of <o at 0x...>"


def command(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.callback()(lambda: None)  # else the only command needs no name
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
