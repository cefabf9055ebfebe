"""What came from a source, as the tables, the journals, the files and earlier takedowns tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mrfashion.artefacts import Journal
from mrfashion.errors import UnknownNameError
from mrfashion.inventory import table_files
from mrfashion.schema import Table
from mrfashion.tables import TABLES, Clip
from mrfashion.takedown_files import source_files, stills_of
from mrfashion.traces import Traces, is_hash


@dataclass(frozen=True)
class Going:
    """What came from one source."""

    source_id: str
    sha256: tuple[str, ...]  # of its videos: the source's own and its clips'
    clip_ids: tuple[str, ...]
    files: tuple[str, ...]  # paths in the dataset that only it has


@dataclass
class _Found:
    """The same while it is looked for."""

    clip_ids: set[str] = field(default_factory=set)
    sha256: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    heard: bool = False

    def going(self, source_id: str) -> Going:
        parts = (tuple(sorted(part)) for part in (self.sha256, self.clip_ids, self.files))
        return Going(source_id, *parts)


def what_goes(
    root: Path, source_ids: Sequence[str], clips: Sequence[Clip], record: Journal
) -> tuple[Going, ...]:
    """What is known of sources; UnknownNameError where nothing is."""
    found = {name: _recorded(record.last(name)) for name in source_ids}
    known = _from_tables(root, found)
    _from_journals(root, found)
    if strange := [name for name, source in found.items() if not source.heard]:
        raise UnknownNameError("source", strange[0], known)
    staying = {clip.sha256 for clip in clips if clip.source_id not in found}
    for source in found.values():
        source.sha256 -= staying
    _from_files(root, found, {clip.source_id for clip in clips if clip.still})
    return tuple(source.going(name) for name, source in found.items())


def traces_of(going: Iterable[Going], clips: Sequence[Clip]) -> Traces:
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
        for column in (each.name for each in fields(Clip) if each.name.endswith("_group")):
            if bare.in_text(old := getattr(clip, column)):
                renamed.setdefault((column, old), clip.clip_id)
    return Traces(frozenset(names), renamed)


def rows_of(root: Path, table: Table[Any]) -> Iterator[Any]:
    """Every row of a table, few in memory."""
    for path in table_files(root, table):
        yield from table.open(path)


def _recorded(row: Mapping[str, Any] | None) -> _Found:
    if row is None:
        return _Found()
    return _Found(set(row["clip_ids"]), set(row["sha256"]), set(row.get("files", ())), heard=True)


def _from_tables(root: Path, found: Mapping[str, _Found]) -> set[str]:
    """Note what tables say of the sources => all sources they know."""
    known = set()
    for table in (t for t in TABLES if "source_id" in t.arrow_schema().names):
        for row in rows_of(root, table):
            known.add(row.source_id)
            if source := found.get(row.source_id):
                source.heard = True
                if isinstance(row, Clip):
                    source.clip_ids.add(row.clip_id)
                    source.sha256 |= {row.source_sha256, row.sha256}
                elif row.item_id != row.source_id:
                    source.clip_ids.add(row.item_id)
    return known


def _from_journals(root: Path, found: Mapping[str, _Found]) -> None:
    for path in sorted((root / "stages").glob("*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                row = json.loads(line) if line.endswith(b"\n") else {}
                if source := found.get(row.get("item_id", "")):
                    source.heard = True
                    _collect(row.get("value"), source)


def _collect(value: Any, source: _Found) -> None:
    """Ids of clips and hashes of videos in what stages noted of a source."""
    if isinstance(value, list):
        for entry in value:
            _collect(entry, source)
    elif isinstance(value, dict):
        source.clip_ids |= {value["clip_id"]} if "clip_id" in value else set()
        source.clip_ids |= set(value["clips"]) if isinstance(value.get("clips"), dict) else set()
        source.sha256 |= {value["sha256"]} if "sha256" in value else set()
        for entry in value.values():
            _collect(entry, source)


def _from_files(root: Path, found: Mapping[str, _Found], of_stills: set[str]) -> None:
    """Note what lies below sources/: videos by their hashes, and the pictures they were made of."""
    digests = set[str]().union(*(source.sha256 for source in found.values()))
    files = source_files(root, digests)
    for name, source in found.items():
        source.files |= {path for digest in source.sha256 for path in files.get(digest, ())}
        if name in of_stills:
            source.files |= set(stills_of(root, source.files))
