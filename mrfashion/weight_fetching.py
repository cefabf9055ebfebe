"""Bring model files: from the network, from Hugging Face's cache, or from a file at hand.

Every file is hashed on its way into the weights folder and appears there whole or not at all.
"""

from __future__ import annotations

import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mrfashion.artefacts import atomic_path, folder_lock, sweep_temporaries
from mrfashion.downloads import download, is_whole, offline_by, stated_size
from mrfashion.errors import ConfigError, HashMismatch, MissingRequirement
from mrfashion.progress import Progress, silent
from mrfashion.weight_origins import Archive, ByHand, Hub, Member
from mrfashion.weight_row import Pin, WeightFile
from mrfashion.weight_trust import set_trust
from mrfashion.weights import HERE, files_of, path_of, pin_of, state, weights_folder

CHUNK = 1 << 20
MOST = 16 << 30  # bytes of a file of unknown size
# bzip2 and LZMA unpack without a bound; what is packed so is not read.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises at an archive that is none, is damaged, encrypted, or packed in a rare way.
BROKEN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    ValueError,
)


def fetch(
    name: str,
    *,
    given: Path | None = None,
    trust: bool = False,
    progress: Progress[Any] = silent,
) -> list[Path]:
    """Bring the files of `name` that are not there yet => where all of them lie.

    From `given`, the file itself or the archive that holds it, which replaces what is there; or
    else from where the table says. `trust`: take the bytes whatever they are, and pin the file to
    them. Killed at any moment, the same call goes on where it was.
    """
    rows = files_of(name)
    _check(rows, given, trust)
    lacking = [row for row in rows if given or state(row) not in HERE]
    if lacking:
        folder = weights_folder()
        try:
            with folder_lock(folder):
                sweep_temporaries(folder)
                _bring(lacking, given, trust, progress)
        except OSError as error:
            raise MissingRequirement(
                f"{folder} cannot be written: {error.strerror}; name another with MRFASHION_CACHE"
            ) from None
    return [path_of(row) for row in rows]


def _check(rows: Sequence[WeightFile], given: Path | None, trust: bool) -> None:
    if given and len({_archive(row) or row.name for row in rows}) > 1:
        names = " or ".join(row.name for row in rows)
        raise ConfigError(f"{given} is one file, {rows[0].model} needs several; name {names}")
    if trust and not given and all(row.pin for row in rows):
        raise ConfigError(
            f"--trust: the bytes of {rows[0].model} are known, so what the network brings must be "
            "those; to use a file of your own add --from FILE"
        )


def _archive(row: WeightFile) -> Archive | None:
    return row.origin.archive if isinstance(row.origin, Member) else None


def _bring(
    rows: Sequence[WeightFile], given: Path | None, trust: bool, progress: Progress[Any]
) -> None:
    downloads = weights_folder() / ".downloads"
    brought: set[Path] = set()
    try:
        for row in rows:
            promised = None if trust and (given or not row.pin) else _promised(row)
            path = given or _cached(row, promised) or _download(row, promised, downloads, progress)
            brought.add(path)
            seen = _store(_chunks(row, path), row, promised, path)
            set_trust(weights_folder(), row.name, None if seen == row.pin else seen)
    finally:
        for path in brought:
            if path.parent == downloads:
                path.unlink()


def _promised(row: WeightFile) -> Pin:
    """What must come; a known hash counts more than what was trusted in its place."""
    if pin := row.pin or pin_of(row):
        return pin
    raise MissingRequirement(
        f"no hash of {row.file} is known, so nothing tells whether {row.origin.page} sends the "
        f"right file. To take it as it comes, and pin it to that: {row.command}"
    )


def _cached(row: WeightFile, promised: Pin | None) -> Path | None:
    """The file in Hugging Face's own cache, if it is there and right."""
    if not isinstance(row.origin, Hub):
        return None
    path = row.origin.cached()
    try:
        here = path.is_file()
        right = here and (not promised or is_whole(path, promised.bytes, promised.sha256))
    except OSError:  # somebody else's cache, closed to us
        return None
    return path if right else None


def _download(row: WeightFile, promised: Pin | None, folder: Path, progress: Progress[Any]) -> Path:
    """The file or its archive, verified where a hash is known, in `folder`."""
    path = folder / row.origin.file
    whole = row.origin.archive if isinstance(row.origin, Member) else promised
    if whole and is_whole(path, whole.bytes, whole.sha256):  # for another row, or before a kill
        return path
    by_hand = (
        f"Get {row.origin.file} from {row.origin.page}, bring it here and run: "
        f"mrfashion weights fetch {row.model if _archive(row) else row.name} --from FILE"
    )
    source = row.origin.archive.source if isinstance(row.origin, Member) else row.origin
    if isinstance(source, ByHand):
        raise MissingRequirement(f"{row.file} cannot be fetched by a program. {by_hand}")
    if switch := offline_by():
        raise MissingRequirement(f"{switch} is set, so nothing is downloaded. {by_hand}")
    address = source.address()
    size = whole.bytes if whole else row.bytes or stated_size(address, MOST)
    download(address, path, size, whole.sha256 if whole else None, progress)
    return path


def _chunks(row: WeightFile, path: Path) -> Iterator[bytes]:
    if isinstance(row.origin, Member) and zipfile.is_zipfile(path):
        return _member_chunks(path, row.origin.path)
    return _file_chunks(path)


def _file_chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise MissingRequirement(f"{path} cannot be read: {error.strerror}") from None


def _member_chunks(archive: Path, member: str) -> Iterator[bytes]:
    """The bytes of the one member whose path is or ends in `member`; its name is not used."""
    try:
        with zipfile.ZipFile(archive) as opened:
            found = [
                info for info in opened.infolist() if f"/{info.filename}".endswith(f"/{member}")
            ]
            if len(found) != 1:
                raise ValueError(f"{len(found)} members of that name")
            if found[0].compress_type not in METHODS:
                raise ValueError("packed in a way that has no bound")
            with opened.open(found[0]) as stream:
                while chunk := stream.read(CHUNK):
                    yield chunk
    except BROKEN_ARCHIVE as error:
        raise HashMismatch(f"{archive}: {member} cannot be read from it ({error})") from None


def _store(chunks: Iterable[bytes], row: WeightFile, promised: Pin | None, origin: Path) -> Pin:
    """Write the file while hashing it => what it is; HashMismatch where that was not promised.

    Takes at most the promised length: an archive can say anything of what it unpacks to.
    """
    most = promised.bytes if promised else MOST
    digest, size = hashlib.sha256(), 0
    with atomic_path(path_of(row)) as temporary, temporary.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > most:
                break
            digest.update(chunk)
            file.write(chunk)
        seen = Pin(size, digest.hexdigest())
        if seen != promised and (promised or not 0 < size <= MOST):
            raise HashMismatch(_unlike(row, promised, origin))
    return seen


def _unlike(row: WeightFile, promised: Pin | None, origin: Path) -> str:
    wanted = f"sha256 {promised.sha256}" if promised else f"1 to {MOST} of them"
    return (
        f"{origin} does not give the promised bytes of {row.file} ({wanted}); nothing was written. "
        f"{row.origin.page} has {row.origin.file}; to use a file of your own: "
        f"mrfashion weights fetch {row.name} --from FILE --trust"
    )
