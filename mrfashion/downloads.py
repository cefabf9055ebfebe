"""A file over HTTP: it goes on where a kill or a break left it, and is there only when it is whole.

Where the bytes are pinned, neither the server nor what lies on the disk need be trusted.
"""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any
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
# What a network does: ValueError is an address it sends on to that cannot be read.
FAILURES = (urllib.error.URLError, http.client.HTTPException, OSError, ValueError)


def offline_by() -> str | None:
    """The environment variable that forbids downloads, with its value; None when none does."""
    for name in OFFLINE:
        if os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on"):
            return f"{name}={os.environ[name]}"
    return None


@dataclass(frozen=True, slots=True)
class Address:
    """Where to ask for a file, and with what right."""

    url: str
    token: str | None = field(default=None, repr=False)  # for this very server, no other
    login: str = ""  # what to do where the server asks who we are

    def __post_init__(self) -> None:
        if not shown(self.url).startswith(("http://", "https://")):
            raise ConfigError(f"{shown(self.url)} is no http or https address")


def open_url(address: Address, headers: dict[str, str]) -> Any:
    """The server's answer; FAILURES, or MissingRequirement at a redirect that is refused."""
    agent = {"User-Agent": "mrfashion", "Accept-Encoding": "identity"}
    request = urllib.request.Request(address.url, headers=agent | headers)
    if address.token:
        request.add_unredirected_header("Authorization", f"Bearer {address.token}")
    return urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT_S)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Never from https to http; the token goes along on the same server only."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme != "https" and new.scheme != old.scheme:
            raise MissingRequirement(
                f"{shown(req.full_url)} sends on to {shown(newurl)}, which is not encrypted; "
                "refused. Get the file yourself and hand it over with --from FILE"
            )
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get("Authorization")
        if following and token and (old.scheme, old.netloc) == (new.scheme, new.netloc):
            following.add_unredirected_header("Authorization", token)
        return following


def shown(url: str) -> str:
    """An address for a message: without user, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def download(
    address: Address,
    path: Path,
    size: int,
    sha256: str | None,
    progress: Progress[Any] = silent,
) -> None:
    """Bring `size` bytes with that hash to `path`; MissingRequirement where the network fails.

    What came so far lies beside it as `<name>.part`. Bytes that turn out wrong are removed; if
    some of them were of an earlier run, the whole file is asked for once more. Without a hash
    nothing tells what an earlier run left, so that is not used.
    """
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    if sha256 is None:
        part.unlink(missing_ok=True)
    earlier = part.exists() and part.stat().st_size > 0
    _complete(address, part, size, progress)
    if earlier and not is_whole(part, size, sha256):
        part.unlink()
        _complete(address, part, size, progress)
    if not is_whole(part, size, sha256):
        part.unlink()
        raise HashMismatch(
            f"{shown(address.url)} does not hold the promised bytes (sha256 {sha256}); they were "
            "removed. The server or something on the way changed them: try another network, or "
            "bring the file by hand with --from FILE"
        )
    part.replace(path)


def stated_size(address: Address, most: int) -> int:
    """Bytes that a server says a file has; MissingRequirement above `most` or where it is silent.

    Nothing is pinned here: it is for files whose size is not known beforehand.
    """
    try:
        with open_url(address, {}) as answer:
            stated = answer.headers.get("Content-Length", "")
    except FAILURES as error:
        raise _refused(address, error) from None
    if not re.fullmatch(r"[0-9]{1,15}", stated) or not 0 < int(stated) <= most:
        raise MissingRequirement(
            f"{shown(address.url)} is {stated or 'not said to be any'} bytes long; allowed: 1 to "
            f"{most}. Get the file yourself and hand it over with --from FILE"
        )
    return int(stated)


def is_whole(path: Path, size: int, sha256: str | None) -> bool:
    """Whether a file is there and holds what was promised."""
    return path.is_file() and path.stat().st_size == size and sha256 in (None, sha256_file(path))


def _complete(address: Address, part: Path, size: int, progress: Progress[Any]) -> None:
    steps = _steps(address, part, size)
    for _ in progress(steps, f"download {part.name.removesuffix('.part')} (MB)", size // STEP):
        pass


def _steps(address: Address, part: Path, size: int) -> Iterator[None]:
    """Fill `part` up to `size` bytes; yields for every whole STEP of it."""
    part.touch()
    breaks, longest, told = 0, part.stat().st_size, 0
    with part.open("r+b") as file:
        while (have := file.seek(0, os.SEEK_END)) < size:
            why = "the connection breaks off"
            try:
                for start, chunk in _received(address, have):
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
                raise _failed(address, end, size, why)
            time.sleep(WAIT_S * breaks)
        file.truncate(size)
        file.flush()
        os.fsync(file.fileno())


class _Break(Exception):
    """The network failed in a way that another try may mend."""

    def __init__(self, why: str, *, start_over: bool = False) -> None:
        super().__init__(why)
        self.start_over = start_over


def _received(address: Address, have: int) -> Iterator[tuple[int, bytes]]:
    """(position, bytes) from `have` on, or from 0 where the server knows no ranges."""
    try:
        with open_url(address, {"Range": f"bytes={have}-"} if have else {}) as answer:
            at = _position(answer, have)
            while chunk := answer.read1(CHUNK):
                yield at, chunk
                at += len(chunk)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # its file is shorter than what lies here
            raise _Break("the server's file is too short", start_over=True) from None
        if error.code < 500 and error.code not in (408, 429):
            raise _refused(address, error) from None
        raise _Break(str(error)) from None
    except FAILURES as error:
        raise _Break(str(error)) from None


def _position(answer: Any, have: int) -> int:
    if answer.status != 206:
        return 0
    content_range = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if not content_range or int(content_range[1]) != have:
        raise _Break("the server sends another range than was asked for", start_over=True)
    return have


def _failed(address: Address, have: int, size: int, why: str) -> MissingRequirement:
    return MissingRequirement(
        f"{shown(address.url)} could not be read: {why}. {have} of {size} bytes are here; the same "
        "command goes on from there"
    )


def _refused(address: Address, error: Exception) -> MissingRequirement:
    asked = isinstance(error, urllib.error.HTTPError) and error.code in (401, 403)
    login = f"; {address.login}" if asked and address.login else ""
    return MissingRequirement(f"{shown(address.url)} could not be read: {error}{login}")
