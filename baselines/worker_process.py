"""A worker process: JSON lines on its stdin and stdout, deadlines, and never an orphan."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mrfashion.artefacts import canonical_json
from mrfashion.errors import ItemError, without_places

logger = logging.getLogger(__name__)
MAX_LINE = 1 << 20  # bytes of a message
TAIL = 1 << 16  # bytes of stderr kept
SHOWN_LINES, SHOWN = 3, 200  # lines of stderr in a row, and characters of each
LAST_WORDS_S = 5.0  # between the end of its stdout and its end


class WorkerProcess:
    """One running worker, in a process group of its own. Not thread-safe."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]):
        self._popen = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that it ends with all it started, and Ctrl-C is ours
            bufsize=0,
        )
        # Also at exit. Where this process is killed, the worker sees the end of its stdin.
        self.end = weakref.finalize(self, _end, self._popen)
        self._stderr = _Tail(self._popen)
        self._unread = b""

    @property
    def pid(self) -> int:
        """The worker's process id, which is that of its group."""
        return self._popen.pid

    def has_ended(self) -> bool:
        """Whether it is gone."""
        return not self.end.alive or _has_ended(self._popen)

    def ask(self, message: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Send a message and wait for the next one back; after an ItemError the worker is gone."""
        try:
            self._send(message)
            return self._message(self._line(seconds))
        except BaseException:
            self.end()
            raise

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._popen.stdin
        with suppress(BrokenPipeError):  # it died: reading tells of what
            self._popen.stdin.write(canonical_json(message).encode() + b"\n")

    def _line(self, seconds: float) -> bytes:
        assert self._popen.stdout
        channel, deadline = self._popen.stdout.fileno(), time.monotonic() + seconds
        ready = select.poll()
        ready.register(channel, select.POLLIN)
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not ready.poll(left * 1000):
                raise self._error("timeout", f"no answer within {seconds:g} s; killed")
            data = os.read(channel, 1 << 16)
            if not data:
                raise self._error("died", self._last_words())
            self._unread += data
            if len(self._unread) > MAX_LINE:
                break
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _message(self, line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line[:MAX_LINE])
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or self._unread:
            raise self._error(
                "invalid", f"wrote {line[:80]!r} where one message of the protocol belongs"
            )
        return message

    def _last_words(self) -> str:
        deadline = time.monotonic() + LAST_WORDS_S
        while not _has_ended(self._popen) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.end()
        status = self._popen.returncode
        if status >= 0:
            return f"exit status {status}"
        return f"signal {-status} ({signal.Signals(-status).name})"

    def _error(self, cause: str, text: str) -> ItemError:
        """An item error with the last lines of stderr; the log has more of them."""
        tail = self._stderr.text()
        logger.error("worker %d: %s\n%s", self.pid, text, tail)
        lines = [line.strip()[:SHOWN] for line in tail.splitlines() if line.strip()][-SHOWN_LINES:]
        said = f"; its last words: {' | '.join(lines)}" if lines else ""
        return ItemError(
            f"worker.{cause}", without_places(text + said), retryable=cause != "invalid"
        )


class _Tail:
    """The last bytes of a process's stderr, drained by a thread so that it never blocks."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        assert popen.stderr
        self._bytes = bytearray()
        self._thread = threading.Thread(
            target=_drain, args=(popen.stderr, self._bytes), daemon=True
        )
        self._thread.start()

    def text(self) -> str:
        """What was said last; waits a moment for what is still in the pipe."""
        self._thread.join(0.2)
        return bytes(self._bytes).decode(errors="replace")


def _drain(pipe: IO[bytes], kept: bytearray) -> None:
    with pipe:
        while data := pipe.read(1 << 16):  # unbuffered: whatever there is
            logger.info("%s", data.decode(errors="replace"))
            kept += data
            del kept[:-TAIL]


def _has_ended(popen: subprocess.Popen[bytes]) -> bool:
    """Whether it has, leaving its status to be read: till then nothing else gets its id."""
    flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
    return os.waitid(os.P_PID, popen.pid, flags) is not None


def _end(popen: subprocess.Popen[bytes]) -> None:
    """Kill the whole group: a worker keeps nothing that it could lose."""
    with suppress(ProcessLookupError):
        os.killpg(popen.pid, signal.SIGKILL)
    popen.wait()
    for pipe in (popen.stdin, popen.stdout):
        assert pipe
        with suppress(OSError):
            pipe.close()
