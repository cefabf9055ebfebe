"""A file over HTTP: it goes on where a kill or a break left it, and is there only when it is whole.

The bytes are pinned, so neither the server nor what lies on the disk need be trusted.
"""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mrfashion.artefacts import sha256_file
from mrfashion.errors import ConfigError, HashMismatch, MissingRequirement
from mrfashion.progress import Progress, silent

OFFLINE = ("MRFASHION_OFFLINE", "HF_HUB_OFFLINE")
TIMEOUT_S = 60.0
BREAKS = 5  # without the file ever getting longer
WAIT_S = 0.5  # after a break, and longer after each further one
CHUNK = 1 << 16
STEP = 1 << 20  # of the progress


def offline_by() -> str | None:
    """The environment variable that forbids downloads, with its value; None when none does."""
    for name in OFFLINE:
        if os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on"):
            return f"{name}={os.environ[name]}"
    return None


def open_url(url: str, headers: dict[str, str]) -> Any:
    """Open http(s) and nothing else; a refusal names the address, without its credentials."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigError(f"{shown(url)} is no http or https address")
    agent = {"User-Agent": "mrfashion", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=agent | headers)
    return urllib.request.urlopen(request, timeout=TIMEOUT_S)


def shown(url: str) -> str:
    """An address for a message: without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def download(
    url: str, path: Path, size: int, sha256: str, progress: Progress[Any] = silent
) -> None:
    """Bring `size` bytes with that hash to `path`; MissingRequirement where the network fails.

    What came so far lies beside it as `<name>.part`. Bytes that turn out wrong are removed; if
    some of them were of an earlier run, the whole file is asked for once more.
    """
    if path.is_file() and _right(path, size, sha256):
        return
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    earlier = part.exists() and part.stat().st_size > 0
    _complete(url, part, size, progress)
    if earlier and not _right(part, size, sha256):
        part.unlink()
        _complete(url, part, size, progress)
    if not _right(part, size, sha256):
        part.unlink()
        raise HashMismatch(
            f"{shown(url)} does not hold the promised bytes (sha256 {sha256}); they were removed. "
            "The server or something on the way changed them: try another --index-url"
        )
    part.replace(path)


def _right(path: Path, size: int, sha256: str) -> bool:
    return path.stat().st_size == size and sha256_file(path) == sha256


def _complete(url: str, part: Path, size: int, progress: Progress[Any]) -> None:
    steps = _steps(url, part, size)
    for _ in progress(steps, f"download {part.name.removesuffix('.part')} (MB)", size // STEP):
        pass


def _steps(url: str, part: Path, size: int) -> Iterator[None]:
    """Fill `part` up to `size` bytes; yields for every whole STEP of it."""
    part.touch()
    breaks, longest, told = 0, part.stat().st_size, 0
    with part.open("r+b") as file:
        while (have := file.seek(0, os.SEEK_END)) < size:
            why = "the connection breaks off"
            try:
                for start, chunk in _received(url, have):
                    file.seek(start)
                    file.write(chunk)
                    file.truncate()
                    while (told + 1) * STEP <= file.tell():
                        told += 1
                        yield
                    if file.tell() >= size:  # a server may send without end
                        break
            except _Break as error:
                why = str(error)
                file.truncate(0 if error.start_over else None)
            end = file.seek(0, os.SEEK_END)
            breaks = 0 if end > longest else breaks + 1
            longest = max(longest, end)
            if breaks == BREAKS:
                raise _failed(url, end, size, why)
            time.sleep(WAIT_S * breaks)
        file.truncate(size)
        file.flush()
        os.fsync(file.fileno())


class _Break(Exception):
    """The network failed in a way that another try may mend."""

    def __init__(self, why: str, *, start_over: bool = False) -> None:
        super().__init__(why)
        self.start_over = start_over


def _received(url: str, have: int) -> Iterator[tuple[int, bytes]]:
    """(position, bytes) from `have` on, or from 0 where the server knows no ranges."""
    try:
        with open_url(url, {"Range": f"bytes={have}-"} if have else {}) as answer:
            at = _position(answer, have)
            while chunk := answer.read1(CHUNK):
                yield at, chunk
                at += len(chunk)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # its file is shorter than what lies here
            raise _Break("the server's file is too short", start_over=True) from None
        if error.code < 500:
            raise MissingRequirement(f"{shown(url)} could not be read: {error}") from None
        raise _Break(str(error)) from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise _Break(str(error)) from None


def _position(answer: Any, have: int) -> int:
    if answer.status != 206:
        return 0
    content_range = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if not content_range or int(content_range[1]) != have:
        raise _Break("the server sends another range than was asked for", start_over=True)
    return have


def _failed(url: str, have: int, size: int, why: str) -> MissingRequirement:
    return MissingRequirement(
        f"{shown(url)} could not be read: {why}. {have} of {size} bytes are here; the same command "
        "goes on from there"
    )
