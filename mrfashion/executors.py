"""Where the items of a stage are worked on: in threads here, or in processes of their own.

An executor is one method, `map`. What it is given is small (paths and facts, never frames), and so
is what comes back: a process, or a machine, can be at the other end.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from mrfashion.errors import ConfigError, ItemError

T = TypeVar("T")
Value = dict[str, Any]  # plain JSON
Work = Callable[[T], Value]  # a function of a module, or a partial of one: processes pickle it

# Where a run has fewer and smaller sources, starting processes costs more than it saves.
MANY_SOURCES = 64
MANY_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an item: its value."""

    value: Value


@dataclass(frozen=True, slots=True)
class Failed:
    """What became of an item: why it has no value; `trace` is for the log, where it is a bug."""

    error: str  # "<stage>.<cause>", as in ItemError.code
    text: str
    retryable: bool
    trace: str = ""


Ended = Done | Failed


class Executor(Protocol):
    """Works on items; implementations inherit nothing."""

    def map(self, work: Work[T], payloads: Iterable[T]) -> Iterator[tuple[int, Ended]]:
        """Yield the place of each payload and what became of it, as they end.

        No error of an item is raised: it is Failed, and the others go on. Who stops listening
        stops the work.
        """
        ...


@dataclass(frozen=True)
class ExecutorConfig:
    """`auto`: processes where there are many sources or large ones, else threads.

    A process that crashes costs its item, and one that hangs is ended after `item_timeout_s` of
    wall time; threads know neither.
    """

    kind: Literal["auto", "thread", "process"] = "auto"
    item_timeout_s: float = 5 * 3600.0  # after [limits] seconds, whose error says more

    def __post_init__(self) -> None:
        if not self.item_timeout_s > 0:
            raise ConfigError(f"item_timeout_s is {self.item_timeout_s}; allowed: above 0")

    def open(self, workers: int, sources: Sequence[Path]) -> AbstractContextManager[Executor]:
        """The executor of a run over these files; leave the context to end its processes."""
        if self.kind == "thread" or (self.kind == "auto" and not _many(sources)):
            return nullcontext(Threads(workers))
        from mrfashion.processes import Processes

        return Processes(workers, self.item_timeout_s)


def _many(sources: Sequence[Path]) -> bool:
    return len(sources) >= MANY_SOURCES or sum(p.stat().st_size for p in sources) >= MANY_BYTES


@dataclass(frozen=True)
class Threads:
    """Works in this process; few items are under way at a time, however many there are."""

    workers: int = 1

    def map(self, work: Work[T], payloads: Iterable[T]) -> Iterator[tuple[int, Ended]]:
        """As Executor.map; what is under way when the listener leaves is still finished."""
        waiting = enumerate(payloads)
        with ThreadPoolExecutor(self.workers) as pool:
            running = {
                pool.submit(attempt, work, payload): place
                for place, payload in islice(waiting, 2 * self.workers)
            }
            try:
                while running:
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        for place, payload in islice(waiting, 1):
                            running[pool.submit(attempt, work, payload)] = place
                        yield running.pop(future), future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


HERE = Threads()  # one after another


def attempt(work: Work[T], payload: T) -> Ended:
    """Work on one item; an error becomes its outcome: one item must not stop a week's run."""
    try:
        return Done(work(payload))
    except ItemError as error:
        return Failed(error.code, error.text, error.retryable)
    except Exception as error:  # a bug of ours
        text = f"{type(error).__name__}: {error}"
        return Failed("internal.bug", text, retryable=True, trace=traceback.format_exc())
