"""Makers elsewhere: who gets which job, and what is done where one dies or hangs.

A maker that dies costs the video in hand, as one failed row with its cause, and a fresh one goes
on with the rest. A batch in hand is given again one by one first: it may have been its size.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from benchmark.attempts import Failed
from benchmark.generations import Made
from benchmark.maker import Job, Making, Work
from mrfashion.errors import (
    ConfigError,
    ExitCode,
    HashMismatch,
    InputRefused,
    MissingRequirement,
    MRFashionError,
)

logger = logging.getLogger(__name__)
MAX_DEATHS = 3  # in a row while loading: then it is no accident
RUN_ERRORS: dict[int, type[MRFashionError]] = {
    error.exit_code: error
    for error in (ConfigError, InputRefused, MissingRequirement, HashMismatch)
}


@dataclass(frozen=True, slots=True)
class Ready:
    """The maker is loaded."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The job is done."""

    outcomes: list[Made | Failed]


@dataclass(frozen=True, slots=True)
class Stopped:
    """An error of the whole run; it must end."""

    exit_code: int
    text: str


@dataclass(frozen=True, slots=True)
class Died:
    """The maker is gone."""

    cause: str
    code: str = "generate.process-died"


Message = Ready | Answers | Stopped | Died


class Hand(Protocol):
    """A maker elsewhere."""

    def give(self, job: Job) -> None:
        """Send a job; one that has died in the meantime is found by the crew's `hear`."""
        ...

    def stop(self, *, at_once: bool) -> None:
        """End it; at once: whatever it does."""
        ...


H = TypeVar("H", bound=Hand)


class Crew(Protocol[H]):
    """How makers of one kind are started and heard."""

    def start(self, device: str) -> H:
        """A maker that loads now and says Ready."""
        ...

    def hear(self, hands: Sequence[H], timeout_s: float | None) -> Mapping[H, Message]:
        """What they say, as soon as one says something; empty after `timeout_s`."""
        ...


def stopped(error: BaseException) -> Stopped:
    """An exception that ended a maker, as its crew reads it."""
    if isinstance(error, MRFashionError):
        return Stopped(error.exit_code, str(error))
    return Stopped(ExitCode.UNEXPECTED, f"{type(error).__name__}: {error}")


def supervise(crew: Crew[H], work: Work, jobs: Sequence[Job]) -> Making:
    """Do all jobs with a maker a device => orders with what became of them, as they end."""
    queue = deque(jobs)
    seats = [_Seat(crew, device, work.timeout_s) for device in work.devices[: len(jobs)]]
    try:
        while queue or any(seat.job for seat in seats):
            for seat in seats:
                seat.occupy(queue)
            manned = {seat.hand: seat for seat in seats if seat.hand is not None}
            left_s = min(seat.deadline for seat in seats) - time.monotonic()
            news = crew.hear(list(manned), None if math.isinf(left_s) else max(0.0, left_s))
            for hand, seat in manned.items():
                message = news.get(hand) or seat.overdue()
                if message is not None:
                    yield from seat.told(message, queue)
    finally:
        for seat in seats:
            seat.leave()


class _Seat(Generic[H]):
    """A place for a maker on a device."""

    def __init__(self, crew: Crew[H], device: str, timeout_s: float | None) -> None:
        self.crew, self.device, self.timeout_s = crew, device, timeout_s
        self.hand: H | None = None
        self.ready = False
        self.job: Job = ()
        self.deadline = math.inf
        self.deaths = 0  # since one was ready

    def occupy(self, queue: deque[Job]) -> None:
        """Start a maker where there is work and none to do it; give an idle one a job."""
        if queue and self.hand is None:
            self.hand = self.crew.start(self.device)
        if queue and self.hand is not None and self.ready and not self.job:
            self.job = queue.popleft()
            if self.timeout_s is not None:
                self.deadline = time.monotonic() + self.timeout_s * len(self.job)
            self.hand.give(self.job)

    def overdue(self) -> Message | None:
        """The death that a hanging maker dies now."""
        if time.monotonic() < self.deadline:
            return None
        return Died(f"no video within {self.timeout_s:g} s", "generate.timeout")

    def told(self, message: Message, queue: deque[Job]) -> Making:
        """What a maker's message means for its job."""
        if isinstance(message, Ready):
            self.ready, self.deaths = True, 0
        elif isinstance(message, Stopped):
            raise RUN_ERRORS.get(message.exit_code, MRFashionError)(message.text)
        else:
            job, self.job, self.deadline = self.job, (), math.inf
            if isinstance(message, Answers):
                yield from self._answered(message, job, queue)
            else:
                yield from self._bury(message, job, queue)

    def _answered(self, message: Answers, job: Job, queue: deque[Job]) -> Making:
        """Keep what was made; of a batch that broke its card nobody knows whose fault it was."""
        failed = [outcome for outcome in message.outcomes if isinstance(outcome, Failed)]
        broken = next((f.text for f in failed if f.broke_device), None)
        if broken is None or len(job) == 1:
            yield from zip(job, message.outcomes, strict=True)
            job = ()
        if broken is not None:
            yield from self._bury(Died(broken), job, queue)

    def _bury(self, death: Died, job: Job, queue: deque[Job]) -> Making:
        loading = not self.ready
        self._stop(at_once=True)
        logger.warning("the maker on %s is gone: %s", self.device, death.cause)
        if loading:
            self.deaths += 1
            if self.deaths >= MAX_DEATHS:
                raise MRFashionError(
                    f"the generator died {self.deaths} times while loading on {self.device}: "
                    f"{death.cause}. Is there memory for one more? Try fewer devices"
                )
        elif len(job) > 1:
            queue.extendleft((order,) for order in reversed(job))
        elif job:
            yield job[0], Failed(death.code, death.cause, retryable=True)

    def leave(self) -> None:
        """End whoever sits here."""
        self._stop(at_once=bool(self.job) or not self.ready)

    def _stop(self, *, at_once: bool) -> None:
        hand, self.hand, self.ready = self.hand, None, False
        if hand is not None:
            hand.stop(at_once=at_once)
