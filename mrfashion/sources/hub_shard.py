"""Taking videos out of a file that holds many: each is written once, and whole before it is named.

The names inside a shard become ids and never paths: on the disk a video is called by its place.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mrfashion.artefacts import atomic_path, write_json
from mrfashion.errors import ItemError
from mrfashion.limits import SourceLimits
from mrfashion.sources.notes import Note
from mrfashion.sources.source import Source
from mrfashion.tables import Failure, Reject

VERSION = 1  # of what a listing holds
LISTING, STAMP = "listing.json", "stamp.json"

Entry = Source | Reject | Failure
KINDS: dict[str, type[Source] | type[Reject] | type[Failure]] = {
    "source": Source,
    "reject": Reject,
    "failure": Failure,
}


@dataclass(frozen=True)
class Shard:
    """A file of many videos."""

    path: Path
    name: str  # of the file in its dataset; the ids of its videos begin with it
    folder: Path  # its videos are taken out to, and nothing else's
    limits: SourceLimits

    def place(self, number: int, suffix: str) -> Path:
        """Where its `number`th video lies; the suffix is one of ours, lower case."""
        return self.folder / f"{number:07d}{suffix}"

    def row(self, entry: Entry) -> dict[str, Any]:
        """An entry as plain JSON; the paths of its videos are relative to their folder."""
        (kind,) = (kind for kind, type_ in KINDS.items() if isinstance(entry, type_))
        row = asdict(entry)
        if isinstance(entry, Source):
            row["path"] = entry.path.name
        return {"kind": kind, **row}

    def entry(self, row: dict[str, Any]) -> Entry:
        """The entry of a row."""
        entry = KINDS[str(row["kind"])](**{k: v for k, v in row.items() if k != "kind"})
        return replace(entry, path=self.folder / entry.path) if isinstance(entry, Source) else entry


def hidden(name: str) -> bool:
    """Whether a file, or a folder it is in, is hidden: those are no inputs."""
    return any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))


def dropped(item_id: str, reason: str, detail: str) -> Reject:
    """The row of what is no video by a rule."""
    return Reject(item_id, item_id, "sources", reason, None, None, detail)


def source_of(source_id: str, path: Path, note: Note) -> Source:
    """A video with its note; the licence is empty where the note is silent: the card may know."""
    return Source(
        source_id=source_id,
        path=path,
        licence=note.licence or "",
        url=note.url,
        terms=note.terms,
        product_id=note.product_id,
        garment_group=note.garment_group,
    )


def put(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file piece by piece, unless it is there: then an earlier run wrote all of it."""
    if path.exists():
        return
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for piece in pieces:
            file.write(piece)


def taken_out(shard: Shard, read: Callable[[Shard], Iterator[Entry]]) -> Iterator[Entry]:
    """What `read` finds in a shard; from its listing where the whole of it was read before.

    A shard that changed since starts over. What may go better another time is not listed.
    """
    stat = shard.path.stat()
    stamp = {"of": [VERSION, stat.st_size, stat.st_mtime_ns, shard.limits.bytes]}
    if _stored(shard.folder / STAMP) != stamp:
        shutil.rmtree(shard.folder, ignore_errors=True)
        write_json(shard.folder / STAMP, stamp)
    elif (known := _listed(shard)) is not None:
        yield from known
        return
    entries = []
    for entry in read(shard):
        entries.append(entry)
        yield entry
    if not any(isinstance(entry, Failure) and entry.retryable for entry in entries):
        write_json(shard.folder / LISTING, [shard.row(entry) for entry in entries])


def _listed(shard: Shard) -> list[Entry] | None:
    rows = _stored(shard.folder / LISTING)
    if rows is None:
        return None
    entries = [shard.entry(row) for row in rows]
    whole = all(entry.path.exists() for entry in entries if isinstance(entry, Source))
    return entries if whole else None


def _stored(path: Path) -> Any:
    """What a file of ours holds; None where it is not there or was damaged, which redoes it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def unreadable(shard: Shard, why: object) -> ItemError:
    """The error of a shard whose bytes are damaged from some place on."""
    return ItemError("source.corrupt", f"{shard.path.name} cannot be read on from here: {why}")
