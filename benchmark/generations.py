"""The generations of a run folder: a journal of attempts, lossless videos, and the table.

A row's key is the hash of everything that decides the pixels, so a finished video is made once,
and settings that differ never share one. Shards written to different folders merge by
concatenating their `generations.jsonl` and copying their `videos/` together.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.attempts import Answer, Failed
from benchmark.entrants import entrant_identity
from benchmark.fitting import FITTING_VERSION
from benchmark.protocol import Task
from benchmark.results import GENERATIONS, Generation
from mrfashion.artefacts import (
    Journal,
    canonical_json,
    content_hash,
    inside,
    put_in_place,
    read_object,
    sha256_file,
    temporary_path,
    write_json,
)
from mrfashion.config import from_dict
from mrfashion.errors import ConfigError, InputRefused, ItemError
from mrfashion.generation import Generator
from mrfashion.media import write_lossless

JOURNAL_FILE = "generations.jsonl"
TABLE_FILE = "generations.parquet"
ENTRANTS_FILE = "entrants.json"
COLUMNS = tuple(field.name for field in dataclasses.fields(Generation))


@dataclass(frozen=True, slots=True)
class Entrant:
    """A generator as it runs here: its identity and what else decides its pixels."""

    name: str
    kind: str
    per_frame_copy: bool
    identity: dict[str, Any]

    @property
    def hash(self) -> str:
        """Two runs of one name share results only where this agrees."""
        return content_hash(self.identity)


@dataclass(frozen=True, slots=True)
class Item:
    """One video to make: who, which sample, under which key, and what is asked."""

    key: str
    entrant: Entrant
    sample_id: str
    garment_group: str
    seed: int
    reference_ids: tuple[str, ...]
    frames: int
    size: tuple[int, int]  # h, w
    fps: float

    @property
    def path(self) -> str:
        """Where its video lies, relative to the run folder."""
        return f"videos/{self.entrant.name}/{self.sample_id}-{self.key[:8]}.mkv"


@dataclass(frozen=True, slots=True)
class Made:
    """A finished video under a temporary name, and what its row will say."""

    file: Path
    sha256: str
    effective: str  # JSON
    reference_weights: list[float] | None  # f r, row by row
    seconds: float | None  # None: made elsewhere
    peak_memory_bytes: int | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a finished video took."""

    frames: int
    pixels: int  # of a frame
    bytes: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an item is done, and why."""

    state: Literal["reused", "failed", "todo"]
    reason: str
    again: bool = False  # the last attempt failed


def as_entrant(generator: Generator, device: str, dtype: str) -> Entrant:
    """A generator with the kind of device and the precision it runs in."""
    running = {"device": device.split(":")[0], "dtype": dtype, "fitting": FITTING_VERSION}
    info = generator.info
    identity = entrant_identity(generator) | running
    return Entrant(info.name, info.kind, info.per_frame_copy, identity)


def generation_key(digest: str, reduction: str, entrant: Entrant) -> str:
    """Key of a video: the request, the reduction rule and the entrant as it runs."""
    return content_hash({"request": digest, "reduction": reduction, "entrant": entrant.identity})


def encode(runs: Path, item: Item, answer: Answer) -> Made:
    """Write an answer beside where the item's video will lie; ItemError where that fails."""
    result = answer.result
    file = temporary_path(inside(runs, item.path))
    try:
        write_lossless(file, result.frames, result.fps)
    except ItemError as error:  # worth another try: the disk may have been full
        text = error.text.replace(file.name, Path(item.path).name)
        raise ItemError(error.code, text, retryable=True) from error
    weights = result.reference_weights
    return Made(
        file=file,
        sha256=sha256_file(file),
        effective=canonical_json(result.effective),
        reference_weights=None if weights is None else weights.ravel().tolist(),
        seconds=answer.seconds,
        peak_memory_bytes=answer.peak_memory_bytes,
        warnings=tuple(result.warnings),
    )


