"""WebDataset shards: a tar whose members of one key (name up to the first dot) are one sample.

A sample is a video with a `.json` of metadata; the other members (captions, pictures) are left.
The tar is streamed, and nothing in it decides where anything is written.
"""

from __future__ import annotations

import json
import posixpath
import tarfile
from collections.abc import Iterator
from itertools import groupby
from typing import IO, Any, cast

from mrfashion.artefacts import CHUNK
from mrfashion.errors import ItemError
from mrfashion.media import VIDEO_SUFFIXES
from mrfashion.poses.sidecar import SUFFIX as SIDECAR_SUFFIX
from mrfashion.sources.hub_shard import Entry, Shard, dropped, hidden, put, source_of, unreadable
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
    """Take the videos of a shard out; where the tar breaks off, a failure comes last."""
    seen: set[str] = set()
    torn: list[ItemError] = []
    with shard.path.open("rb") as file:
        for key, members in groupby(_members(shard, file, torn), key=_key):
            yield from _sample(shard, file, key, members, seen)
    for error in torn:
        yield failed(shard.name, error)


class _Bounded:
    """A file that gives at most a header's worth at once: a header may ask for gigabytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self._file = file.seek, file.tell, file

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes; allowed: {MAX_HEADER_BYTES}")
        return self._file.read(size)


def _members(shard: Shard, file: IO[bytes], torn: list[ItemError]) -> Iterator[Member]:
    """Members with their places; why they end early, if they do, is put into `torn`."""
    try:
        yield from _walk(file)
    except BROKEN as error:
        torn.append(unreadable(shard, error))


def _walk(file: IO[bytes]) -> Iterator[Member]:
    tar = tarfile.TarFile(fileobj=cast(IO[bytes], _Bounded(file)))
    end = -1
    for number in range(MAX_MEMBERS):
        member = tar.next()
        if member is None:
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE).strip(b"\0"):  # it takes a torn header for the end
                raise tarfile.ReadError("a header is damaged or cut off")
            return
        if member.size < 0 or tar.offset <= end:  # tarfile would read one header for ever
            raise tarfile.ReadError("a member ends before it begins")
        end = tar.offset
        cast(Any, tar).members = []  # it would keep them all
        member.name = member.name.removeprefix("./")  # of `tar cf shard.tar .`
        yield number, member
    raise tarfile.ReadError(f"more than {MAX_MEMBERS} members in one shard")


def _key(member: Member) -> str:
    folder, base = posixpath.split(member[1].name)
    return posixpath.join(folder, base.partition(".")[0])


def _sample(
    shard: Shard, file: IO[bytes], key: str, members: Iterator[Member], seen: set[str]
) -> Iterator[Entry]:
    """The videos of one key, and what in it is refused. `seen` are the videos of the shard."""
    videos: list[Member] = []
    beside: dict[str, tarfile.TarInfo] = {}
    dropped_all = True
    for number, member in members:
        item_id = plain_text(f"{shard.name}/{member.name}")
        if member.isdir() or hidden(member.name):
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
            note = _note(file, beside.get(f"{key}.json"))
            yield _taken(shard, file, (number, member), beside, item_id, note)
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
    file: IO[bytes],
    video: Member,
    beside: dict[str, tarfile.TarInfo],
    item_id: str,
    note: Note,
) -> Entry:
    number, member = video
    stem, suffix = posixpath.splitext(member.name)
    sidecar = beside.get(f"{stem}{SIDECAR_SUFFIX}")
    if sidecar:
        put(shard.place(number, SIDECAR_SUFFIX), _bytes(file, sidecar))
    path = shard.place(number, suffix.lower())
    put(path, _bytes(file, member))
    return source_of(item_id, path, note)


def _bytes(file: IO[bytes], member: tarfile.TarInfo) -> Iterator[bytes]:
    """A member's bytes, all of them or an ItemError."""
    file.seek(member.offset_data)
    left = member.size
    while left:
        piece = file.read(min(CHUNK, left))
        if not piece:
            raise ItemError("source.truncated", f"{left} of {member.size} bytes are missing")
        left -= len(piece)
        yield piece


def _note(file: IO[bytes], member: tarfile.TarInfo | None) -> Note:
    """What the sample's JSON says; ItemError where it cannot be read: rights are never guessed."""
    if member is None:
        return Note()
    if member.size > MAX_JSON_BYTES:
        text = f"its .json has {member.size} bytes; allowed: {MAX_JSON_BYTES}"
        raise ItemError("source.metadata", text)
    try:
        record = json.loads(b"".join(_bytes(file, member)))
    except (ValueError, RecursionError) as error:
        raise ItemError("source.metadata", f"its .json is none: {error}") from None
    if not isinstance(record, dict):
        raise ItemError("source.metadata", "its .json holds no object")
    return note_of(record)
