"""WebDataset shards: a tar whose members of one key (name up to the first dot) are one sample.

A sample is a video with a `.json` of metadata; the other members (captions, pictures) are left.
The tar is streamed, and nothing in it decides where anything is written.
"""

from __future__ import annotations

import json
import posixpath
import tarfile
from collections.abc import Iterator
from itertools import count, groupby
from typing import IO, Any, cast

from mrfashion.artefacts import CHUNK
from mrfashion.errors import ItemError
from mrfashion.media import VIDEO_SUFFIXES
from mrfashion.poses.sidecar import SUFFIX as SIDECAR_SUFFIX
from mrfashion.sources.hub_shard import Entry, Shard, dropped, put, source_of, unreadable
from mrfashion.sources.notes import Note, note_of, plain_text
from mrfashion.sources.source import failed

MAX_MEMBERS = 1_000_000  # a shard of the usual 1 GB holds thousands
MAX_JSON_BYTES = 1 << 20
MAX_HEADER_BYTES = 1 << 20  # of long names and PAX records, which tarfile reads whole
PICKLES = (".pyd", ".pickle", ".pkl", ".pt", ".pth")
# What tarfile raises at bytes that are none of its own.
BROKEN = (tarfile.TarError, OSError, ValueError, OverflowError, EOFError, IndexError)
Member = tuple[int, tarfile.TarInfo]  # its place among all members


def read_tar(shard: Shard) -> Iterator[Entry]:
    """Take the videos of a shard out; ends with a failure where the tar breaks off."""
    try:
        with shard.path.open("rb") as file:
            tar = _opened(shard, file)
            seen: set[str] = set()
            for key, members in groupby(_members(shard, tar), key=_key):
                yield from _sample(shard, tar, key, members, seen)
    except ItemError as error:
        yield failed(shard.name, error)


class _Bounded:
    """A file that gives at most a header's worth at once: a header may ask for gigabytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self._file = file.seek, file.tell, file

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes; allowed: {MAX_HEADER_BYTES}")
        return self._file.read(size)


def _opened(shard: Shard, file: IO[bytes]) -> tarfile.TarFile:
    try:
        return tarfile.TarFile(fileobj=cast(IO[bytes], _Bounded(file)), errorlevel=2)
    except BROKEN as error:
        raise unreadable(shard, error) from None


def _members(shard: Shard, tar: tarfile.TarFile) -> Iterator[Member]:
    end = -1
    for number in count():
        try:
            member = tar.next()
        except BROKEN as error:
            raise unreadable(shard, error) from None
        if member is None:
            return
        if tar.offset <= end:  # a negative size: tarfile would read the same header for ever
            raise unreadable(shard, "a member ends before it begins")
        if number == MAX_MEMBERS:
            raise ItemError("source.too_large", f"more than {MAX_MEMBERS} members in one shard")
        end = tar.offset
        cast(Any, tar).members = []  # it would keep them all
        yield number, member


def _key(member: Member) -> str:
    folder, base = posixpath.split(member[1].name)
    return posixpath.join(folder, base.partition(".")[0])


def _sample(
    shard: Shard, tar: tarfile.TarFile, key: str, members: Iterator[Member], seen: set[str]
) -> Iterator[Entry]:
    """The videos of one key, and what in it is refused. `seen` are the videos of the shard."""
    videos: list[Member] = []
    beside: dict[str, tarfile.TarInfo] = {}
    dropped_all = True
    for number, member in members:
        item_id = plain_text(f"{shard.name}/{member.name}")
        if member.isdir() or posixpath.basename(member.name).startswith("."):
            continue
        if why := _refused(shard, member, seen):
            yield dropped(f"{item_id}#{number}", *why)
            continue
        dropped_all = False
        if _is_video(member.name):
            seen.add(item_id)
            videos.append((number, member))
        elif member.name == f"{key}.json" or member.name.endswith(SIDECAR_SUFFIX):
            beside[member.name] = member
    if not videos and not dropped_all:
        yield dropped(plain_text(f"{shard.name}/{key}"), "no video", "none of its members is one")
    for number, member in videos:
        item_id = plain_text(f"{shard.name}/{member.name}")
        try:
            note = _note(shard, tar, beside.get(f"{key}.json"))
            yield _taken(shard, tar, (number, member), beside, item_id, note)
        except ItemError as error:
            yield failed(item_id, error)


def _is_video(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in VIDEO_SUFFIXES


def _refused(shard: Shard, member: tarfile.TarInfo, seen: set[str]) -> tuple[str, str] | None:
    """Why a member is not looked at, and what it is."""
    name = member.name
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        return "leaves its folder", "absolute paths and .. are not followed"
    if not member.isreg() or member.issparse():
        return "not a file", "a link, a device, a pipe or a sparse file in the shard"
    if posixpath.splitext(name)[1].lower() in PICKLES:
        return "pickle", "it could run code; it is never read"
    if member.size > shard.limits.bytes:
        return "too large", f"{member.size} bytes; allowed: {shard.limits.bytes}"
    if plain_text(f"{shard.name}/{name}") in seen:
        return "named twice", "the first is taken"
    return None


def _taken(
    shard: Shard,
    tar: tarfile.TarFile,
    video: Member,
    beside: dict[str, tarfile.TarInfo],
    item_id: str,
    note: Note,
) -> Entry:
    number, member = video
    stem, suffix = posixpath.splitext(member.name)
    sidecar = beside.get(f"{stem}{SIDECAR_SUFFIX}")
    if sidecar:
        put(shard.place(number, SIDECAR_SUFFIX), _bytes(shard, tar, sidecar))
    path = shard.place(number, suffix.lower())
    put(path, _bytes(shard, tar, member))
    return source_of(item_id, path, note)


def _bytes(shard: Shard, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    """A member's bytes, all of them or an ItemError."""
    left = member.size
    try:
        file = tar.extractfile(member)
        while left and file and (piece := file.read(min(CHUNK, left))):
            left -= len(piece)
            yield piece
    except BROKEN as error:
        raise unreadable(shard, error) from None
    if left:
        raise ItemError("source.truncated", f"{left} of {member.size} bytes are missing")


def _note(shard: Shard, tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> Note:
    """What the sample's JSON says; ItemError where it cannot be read: rights are never guessed."""
    if member is None:
        return Note()
    if member.size > MAX_JSON_BYTES:
        text = f"its .json has {member.size} bytes; allowed: {MAX_JSON_BYTES}"
        raise ItemError("source.metadata", text)
    try:
        record = json.loads(b"".join(_bytes(shard, tar, member)))
    except (ValueError, RecursionError) as error:
        raise ItemError("source.metadata", f"its .json is none: {error}") from None
    if not isinstance(record, dict):
        raise ItemError("source.metadata", "its .json holds no object")
    return note_of(record)
