"""Makers in processes of their own, one a device: `mrfashion generate --device cuda:0,cuda:1`.

They are spawned, not forked: CUDA does not survive a fork. A script that calls `generate` with
several devices therefore needs `if __name__ == "__main__":`.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait

from benchmark.executors.supervision import (
    Answers,
    Died,
    Message,
    Ready,
    stopped,
    supervise,
)
from benchmark.maker import Job, Maker, Making, Work
from mrfashion.errors import MRFashionError

logger = logging.getLogger(__name__)
GOODBYE_S = 5.0  # for an idle maker to put its things away


def make_in_processes(work: Work, jobs: Sequence[Job]) -> Making:
    """Do the jobs with a process a device; the same device named twice gets two."""
    return supervise(_Processes(work), work, jobs)


class _Processes:
    """The crew: pipes tell who has something to say."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def start(self, device: str) -> _ProcessHand:
        return _ProcessHand(self.work, device)

    def hear(
        self, hands: Sequence[_ProcessHand], timeout_s: float | None
    ) -> Mapping[_ProcessHand, Message]:
        speaking = wait([hand.pipe for hand in hands], timeout_s)
        return {hand: hand.said() for hand in hands if hand.pipe in speaking}


class _ProcessHand:
    """A maker at the other end of a pipe."""

    def __init__(self, work: Work, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, device, theirs))
        self.process.start()
        theirs.close()  # else the pipe would not end with the process

    def give(self, job: Job) -> None:
        with suppress(BrokenPipeError):
            self.pipe.send(job)

    def said(self) -> Message:
        try:
            message: Message = self.pipe.recv()
            return message
        except (EOFError, OSError):
            self.process.join()
            return Died(_cause(self.process.exitcode))

    def stop(self, *, at_once: bool) -> None:
        self.pipe.close()
        if not at_once:
            self.process.join(GOODBYE_S)
        if self.process.is_alive():
            with suppress(ProcessLookupError):  # its group: a worker process of its own goes too
                os.killpg(self.process.pid or 0, signal.SIGKILL)
            self.process.kill()
        self.process.join()


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = "; the kernel does so when memory runs out" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process exited with code {exit_code}"


def _serve(work: Work, device: str, pipe: Connection) -> None:
    """The process: load, then one job after another until the pipe ends."""
    os.setpgid(0, 0)  # Ctrl-C reaches the parent alone, which then ends this group
    os.dup2(2, 1)  # what a generator prints is no data of the command
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with suppress(EOFError, BrokenPipeError):
        try:
            maker = Maker(work, device)
            pipe.send(Ready())
            while True:
                pipe.send(Answers(maker.make(pipe.recv())))
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            if not isinstance(error, MRFashionError):
                logger.exception("unexpected error on %s", device)
            pipe.send(stopped(error))


def _die_with_parent() -> None:
    """A parent that was killed must not leave a process behind that holds a card."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.killpg(os.getpgrp(), signal.SIGKILL)
