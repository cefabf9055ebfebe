"""sha256 of large weight files, remembered between runs: 28 GB are hashed once, not every time.

What is remembered lies in `weight_hashes.jsonl` under MRFASHION_CACHE, one line a file. It only
saves time: unreadable lines are passed over, and a folder that cannot be written does no harm.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from mrfashion.artefacts import canonical_json, sha256_file
from mrfashion.weights import weights_folder

FILE = "weight_hashes.jsonl"
MAX_BYTES = 8 << 20  # a longer memory is begun anew
SETTLED_NS = 2_000_000_000  # a file changed less than this ago may change again unseen
SHA256 = re.compile("[0-9a-f]{64}")


def file_sha256(path: Path) -> str:
    """sha256 of a file, 64 hex digits; remembered by its real path, size, times and inode.

    The time of change is among them: unlike that of writing, no program can set it back. OSError
    where the file cannot be read.
    """
    before = _identity(path)
    if known := _remembered().get(before):
        return known
    digest = sha256_file(path)
    at = path.stat()
    settled = time.time_ns() - max(at.st_mtime_ns, at.st_ctime_ns) > SETTLED_NS
    if settled and _identity(path) == before:
        _remember(before, digest)
    return digest


def folder_sha256(folder: Path, patterns: Iterable[str]) -> dict[str, str]:
    """Path below the folder, with slashes => sha256, of the files that any glob pattern matches.

    Empty where there is no such folder.
    """
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(found)}


def _memory() -> Path:
    return weights_folder().parent / FILE


def _identity(path: Path) -> str:
    real = path.resolve()
    at = real.stat()
    return canonical_json(
        [os.fsdecode(real), at.st_size, at.st_mtime_ns, at.st_ctime_ns, at.st_ino, at.st_dev]
    )


def _remembered() -> dict[str, str]:
    """Identity => sha256; the last line of an identity counts."""
    try:
        if _memory().stat().st_size > MAX_BYTES:
            return {}
        lines = _memory().read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    return dict(pair for line in lines if (pair := _row(line)))


def _row(line: str) -> tuple[str, str] | None:
    try:
        match json.loads(line):
            case {"file": list(identity), "sha256": str(digest)} if SHA256.fullmatch(digest):
                return canonical_json(identity), digest
    except (ValueError, RecursionError):
        pass  # torn by a kill, or not ours
    return None


def _remember(identity: str, digest: str) -> None:
    row = json.dumps({"file": json.loads(identity), "sha256": digest})  # ASCII whatever the name
    try:
        _memory().parent.mkdir(parents=True, exist_ok=True)
        long = _memory().exists() and _memory().stat().st_size > MAX_BYTES
        # One write a line: processes that append at once do not mix their bytes.
        with _memory().open("w" if long else "a", encoding="ascii") as file:
            file.write(row + "\n")
    except OSError:
        return  # read-only or full: hashed again next time
