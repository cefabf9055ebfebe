"""A web server on the loopback address that answers as the web does at its worst."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Page:
    """What lies at a path; the first `broken` answers break off after half of the body."""

    body: bytes = b""
    kind: str = "video/mp4"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    broken: int = 0
    length: bool = True  # whether it says how long it is
    ranges: bool = True
    endless: bool = False
    drips_s: float = 0.0  # between the sixteenths of the body
    stalls: bool = False  # after half of the body, until the server is released


class MediaServer(http.server.ThreadingHTTPServer):
    """Serves `pages` by path and counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str | None]] = []  # path, range
        self.cookies: list[str | None] = []
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def counts(self) -> Counter[str]:
        return Counter(path for path, _ in self.asked)


class Answer(http.server.BaseHTTPRequestHandler):
    server: MediaServer

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Range"]))
        self.server.cookies.append(self.headers["Cookie"])
        page = self.server.pages.get(self.path, Page(b"nothing here", "text/html", 404))
        body, first = page.body, 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        edition = self.headers["If-Range"] or page.headers.get("ETag")
        same = edition == page.headers.get("ETag")
        if asked and page.ranges and page.status == 200 and same:
            first = int(asked[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(page.status)
        self.send_header("Content-Type", page.kind)
        for name, value in page.headers.items():
            self.send_header(name, value)
        if page.length:
            self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        self.send(page, body[first:])

    def send(self, page: Page, body: bytes) -> None:
        half = len(body) // 2
        if page.endless:
            while not self.server.released.is_set():
                self.wfile.write(bytes(1 << 16))
        elif page.stalls:
            self.wfile.write(body[:half])
            self.wfile.flush()
            self.server.released.wait(20)
        elif page.drips_s:
            for start in range(0, len(body), max(1, len(body) // 16)):
                self.wfile.write(body[start : start + max(1, len(body) // 16)])
                self.server.released.wait(page.drips_s)
        elif page.broken:
            page.broken -= 1
            self.wfile.write(body[:half])
        else:
            self.wfile.write(body)

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client hung up, as some tests want it to
            super().handle()


@contextlib.contextmanager
def serving_media() -> Iterator[MediaServer]:
    """A server that runs while the block does."""
    with MediaServer() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.released.set()
            running.shutdown()
            thread.join()
