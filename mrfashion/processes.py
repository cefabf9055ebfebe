"""An executor of processes: a decoder that crashes, hangs or eats all memory costs one item.

They are spawned, not forked: libraries with threads do not survive a fork. They import what the
work needs and nothing of the script that asked for it, which therefore needs no guard.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from multiprocessing.connection import Connection, wait
from types import ModuleType
from typing import Any, TypeVar

from mrfashion.errors import MRFashionError
from mrfashion.executors import Ended, Failed, Value, Work, attempt

logger = logging.getLogger(__name__)
T = TypeVar("T")
MAX_DEATHS = 3  # in a row while starting: then it is no accident
START_S = 120.0  # a busy disk takes long to hand out libraries


class Processes:
    """Works in up to `workers` processes, started when first needed and kept until `close`."""

    def __init__(self, workers: int, item_timeout_s: float = math.inf) -> None:
        self._seats = [_Seat(item_timeout_s) for _ in range(workers)]

    def map(self, work: Work[T], payloads: Iterable[T]) -> Iterator[tuple[int, Ended]]:
        """As Executor.map; what is under way when the listener leaves is ended at once."""
        parcel = pickle.dumps(work)
        jobs = ((place, pickle.dumps((parcel, payload))) for place, payload in enumerate(payloads))
        try:
            for seat, job in zip(self._seats, jobs, strict=False):
                seat.give(*job)
            while busy := [seat for seat in self._seats if seat.job]:
                for seat in _heard(busy):
                    if answer := seat.answer():
                        for job in islice(jobs, 1):  # before the answer is used: no waiting
                            seat.give(*job)
                        yield answer
        finally:
            for seat in self._seats:
                if seat.job:
                    seat.leave()

    def close(self) -> None:
        """End the processes."""
        for seat in self._seats:
            seat.leave()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Seat:
    """A place for one process, and the job it has in hand."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.job: tuple[int, bytes] | None = None
        self.deadline = math.inf
        self.hand: _Hand | None = None
        self.deaths = 0  # since one was ready

    def give(self, place: int, job: bytes) -> None:
        self.hand = self.hand or _Hand()
        self.job = place, job
        start_s = 0 if self.hand.ready else START_S
        self.deadline = time.monotonic() + self.timeout_s + start_s
        with suppress(BrokenPipeError):  # found dead by `answer`
            self.hand.pipe.send_bytes(job)

    def answer(self) -> tuple[int, Ended] | None:
        """What became of the job; None where the process had something else to say."""
        assert self.hand
        assert self.job
        place, job = self.job
        try:
            ended = self.hand.pipe.recv() if self.hand.pipe.poll() else self._overdue()
        except (EOFError, OSError):
            ready, process = self.hand.ready, self.hand.process
            process.join()
            cause = cause_of_death(process.exitcode)
            self.leave()
            if not ready:
                self._count_death(cause)
                self.give(place, job)
                return None
            ended = Failed("process.died", cause, retryable=True)
        if ended is None:
            self.hand.ready, self.deaths = True, 0
            self.deadline = time.monotonic() + self.timeout_s
            return None
        self.job = None
        return place, ended

    def _overdue(self) -> Failed:
        self.leave()
        text = f"not done within {self.timeout_s:g} s ([executor] item_timeout_s)"
        return Failed("process.timeout", text, retryable=True)

    def _count_death(self, cause: str) -> None:
        self.deaths += 1
        if self.deaths >= MAX_DEATHS:
            raise MRFashionError(
                f"{self.deaths} processes ended while starting: {cause}. "
                "Is there memory for them? Try fewer workers"
            )

    def leave(self) -> None:
        """End the process: what it did for us is in its answers."""
        hand, self.hand, self.job = self.hand, None, None
        if hand is not None:
            hand.pipe.close()
            end_group(hand.process)


class _Hand:
    """A process at the other end of a pipe."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.ready = False
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, logging.getLogger().getEffectiveLevel())
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")  # else it would be run there first
        try:
            self.process.start()
        finally:
            sys.modules["__main__"] = script
        theirs.close()  # else the pipe would not end with the process


def _heard(busy: list[_Seat]) -> list[_Seat]:
    """Those whose process says something, is dead or overdue; waits for the first."""
    pipes: dict[Any, _Seat] = {seat.hand.pipe: seat for seat in busy if seat.hand}
    left_s = min(seat.deadline for seat in busy) - time.monotonic()
    speaking = wait(list(pipes), None if math.isinf(left_s) else max(0.0, left_s))
    now = time.monotonic()
    return [seat for pipe, seat in pipes.items() if pipe in speaking or seat.deadline <= now]


def _serve(pipe: Connection, level: int) -> None:
    """The process: one job after another until the pipe ends; one thread for each library."""
    own_group()
    os.dup2(2, 1)  # what a library prints is no data of the command
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    import cv2

    cv2.setNumThreads(1)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        pipe.send(None)  # ready
        while True:
            pipe.send(attempt(_do, pipe.recv_bytes()))


def _do(job: bytes) -> Value:
    parcel, payload = pickle.loads(job)  # from our own parent
    return _unpacked(parcel)(payload)


@lru_cache(maxsize=1)
def _unpacked(parcel: bytes) -> Work[Any]:
    """The work; the same object for all items of a stage, which may keep an open network."""
    work: Work[Any] = pickle.loads(parcel)
    return work


def own_group() -> None:
    """Leave the terminal's process group, for Ctrl-C is the parent's; and end when it ends."""
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed must not leave a process behind that works for nobody."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def end_group(process: Any) -> None:
    """Kill a process of an own group, with what it started, unless it has ended; reap it."""
    if process.is_alive():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    process.join()


def cause_of_death(exit_code: int | None) -> str:
    """How a process ended, in words."""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = "; the kernel does so when memory runs out" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process exited with code {exit_code}"
