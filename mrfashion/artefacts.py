"""How results reach the disk: atomic files, journals that survive a kill, hashes, safe paths."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from mrfashion.errors import InputRefused, UnsafePath

CHUNK = 1 << 20


def canonical_json(value: object) -> str:
    """One text per value: sorted keys, no spaces, no NaN tokens (ValueError)."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def content_hash(value: object) -> str:
    """Hash (blake2b, 32 hex digits) of a JSON value's canonical text."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=16).hexdigest()


def sha256_file(path: Path) -> str:
    """sha256 of a file's bytes, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def inside(root: Path, relative: str) -> Path:
    """Path of `relative` under `root`; UnsafePath if it is absolute or leaves the root."""
    if Path(relative).is_absolute() or not within(root, root / relative):
        raise UnsafePath(
            f"path {relative!r} leaves its folder; allowed: relative paths below it. "
            "The table that names it was edited or is not ours: do not use it"
        )
    return (root / relative).resolve()


def within(root: Path, path: Path) -> bool:
    """Whether `path` lies below `root` once all links are followed."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that cannot be one
        return False


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success fsync it and rename it to `path`.

    The temporary name keeps the suffix, which tells encoders the container.
    """
    temporary = temporary_path(path)
    try:
        yield temporary
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """A name beside `path` that no other process chooses, and that `sweep_temporaries` knows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two machines that write into one folder may have equal process ids.
    unique = f"{os.getpid()}-{threading.get_ident()}-{secrets.randbits(32)}"
    return path.with_name(f".{path.stem}.{unique}{path.suffix}")


def put_in_place(temporary: Path, path: Path) -> None:
    """Fsync a finished file and rename it: from now on it is there, and whole."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    _fsync_folder(path.parent)


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a whole file, or leave what was there."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, value: object) -> None:
    """Readable strict JSON, sorted keys, one trailing newline, atomically."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, text + "\n")


def read_object(path: Path, missing: str) -> dict[str, Any]:
    """The JSON object in a file of ours; InputRefused (`missing`: what to do) where it is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputRefused(f"{path} does not exist; {missing}") from None
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"{path} is no JSON: {error}; restore it") from None
    if not isinstance(values, dict):
        raise InputRefused(f"{path} holds no JSON object; restore it")
    return values


def sweep_temporaries(folder: Path) -> None:
    """Remove what a killed run left half written below `folder`; call it under the lock."""
    for path in folder.rglob(".*.*-*"):
        if path.is_file() and path.name.split(".")[-2].replace("-", "").isdigit():
            path.unlink()


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def folder_lock(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold `folder` for this process, or with others that share; InputRefused if it is held.

    The kernel releases the lock when the process ends, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Open for both: NFS turns these locks into locks on ranges, which need it.
    with (folder / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputRefused(
                f"another mrfashion run is writing to {folder}; wait for it or choose another --out"
            ) from None
        yield


class _Place(NamedTuple):
    """Where the newest row of a key lies, and what is asked of it most."""

    path: Path
    offset: int
    attempt: int
    status: str

    @property
    def rank(self) -> tuple[int, bool]:
        """What counts more among rows of one key."""
        return self.attempt, self.status == "ok"


class Journal:
    """Growing record of attempts: JSON lines, flushed and fsynced one row at a time.

    A row has `key`, `status` (`ok`, `rejected`, `failed` or `lost`) and `attempt` (1, 2, ...)
    beside its own fields. A torn last line (a kill in mid-write) is cut off when the journal is
    opened. A key gets at most one `ok` row; where its result was destroyed later, a `lost` row
    comes before the next. Thread-safe. Only keys are held in memory: rows are read when asked for.

    `others` are journals of the same work that other processes write, perhaps now: they are read
    too. Of two rows of a key the one of more attempts counts, and of equal ones an `ok`.
    """

    def __init__(self, path: Path, others: Iterable[Path] = ()) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in (*others, path):
            self._note_rows(file)

    def __getstate__(self) -> dict[str, Any]:
        """For a process that only reads what is noted by now."""
        return {"path": self.path, "_places": self._places}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _note_rows(self, path: Path) -> None:
        if not path.exists():
            return
        offset = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                self._note(_journal_row(path, number, line), path, offset)
                offset += len(line)
        if path == self.path and offset < path.stat().st_size:
            with path.open("rb+") as file:
                file.truncate(offset)
                os.fsync(file.fileno())

    def _note(self, row: dict[str, Any], path: Path, offset: int) -> None:
        place = _Place(path, offset, row["attempt"], row["status"])
        known = self._places.get(row["key"])
        if known is None or place.rank >= known.rank:
            self._places[row["key"]] = place

    def last(self, key: str) -> dict[str, Any] | None:
        """The newest row of a key, or None."""
        rows = list(self._read([key] if key in self._places else []))
        return rows[0] if rows else None

    def ok(self, key: str) -> dict[str, Any] | None:
        """The key's `ok` row, or None if it is not done."""
        place = self._places.get(key)
        return self.last(key) if place and place.status == "ok" else None

    def rows(self) -> list[dict[str, Any]]:
        """Newest row of every key, by key."""
        return list(self._read(sorted(self._places)))

    def _read(self, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
        files: dict[Path, IO[bytes]] = {}
        with ExitStack() as opened:
            for key in keys:
                place = self._places[key]
                if place.path not in files:
                    files[place.path] = opened.enter_context(place.path.open("rb"))
                files[place.path].seek(place.offset)
                yield json.loads(files[place.path].readline(), object_pairs_hook=_lean)

    def append(self, key: str, status: str, **fields: object) -> dict[str, Any]:
        """Add an attempt of `key`; it is on the disk when this returns."""
        with self._lock:
            previous = self._places.get(key)
            attempt = previous.attempt + 1 if previous else 1
            row = {"key": key, "status": status, "attempt": attempt, **fields}
            with self.path.open("ab") as file:
                offset = file.tell()
                file.write(canonical_json(row).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._note(row, self.path, offset)
            return row


def _lean(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a row; all rows share one copy of its names."""
    return {sys.intern(name): value for name, value in pairs}


def _journal_row(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
        kinds = {"key": str, "status": str, "attempt": int}
        if all(type(row[name]) is kind for name, kind in kinds.items()):
            return dict(row)
    except (ValueError, KeyError, TypeError):
        pass
    raise InputRefused(
        f"{path}:{number} is no journal row; allowed: one JSON object a line with key, status and "
        "attempt. The file was edited: restore it, or remove it to redo its work"
    )
