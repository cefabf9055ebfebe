"""Makers in processes of their own, one a device: `mrfashion generate --device cuda:0,cuda:1`.

They are spawned, not forked: CUDA does not survive a fork. A script that calls `generate` with
several devices therefore needs `if __name__ == "__main__":`.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
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
from mrfashion.processes import cause_of_death, end_group, own_group

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
            return Died(cause_of_death(self.process.exitcode))

    def stop(self, *, at_once: bool) -> None:
        self.pipe.close()
        if not at_once:
            self.process.join(GOODBYE_S)
        end_group(self.process)


def _serve(work: Work, device: str, pipe: Connection) -> None:
    """The process: load, then one job after another until the pipe ends."""
    own_group()
    os.dup2(2, 1)  # what a generator prints is no data of the command
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
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
