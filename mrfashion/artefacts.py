"""How results reach the disk: atomic files, journals that survive a kill, hashes, safe paths."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    path = (root / relative).resolve()
    if Path(relative).is_absolute() or not path.is_relative_to(root.resolve()):
        raise UnsafePath(
            f"path {relative!r} leaves its folder; allowed: relative paths below it. "
            "The table that names it was edited or is not ours: do not use it"
        )
    return path


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
    """A name beside `path`, of this process and thread, that `sweep_temporaries` knows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_ident()}{path.suffix}")


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
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; InputRefused if another run holds it.

    The kernel releases the lock when the process ends, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputRefused(
                f"another mrfashion run is writing to {folder}; wait for it or choose another --out"
            ) from None
        yield


class Journal:
    """Growing record of attempts: JSON lines, flushed and fsynced one row at a time.

    A row has `key`, `status` (`ok`, `rejected`, `failed` or `lost`) and `attempt` (1, 2, ...)
    beside its own fields. A torn last line (a kill in mid-write) is cut off when the journal is
    opened. A key gets at most one `ok` row; where its result was destroyed later, a `lost` row
    comes before the next. Thread-safe.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._last: dict[str, dict[str, Any]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for row in self._read_and_mend():
            self._last[row["key"]] = row

    def _read_and_mend(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            with self.path.open("rb+") as file:
                file.truncate(len(whole))
                os.fsync(file.fileno())
        return [self._parse(number, line) for number, line in enumerate(whole.splitlines(), 1)]

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line)
            if isinstance(row["key"], str) and isinstance(row["status"], str):
                return dict(row)
        except (ValueError, KeyError, TypeError):
            pass
        raise InputRefused(
            f"{self.path}:{number} is no journal row; allowed: one JSON object a line with key and "
            "status. The file was edited: restore it, or remove it to redo its work"
        )

    def last(self, key: str) -> dict[str, Any] | None:
        """The newest row of a key, or None."""
        return self._last.get(key)

    def ok(self, key: str) -> dict[str, Any] | None:
        """The key's `ok` row, or None if it is not done."""
        row = self._last.get(key)
        return row if row and row["status"] == "ok" else None

    def rows(self) -> list[dict[str, Any]]:
        """Newest row of every key, by key."""
        return [self._last[key] for key in sorted(self._last)]

    def append(self, key: str, status: str, **fields: object) -> dict[str, Any]:
        """Add an attempt of `key`; it is on the disk when this returns."""
        with self._lock:
            previous = self._last.get(key)
            attempt = previous["attempt"] + 1 if previous else 1
            row = {"key": key, "status": status, "attempt": attempt, **fields}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(canonical_json(row) + "\n")
                file.flush()
                os.fsync(file.fileno())
            self._last[key] = row
            return row
