"""Progress of long work on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
Label = str | Callable[[], str]  # what is worked on; as a function: as it stands now
Progress = Callable[[Iterable[T], Label, int], Iterable[T]]
SECONDS_BETWEEN_LINES = 10.0


def silent(items: Iterable[T], label: Label, total: int) -> Iterable[T]:
    """What library functions use unless a command asks for more."""
    return items


def track(items: Iterable[T], label: Label, total: int) -> Iterator[T]:
    """Yield `items` and show how many of `total` are done, and how long the rest may take."""
    if sys.stderr.isatty():
        yield from _bar(items, label, total)
    else:
        yield from _lines(items, label, total)


def _bar(items: Iterable[T], label: Label, total: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(_text(label), total=total)
        for item in items:
            yield item
            bar.update(task, advance=1, description=_text(label))


def _lines(items: Iterable[T], label: Label, total: int) -> Iterator[T]:
    started = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES and done < total:
            left_s = (now - started) / done * (total - done)
            print(f"{_text(label)}: {done}/{total}, about {left_s:.0f} s left", file=sys.stderr)
            last = now
    print(f"{_text(label)}: {done}/{total} in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _text(label: Label) -> str:
    return label if isinstance(label, str) else label()
