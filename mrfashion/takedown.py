"""Everything that came from a source, removed and proven gone: `mrfashion takedown SOURCE_ID`.

What is to go is written to takedown.jsonl first, so that a killed run is completed by the next,
and no later `curate` brings it back. The record holds the source's id, hashes and clip ids alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mrfashion.artefacts import Journal, folder_lock, sha256_file, sweep_temporaries, write_atomic
from mrfashion.environment import RUN_FILE, now_utc
from mrfashion.errors import HashMismatch, InputRefused
from mrfashion.inventory import INVENTORY, table_files, write_inventory
from mrfashion.progress import Progress, silent
from mrfashion.schema import Table
from mrfashion.tables import CLIPS, SAMPLES, TABLES
from mrfashion.takedown_files import cleaned, files_of, left_over, names_one
from mrfashion.takedown_search import Going, rows_of, traces_of, what_goes
from mrfashion.tombstones import TOMBSTONES
from mrfashion.traces import Traces

# Samples first and clips last: in between no sample names what is gone, and ids are still known.
ORDER = (SAMPLES, *(table for table in TABLES if table not in (SAMPLES, CLIPS)), CLIPS)
LISTED = 10


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
        going = what_goes(root, source_ids, clips, record)
        traces = traces_of(going, clips)
        if dry_run:
            return TakenDown(going, _count(root, traces), _would_go(root, traces, going))
        values = [{"sha256": gone.sha256, "clip_ids": gone.clip_ids} for gone in going]
        for gone, value in zip(going, values, strict=True):
            record.append(gone.source_id, "started", at=now_utc(), files=gone.files, **value)
        rows = {table.name: _clean_table(root, table, traces) for table in ORDER}
        removed = _clean_files(root, traces, going, progress)
        if (root / "samples.parquet").is_file():
            write_inventory(root)
        scanned = _prove(root, traces, progress)
        for gone, value in zip(going, values, strict=True):
            record.append(gone.source_id, "ok", at=now_utc(), files_read=scanned, **value)
    return TakenDown(going, rows, removed, scanned)


def _count(root: Path, traces: Traces) -> dict[str, int]:
    return {t.name: sum(traces.row(row) is None for row in rows_of(root, t)) for t in ORDER}


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
