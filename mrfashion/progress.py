"""Progress of long work on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
Progress = Callable[[Iterable[T], str, int], Iterable[T]]
SECONDS_BETWEEN_LINES = 10.0


def silent(items: Iterable[T], label: str, total: int) -> Iterable[T]:
    """What library functions use unless a command asks for more."""
    return items


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield `items` and show how many of `total` are done."""
    if sys.stderr.isatty():
        yield from _bar(items, label, total)
    else:
        yield from _lines(items, label, total)


def _bar(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, label, total=total, console=Console(stderr=True))


def _lines(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    started = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES and done < total:
            left_s = (now - started) / done * (total - done)
            print(f"{label}: {done}/{total}, about {left_s:.0f} s left", file=sys.stderr)
            last = now
    print(f"{label}: {done}/{total} in {time.monotonic() - started:.0f} s", file=sys.stderr)
