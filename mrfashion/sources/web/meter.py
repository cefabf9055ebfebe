"""How much of the wire one item has used, and when that is too much."""

from __future__ import annotations

import time
from typing import Any

from mrfashion.sources.web.refusal import Refusal

PAGE_BYTES = 64 << 20  # a page is held in memory; the largest real ones are a tenth of it
PAGE_REQUESTS = 100  # to find the video on it: pages that lead in a circle need more


class Meter:
    """Counts the requests and bytes of one item as they are made; raises Refusal past a limit.

    A downloader may catch what is raised here and call it something else: `error` keeps it.
    """

    def __init__(self, most_bytes: int, most_s: float) -> None:
        self.most_bytes, self.most_s = most_bytes, most_s
        self.deadline = time.monotonic() + most_s
        self.start_page()

    def start_page(self) -> None:
        """What is read from now on is pages, until `start_file`; the time goes on."""
        self.left, self.requests = PAGE_BYTES, PAGE_REQUESTS
        self.in_file = False
        self.lent = False  # whether the file's address is a page's, not the listed one
        self.stated = True  # whether the host said how long the file is
        self.opened: list[Any] = []  # answers, to be closed with the item
        self.edition = ""  # what the host calls these very bytes of it
        self.error: Refusal | None = None

    def start_file(self, have: int) -> None:
        """From now on the bytes are the file's, of which `have` came in an earlier run."""
        self.in_file = True
        self.left, self.requests = self.most_bytes - have, self.most_bytes
        self.add(0)

    def ask(self) -> None:
        """Note a request; Refusal where there were too many for one page."""
        self.requests -= 1
        if self.requests < 0:
            text = f"no video after {PAGE_REQUESTS} requests; the pages may lead in a circle"
            raise self.refuse(Refusal("unsupported", text))
        self.add(0)

    def expect(self, count: int) -> None:
        """Refusal where a file is too long by its host's word; of a page not all may be read."""
        if self.in_file and count > self.left:
            raise self.refuse(self._too_large())

    def add(self, count: int) -> None:
        """Note bytes read; Refusal where they, or the time, are too much."""
        self.left -= count
        if self.left < 0:
            raise self.refuse(self._too_large())
        if time.monotonic() > self.deadline:
            text = f"not whole after {self.most_s:g} s; what came is kept"
            raise self.refuse(Refusal("timeout", text))

    def refuse(self, error: Refusal) -> Refusal:
        """The same error, noted as the cause of whatever follows."""
        self.error = error
        return error

    def _too_large(self) -> Refusal:
        if self.in_file:
            return Refusal("too_large", f"longer than {self.most_bytes} bytes, [web] most_bytes")
        return Refusal("too_large", f"a page, or its head, of more than {PAGE_BYTES} bytes")