class Generations:
    """What a run folder holds; use it under the folder's lock."""

    def __init__(self, runs: Path, task: Task) -> None:
        self.runs = runs
        self.task_hash = task.task_hash
        self.journal = Journal(runs / JOURNAL_FILE)
        for row in self.journal.rows():
            _read(row, self.task_hash, runs)
        self._entrants = _read_entrants(runs / ENTRANTS_FILE)

    def enter(self, entrant: Entrant) -> None:
        """Make `entrant` the one whose rows the table shows under its name."""
        self._entrants[entrant.name] = entrant.identity
        write_json(self.runs / ENTRANTS_FILE, self._entrants)

    def standing(self, item: Item) -> Standing:
        """Whether the item is done; reads its whole video to know that it still is."""
        row = self.journal.last(item.key)
        if row is None:
            return Standing("todo", "first attempt")
        if row["status"] == "failed" and not row["retryable"]:
            return Standing("failed", str(row["error"]))
        if row["status"] != "ok":
            return Standing("todo", f"again after {row['error']}", again=True)
        path = inside(self.runs, row["path"])
        if not path.is_file():
            return Standing("todo", "its video is missing")
        if sha256_file(path) != row["video_sha256"]:
            return Standing("todo", "its video has other bytes than were written")
        return Standing("reused", "finished before")

    def finished(self, entrant: Entrant) -> list[Cost]:
        """What the entrant's videos took that are there."""
        return [
            Cost(row["frames"], row["height"] * row["width"], path.stat().st_size, row["seconds"])
            for row in self.journal.rows()
            if row["status"] == "ok" and row["entrant_hash"] == entrant.hash
            if (path := inside(self.runs, row["path"])).is_file()
        ]

    def store(self, item: Item, made: Made) -> Failed | None:
        """Put a finished video in its place, then write the row that vouches for it.

        Failed, and no row, where its bytes are not those that its maker wrote.
        """
        if sha256_file(made.file) != made.sha256:
            text = "its file has other bytes than were written; is the disk sound?"
            return Failed("generate.torn", text, retryable=True)
        put_in_place(made.file, inside(self.runs, item.path))
        self._append(
            item,
            "ok",
            path=item.path,
            video_sha256=made.sha256,
            effective=made.effective,
            reference_weights=made.reference_weights,
            seconds=made.seconds,
            peak_memory_bytes=made.peak_memory_bytes,
            warnings=list(made.warnings),
        )
        return None

    def fail(self, item: Item, failed: Failed) -> None:
        """Record an attempt that came to nothing."""
        told = {"error": failed.code, "error_text": failed.text, "retryable": failed.retryable}
        self._append(item, "failed", **told)

    def fail_once(self, item: Item, failed: Failed) -> None:
        """Record a failure unless the last attempt failed alike: nothing was tried."""
        last = self.journal.last(item.key)
        if last is None or (last["error"], last["error_text"]) != (failed.code, failed.text):
            self.fail(item, failed)

    def lose(self, item: Item, reason: str) -> None:
        """Record that a finished video no longer counts, where there was one."""
        if self.journal.ok(item.key):
            self._append(item, "lost", error="video.lost", error_text=reason, retryable=True)

    def write_table(self, current: dict[tuple[str, str], str]) -> None:
        """Write the newest row of every entrant and sample; `current` has this run's keys."""
        hashes = {name: content_hash(identity) for name, identity in self._entrants.items()}
        newest: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.journal.rows():
            if hashes.get(row["entrant"]) != row["entrant_hash"]:
                continue  # the name ran with other settings since
            place = (row["entrant"], row["sample_id"])
            if place not in newest or _rank(row, current) > _rank(newest[place], current):
                newest[place] = row
        rows = [_read(row, self.task_hash, self.runs) for row in newest.values()]
        GENERATIONS.write(self.runs / TABLE_FILE, rows, task_hash=self.task_hash)

    def _append(self, item: Item, status: str, **fields: object) -> None:
        asked = {
            "entrant": item.entrant.name,
            "sample_id": item.sample_id,
            "garment_group": item.garment_group,
            "kind": item.entrant.kind,
            "per_frame_copy": item.entrant.per_frame_copy,
            "seed": item.seed,
            "reference_ids": list(item.reference_ids),
            "frames": item.frames,
            "height": item.size[0],
            "width": item.size[1],
            "fps": item.fps,
            "effective": "{}",
            "warnings": [],
        }
        empty = dict.fromkeys(name for name in COLUMNS if name not in ("key", "status", "attempt"))
        marks = {
            "task_hash": self.task_hash,
            "entrant_hash": item.entrant.hash,
            "retryable": False,
        }
        self.journal.append(item.key, status, **{**empty, **marks, **asked, **fields})


def _rank(row: dict[str, Any], current: dict[tuple[str, str], str]) -> tuple[bool, bool, int, str]:
    """Which of two rows of one entrant and sample the table shows: the greater."""
    now = current.get((row["entrant"], row["sample_id"])) == row["key"]
    return now, row["status"] == "ok", row["attempt"], row["key"]


def _read(row: dict[str, Any], task_hash: str, runs: Path) -> Generation:
    """A journal row as a row of the table; InputRefused if a person changed its shape."""
    where = f"{runs / JOURNAL_FILE}: row {row['key']}"
    if row.get("task_hash") != task_hash:
        raise InputRefused(f"{where} belongs to another task; restore the file")
    if not isinstance(row.get("entrant_hash"), str) or type(row.get("retryable")) is not bool:
        raise InputRefused(f"{where} lacks entrant_hash or retryable; restore the file")
    status = "ok" if row["status"] == "ok" else "failed"  # a lost video is none
    try:
        values = {name: row[name] for name in COLUMNS if name in row}
        read = from_dict(Generation, values | {"status": status}, where)
    except ConfigError as error:
        raise InputRefused(f"{error}; the journal was edited: restore it") from None
    if status == "ok" and (read.path is None or read.video_sha256 is None):
        raise InputRefused(f"{where} is ok without path or video_sha256; restore the file")
    if read.path is not None:
        inside(runs, read.path)
    return read


def _read_entrants(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    values = read_object(path, "restore it")
    if not all(isinstance(identity, dict) for identity in values.values()):
        raise InputRefused(f"{path} does not map names to identities; restore it")
    return values
