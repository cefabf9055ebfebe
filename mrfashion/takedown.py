"""Everything that came from a source, removed and proven gone: `mrfashion takedown SOURCE_ID`.

What is to go is written to takedown.jsonl first, so that a killed run is completed by the next,
and no later `curate` brings it back. The record holds the source's id, hashes and clip ids alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from mrfashion.artefacts import Journal, folder_lock, sha256_file, sweep_temporaries, write_atomic
from mrfashion.environment import RUN_FILE, now_utc
from mrfashion.errors import HashMismatch, InputRefused, UnknownNameError
from mrfashion.inventory import INVENTORY, table_files, write_inventory
from mrfashion.progress import Progress, silent
from mrfashion.schema import Table
from mrfashion.tables import CLIPS, SAMPLES, TABLES, Clip
from mrfashion.takedown_files import (
    cleaned,
    files_of,
    left_over,
    names_one,
    source_files,
    stills_of,
)
from mrfashion.tombstones import TOMBSTONES
from mrfashion.traces import Traces, is_hash

# Samples first and clips last: in between no sample names what is gone, and ids are still known.
ORDER = (SAMPLES, *(table for table in TABLES if table not in (SAMPLES, CLIPS)), CLIPS)
LISTED = 10


@dataclass(frozen=True)
class Going:
    """What came from one source."""

    source_id: str
    sha256: tuple[str, ...]  # of its videos: the source's own and its clips'
    clip_ids: tuple[str, ...]
    files: tuple[str, ...]  # paths in the dataset that only it has


@dataclass(frozen=True)
class TakenDown:
    """What a takedown did, or would do."""

    going: tuple[Going, ...]
    rows: dict[str, int]  # table => rows that are about the sources
    files: tuple[str, ...]  # removed
    scanned: int = 0  # files read afterwards for what is left: nothing


def takedown(
    root: str | Path,
    source_ids: Sequence[str],
    *,
    dry_run: bool = False,
    progress: Progress[Any] = silent,
) -> TakenDown:
    """Remove what came from sources; run again, it completes a killed run and proves it anew.

    UnknownNameError where the dataset never heard of a source; HashMismatch where something is
    left that could not be removed.
    """
    root = Path(root)
    if not (root / "clips.parquet").is_file():
        raise InputRefused(f"{root} is no dataset: clips.parquet is missing")
    with folder_lock(root):
        sweep_temporaries(root)
        record = Journal(root / TOMBSTONES)
        clips = CLIPS.read(root / "clips.parquet")
        going = tuple(_going(root, name, clips, record) for name in dict.fromkeys(source_ids))
        traces = _traces(going, clips)
        if dry_run:
            return TakenDown(going, _count(root, traces), _would_go(root, traces, going))
        for gone in going:
            values = {"sha256": gone.sha256, "clip_ids": gone.clip_ids, "files": gone.files}
            record.append(gone.source_id, "started", at=now_utc(), **values)
        rows = {table.name: _clean_table(root, table, traces) for table in ORDER}
        removed = _clean_files(root, traces, going, progress)
        if (root / "samples.parquet").is_file():
            write_inventory(root)
        scanned = _prove(root, traces, progress)
        for gone in going:
            record.append(
                gone.source_id, "ok", at=now_utc(), **_kept(record, gone), files_read=scanned
            )
    return TakenDown(going, rows, removed, scanned)


def _kept(record: Journal, gone: Going) -> dict[str, Any]:
    row = record.last(gone.source_id) or {}
    return {name: row[name] for name in ("sha256", "clip_ids")}


def _going(root: Path, source_id: str, clips: Sequence[Clip], record: Journal) -> Going:
    """What is known of a source: from the tables, the journals, and an earlier takedown of it."""
    own = [clip for clip in clips if clip.source_id == source_id]
    known = record.last(source_id) or {}
    clip_ids = {clip.clip_id for clip in own} | set(known.get("clip_ids", ()))
    digests = {digest for clip in own for digest in (clip.source_sha256, clip.sha256)}
    digests |= set(known.get("sha256", ()))
    heard = bool(own or known)
    for row in _journal_rows(root):
        if row.get("item_id") == source_id:
            heard = True
            _collect(row.get("value"), clip_ids, digests)
    rows = [row for table in TABLES for row in _rows(root, table) if hasattr(row, "source_id")]
    about = [row for row in rows if row.source_id == source_id]
    clip_ids |= {row.item_id for row in about if getattr(row, "item_id", source_id) != source_id}
    if not (heard or about):
        raise UnknownNameError("source", source_id, {row.source_id for row in rows})
    digests -= {clip.sha256 for clip in clips if clip.source_id != source_id}
    files = source_files(root, digests) if not known.get("files") else known["files"]
    if any(clip.still for clip in own):
        files = [*files, *stills_of(root, files)]
    return Going(source_id, tuple(sorted(digests)), tuple(sorted(clip_ids)), tuple(sorted(files)))


def _collect(value: Any, clip_ids: set[str], digests: set[str]) -> None:
    """Ids of clips and hashes of videos in what stages noted of a source."""
    if isinstance(value, list):
        for entry in value:
            _collect(entry, clip_ids, digests)
    elif isinstance(value, dict):
        clip_ids |= {value["clip_id"]} if "clip_id" in value else set()
        clip_ids |= set(value["clips"]) if isinstance(value.get("clips"), dict) else set()
        digests |= {value["sha256"]} if "sha256" in value else set()
        for entry in value.values():
            _collect(entry, clip_ids, digests)


def _traces(going: Iterable[Going], clips: Sequence[Clip]) -> Traces:
    """All names of what goes, and what groups are called that were named after it."""
    ids = {gone.source_id for gone in going}
    names = set(ids)
    for gone in going:
        names |= {*gone.sha256, *gone.clip_ids}
        names |= {stem for path in gone.files if is_hash(stem := Path(path).name.partition(".")[0])}
    staying = [clip for clip in clips if clip.source_id not in ids]
    addresses = {clip.source_url for clip in clips if clip.source_id in ids and clip.source_url}
    names |= addresses - {clip.source_url for clip in staying}
    bare = Traces(frozenset(names))
    renamed: dict[tuple[str, str], str] = {}
    for clip in sorted(staying, key=lambda clip: clip.clip_id):
        for column in (field.name for field in fields(Clip) if field.name.endswith("_group")):
            if bare.in_text(old := getattr(clip, column)):
                renamed.setdefault((column, old), clip.clip_id)
    return Traces(frozenset(names), renamed)


def _journal_rows(root: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((root / "stages").glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)


def _rows(root: Path, table: Table[Any]) -> Iterator[Any]:
    for path in table_files(root, table):
        yield from table.open(path)


def _count(root: Path, traces: Traces) -> dict[str, int]:
    return {t.name: sum(traces.row(row) is None for row in _rows(root, t)) for t in ORDER}


def _clean_table(root: Path, table: Table[Any], traces: Traces) -> int:
    """Write the files of a table anew that have rows about the sources => how many rows went."""
    gone = 0
    for path in table_files(root, table):
        file = table.open(path)
        changed = [new for row in file if (new := traces.row(row)) is not row]
        header = {k: v for k, v in file.header.items() if k not in ("table", "schema_version")}
        if changed or traces.json(header) != header:
            kept = (new for row in file if (new := traces.row(row)) is not None)
            table.write(path, kept, **traces.json(header))
            gone += sum(new is None for new in changed)
    return gone


def _would_go(root: Path, traces: Traces, going: Sequence[Going]) -> tuple[str, ...]:
    named = {path for gone in going for path in gone.files}
    found = (path.relative_to(root).as_posix() for path in files_of(root))
    return tuple(path for path in found if path in named or traces.in_text(path))


def _clean_files(
    root: Path, traces: Traces, going: Sequence[Going], progress: Progress[Any]
) -> tuple[str, ...]:
    """Remove or rewrite every other file that has something of the sources => what was removed."""
    named = {path for gone in going for path in gone.files}
    removed = []
    paths = [path for path in files_of(root) if path.name not in (TOMBSTONES, INVENTORY)]
    listed: Iterable[Any] = progress(paths, "take down", len(paths))
    for path in listed:
        name = path.relative_to(root).as_posix()
        looked_for = replace(traces, in_paths=path.name == RUN_FILE)  # it holds command lines
        data = None
        if name not in named and not traces.in_text(name) and sha256_file(path) not in traces.names:
            if not names_one(path, looked_for):
                continue
            data = cleaned(path, looked_for)
        if data is None:
            path.unlink()
            removed.append(name)
        else:
            write_atomic(path, data)
    return tuple(removed)


def _prove(root: Path, traces: Traces, progress: Progress[Any]) -> int:
    """Read every file for what is left => how many; HashMismatch where something is."""
    paths = [path for path in files_of(root) if path.name != TOMBSTONES]
    tables = {path: table for table in TABLES for path in table_files(root, table)}
    listed: Iterable[Any] = progress(paths, "prove", len(paths))
    left = [
        path.relative_to(root).as_posix()
        for path in listed
        if left_over(path, path.relative_to(root).as_posix(), traces, tables.get(path))
    ]
    if left:
        raise HashMismatch(
            f"{len(left)} files still have something of what was taken down: "
            f"{', '.join(left[:LISTED])}. They are none of mrfashion's kinds: remove them by hand, "
            "then run takedown again"
        )
    return len(paths)
