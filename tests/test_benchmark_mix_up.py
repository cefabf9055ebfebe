"""The same name with other weights: no video is taken for another."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.entrants import ENTRANTS
from benchmark.generations import GENERATIONS, TABLE_FILE
from benchmark.runner import generate
from mrfashion.generation import Request, Result
from mrfashion.media import read_frames
from mrfashion.weight_hashes import file_sha256
from tests.right_generators import Copy

SAMPLES = 4


@dataclass(frozen=True)
class PaintSettings:
    checkpoint: Path | None = None


class Paint(Copy):
    """Paints every frame in the level that its checkpoint's first byte says."""

    Settings = PaintSettings

    def __init__(self, settings: PaintSettings | None = None, name: str = "paint") -> None:
        super().__init__(name)
        self.checkpoint = (settings or PaintSettings()).checkpoint

    def check(self) -> list[str]:
        return [] if self.checkpoint and self.checkpoint.is_file() else ["checkpoint is missing"]

    def settings(self) -> dict[str, Any]:
        there = self.checkpoint is not None and self.checkpoint.is_file()
        digest = file_sha256(self.checkpoint) if there and self.checkpoint else None
        return {"checkpoint_sha256": digest}

    def load(self, device: str, dtype: str) -> None:
        assert self.checkpoint is not None
        self.level = self.checkpoint.read_bytes()[0]

    def generate(self, request: Request) -> Result:
        result = super().generate(request)
        return replace(result, frames=np.full_like(result.frames, self.level))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An entrant file and its checkpoint, which paints at level 10."""
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(ENTRANTS, "paint", Paint)
    write_entrant(tmp_path / "one", 10)
    return tmp_path


def write_entrant(folder: Path, level: int) -> None:
    folder.mkdir()
    (folder / "model.bin").write_bytes(bytes([level]) * 1000)
    (folder / "mine.toml").write_text('generator = "paint"\nsettings.checkpoint = "model.bin"')


def made(dataset: Path, runs: Path, file: Path) -> tuple[int, int]:
    """Videos made and reused by one call."""
    tally = generate(dataset, runs, [str(file)]).entrants["mine"]
    return tally.ok, tally.reused


def levels(runs: Path) -> set[int]:
    """Grey levels of all videos that the table shows."""
    rows = GENERATIONS.read(runs / TABLE_FILE)
    assert len(rows) == SAMPLES
    return {int(read_frames(runs / row.path).mean()) for row in rows if row.path}


def test_a_checkpoint_with_other_bytes_shares_nothing(folder: Path, tiny_dataset: Path) -> None:
    file, runs = folder / "one" / "mine.toml", folder / "runs"
    assert made(tiny_dataset, runs, file) == (SAMPLES, 0)
    assert made(tiny_dataset, runs, file) == (0, SAMPLES)
    checkpoint = folder / "one" / "model.bin"
    before = checkpoint.stat()
    checkpoint.write_bytes(bytes([200]) * 1000)  # same path, size and time of writing
    os.utime(checkpoint, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert made(tiny_dataset, runs, file) == (SAMPLES, 0)
    assert levels(runs) == {200}


def test_old_weights_find_their_old_videos(folder: Path, tiny_dataset: Path) -> None:
    file, runs = folder / "one" / "mine.toml", folder / "runs"
    checkpoint = folder / "one" / "model.bin"
    made(tiny_dataset, runs, file)
    checkpoint.write_bytes(bytes([200]) * 1000)
    made(tiny_dataset, runs, file)
    checkpoint.write_bytes(bytes([10]) * 1000)
    assert made(tiny_dataset, runs, file) == (0, SAMPLES)
    assert levels(runs) == {10}


def test_files_of_one_name_in_two_folders_share_nothing(folder: Path, tiny_dataset: Path) -> None:
    write_entrant(folder / "two", 200)
    runs = folder / "runs"
    assert made(tiny_dataset, runs, folder / "one" / "mine.toml") == (SAMPLES, 0)
    assert made(tiny_dataset, runs, folder / "two" / "mine.toml") == (SAMPLES, 0)
    assert levels(runs) == {200}


def test_the_same_weights_elsewhere_are_the_same_entrant(folder: Path, tiny_dataset: Path) -> None:
    write_entrant(folder / "two", 10)
    runs = folder / "runs"
    made(tiny_dataset, runs, folder / "one" / "mine.toml")
    assert made(tiny_dataset, runs, folder / "two" / "mine.toml") == (0, SAMPLES)
