"""Which file of a folder is the video of which sample: by a manifest, or by exact sample ids.

Nothing is guessed from names alone: a file that names no sample is told as extra.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmark.attempts import Failed
from mrfashion.artefacts import inside
from mrfashion.errors import InputRefused, UnknownNameError

COLUMNS = ("sample_id", "path", "sha256", "settings")
MAX_MANIFEST = 256 << 20  # bytes
Unmatched = Literal["missing", "extra", "duplicate", "hash_mismatch"]
Unlike = Literal["unreadable", "wrong_length", "wrong_size", "wrong_fps"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps a sample without a video, or a file without a sample."""

    what: Unmatched | Unlike
    sample_id: str | None
    path: str | None  # relative to the folder
    got: str
    asked: str

    @property
    def failed(self) -> Failed:
        """As a failed attempt."""
        where = f"{self.path}: " if self.path else ""
        return Failed(f"import.{self.what}", f"{where}got {self.got}; asked: {self.asked}")

    def text(self) -> str:
        """A line for a person."""
        return f"{self.what} {self.sample_id or '-'} {self.failed.text}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Found:
    """The file, or the folder of pictures, of a sample."""

    sample_id: str
    path: str  # relative to the folder, as it was named
    file: Path
    sha256: str | None = None  # what the manifest promises
    declared: dict[str, Any] = field(default_factory=dict)  # its settings


@dataclass(frozen=True, slots=True)
class Matched:
    """What a folder holds of a task."""

    found: dict[str, Found]
    problems: tuple[Problem, ...]


def match(folder: Path, samples: Collection[str], manifest: Path | None) -> Matched:
    """Match by the manifest, or by sample ids as file names; UnsafePath where a path leaves."""
    if not folder.is_dir():
        raise InputRefused(f"{folder} is no folder; name the one that holds the videos")
    named = list(_of_manifest(folder, manifest) if manifest else _of_names(folder))
    of_sample = Counter(found.sample_id for found in named)
    of_file = Counter(found.file for found in named if found.sample_id in samples)
    found, problems = {}, []
    for one in named:
        if one.sample_id not in samples:
            asked = "the id of a sample of the task"
            problems.append(Problem("extra", None, one.path, repr(one.sample_id), asked))
        elif of_sample[one.sample_id] > 1 or of_file[one.file] > 1:
            got = f"{of_sample[one.sample_id]} files for it, {of_file[one.file]} samples for one"
            problems.append(Problem("duplicate", one.sample_id, one.path, got, "one to one"))
        else:
            found[one.sample_id] = one
    if manifest:
        problems += [
            Problem("extra", None, path, "no row of the manifest", "one")
            for path in _unnamed(folder, named, manifest)
        ]
    without = sorted(set(samples) - set(of_sample))
    problems += [Problem("missing", sample, None, "no file", "one") for sample in without]
    return Matched(found, tuple(problems))


def _of_names(folder: Path) -> Iterator[Found]:
    for entry in sorted(folder.iterdir()):
        if not entry.name.startswith("."):
            name = entry.name if entry.is_dir() else entry.stem
            yield Found(name, entry.name, inside(folder, entry.name))


def _of_manifest(folder: Path, manifest: Path) -> Iterator[Found]:
    for number, row in enumerate(_rows(manifest), 1):
        where = f"{manifest}: row {number}"
        for name in row:
            if name not in COLUMNS:
                raise InputRefused(f"{where}: {UnknownNameError('column', str(name), COLUMNS)}")
        sample, path, sha256 = (row.get(name) or None for name in ("sample_id", "path", "sha256"))
        if not isinstance(sample, str) or not isinstance(path, str):
            raise InputRefused(f"{where} lacks sample_id or path; both are needed")
        if sha256 is not None and not re.fullmatch("[0-9a-f]{64}", str(sha256).lower()):
            raise InputRefused(f"{where}: sha256 is {sha256!r}; 64 hex digits are needed")
        promised = None if sha256 is None else str(sha256).lower()
        yield Found(sample, path, inside(folder, path), promised, _declared(row, where))


def _declared(row: dict[str, Any], where: str) -> dict[str, Any]:
    value = row.get("settings") or {}
    try:
        declared = json.loads(value, parse_constant=_refuse) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        declared = None
    if not isinstance(declared, dict):
        raise InputRefused(f"{where}: settings are {value!r}; a JSON object is needed")
    return declared


def _refuse(name: str) -> None:
    raise ValueError(name)


def _rows(manifest: Path) -> Iterable[dict[str, Any]]:
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    reader = readers.get(manifest.suffix.lower())
    if reader is None or not manifest.is_file():
        raise InputRefused(f"{manifest}: needed: a file that ends in {', '.join(readers)}")
    if manifest.stat().st_size > MAX_MANIFEST:
        raise InputRefused(f"{manifest} has more than {MAX_MANIFEST} bytes; is it the manifest?")
    try:
        return list(reader(manifest))
    except (ValueError, OSError, csv.Error, RecursionError) as error:  # and so Arrow's own
        raise InputRefused(f"{manifest} cannot be read: {error}") from None


def _csv_rows(manifest: Path) -> Iterator[dict[str, Any]]:
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file, restkey="(beyond the header)", strict=True)


def _jsonl_rows(manifest: Path) -> Iterator[dict[str, Any]]:
    for line in manifest.read_text(encoding="utf-8").splitlines():
        if line.strip():
            row = json.loads(line, parse_constant=_refuse)
            if not isinstance(row, dict):
                raise ValueError(f"{line[:80]!r} is no JSON object")
            yield row


def _parquet_rows(manifest: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    yield from pq.read_table(manifest).to_pylist()


def _unnamed(folder: Path, named: Iterable[Found], manifest: Path) -> Iterator[str]:
    """Files that no row names, nor the folder they lie in."""
    known = {found.file for found in named} | {manifest.resolve()}
    root = folder.resolve()
    for at, folders, files in os.walk(root):
        places = [Path(at, name) for name in folders]
        folders[:] = sorted(p.name for p in places if p not in known and p.name[0] != ".")
        for path in (Path(at, name) for name in sorted(files)):
            if path not in known and path.resolve() not in known and path.name[0] != ".":
                yield path.relative_to(root).as_posix()
