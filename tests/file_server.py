"""A web server on the loopback address that serves what a test gives it; it can misbehave."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator

import pytest

from mrfashion import downloads

VARIABLES = (
    "MRFASHION_OFFLINE HF_HUB_OFFLINE PIP_INDEX_URL HF_ENDPOINT HF_TOKEN HF_HOME HF_HUB_CACHE "
    "http_proxy HTTP_PROXY all_proxy ALL_PROXY"
).split()


class FileServer(http.server.ThreadingHTTPServer):
    """Serves `files` by path; `habits` say how it misbehaves. Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, tuple[str, bytes]] = {}
        self.sent_on: dict[str, str] = {}  # path -> address
        self.habits: set[str] = set()
        self.token: str | None = None  # without it nobody gets anything
        self.ranges: list[str | None] = []
        self.requests: list[str] = []
        self.tokens: list[str | None] = []
        self.released = threading.Event()  # "stalls" waits for it
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, path: str, body: bytes, kind: str = "application/octet-stream") -> None:
        self.files[path] = (kind, body)


class Answer(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.requests.append(self.path)
        server.tokens.append(self.headers["Authorization"])
        if server.token and self.headers["Authorization"] != f"Bearer {server.token}":
            self.send_error(401)
        elif self.path in server.sent_on:
            self.send_response(302)
            self.send_header("Location", server.sent_on[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path in server.files:
            self.send_file(*server.files[self.path])
        else:
            self.send_error(404)

    def send_file(self, kind: str, body: bytes) -> None:
        habits, asked = self.server.habits, self.headers["Range"]
        self.server.ranges.append(asked)
        if "busy" in habits and len(self.server.ranges) == 1:
            self.send_error(503)
            return
        first = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        if asked and "no ranges" not in habits:
            if first >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            first += "another range" in habits
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
            body = body[first:]
        else:
            self.send_response(200)
        self.send_header("Content-Type", kind)
        if "endless" not in habits:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send_body(body)

    def send_body(self, body: bytes) -> None:
        habits = self.server.habits
        if "stalls" in habits:
            self.wfile.write(body[: len(body) // 2])
            self.server.released.wait(20)
        elif "breaks off" in habits:
            self.wfile.write(body[: max(1, len(body) // 2)])
        elif "endless" in habits:
            for _ in range(10_000):  # far more than any test takes
                self.wfile.write(body)
        else:
            self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client hung up, as some tests want it to
            super().handle()


@contextlib.contextmanager
def serving() -> Iterator[FileServer]:
    """A server that runs while the block does."""
    with FileServer() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.released.set()
            running.shutdown()
            thread.join()


def forget_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No switch, token or proxy of the machine that runs the tests; no waiting between tries."""
    monkeypatch.setattr(downloads, "WAIT_S", 0)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
