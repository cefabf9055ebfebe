"""Several videos in one call of a generator, and fewer where the memory does not hold them.

What goes together are the windows that fitting cuts (benchmark/fitting.py): those of several
videos, and those of one long video alike.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, takewhile
from typing import TypeVar

from benchmark.attempts import (
    Answer,
    Failed,
    Measured,
    attempt,
    checked,
    guarded,
    measured,
)
from benchmark.fitting import Fitted, fit, unfit
from mrfashion.errors import ItemError
from mrfashion.generation import Batched, Generator, Request, Result

logger = logging.getLogger(__name__)
T = TypeVar("T")
Window = Measured[Result] | Failed


class Batches:
    """A loaded generator, and how many windows its device's memory holds at once.

    `used` starts at `asked`, is halved whenever the memory is full, and stays there. Each row
    tells both.
    """

    def __init__(self, generator: Generator, device: str, asked: int) -> None:
        self.generator, self.device, self.asked, self.used = generator, device, asked, asked

    def attempt(self, requests: Sequence[Request]) -> list[Answer | Failed]:
        """One answer or failure a request, in order; one failing takes no other with it."""
        if self.asked == 1 or not isinstance(self.generator, Batched):
            alone = partial(attempt, self.generator, device=self.device)
            return [self._guarded(r, partial(alone, r)) for r in requests]
        fits = [self._guarded(r, partial(fit, r, self.generator.info)) for r in requests]
        made = iter(self._windows([w for f in fits if isinstance(f, Fitted) for w in f.requests]))
        return [
            fitted
            if isinstance(fitted, Failed)
            else self._guarded(
                request, partial(_whole, request, fitted, list(islice(made, len(fitted.requests))))
            )
            for request, fitted in zip(requests, fits, strict=True)
        ]

    def _windows(self, windows: list[Request]) -> list[Window]:
        """Runs of windows of one shape, as many at a time as the memory holds."""
        made: list[Window] = []
        while rest := windows[len(made) :]:
            alike = takewhile(partial(_same_shape, rest[0]), rest)
            chunk = list(islice(alike, self.used))
            outcome = self._guarded(chunk[0], partial(self._call, chunk))
            if not isinstance(outcome, Failed):
                made += outcome
            elif len(chunk) > 1 and outcome.out_of_memory:
                self._halve(len(chunk))
            elif len(chunk) > 1:
                made += map(self._lone, chunk)  # whose fault it is, is told one by one
            else:
                made.append(outcome)
        return made

    def _lone(self, window: Request) -> Window:
        outcome = self._guarded(window, partial(self._call, [window]))
        return outcome if isinstance(outcome, Failed) else outcome[0]

    def _call(self, windows: list[Request]) -> list[Measured[Result]]:
        assert isinstance(self.generator, Batched)
        call = measured(partial(self.generator.generate_batch, windows), self.device)
        if len(call.value) != len(windows):
            raise ItemError(
                "generate.invalid", f"{len(call.value)} results; asked: {len(windows)} in one batch"
            )
        told = {"batch": {"asked": self.asked, "used": self.used}}
        return [
            Measured(
                replace(result, effective={**result.effective, **told}),
                call.seconds / len(windows),
                call.peak_memory_bytes,
            )
            for result in call.value
        ]

    def _halve(self, tried: int) -> None:
        self.used = tried // 2
        name = self.generator.info.name
        logger.warning("%s: %d at once fill the memory; going on with %d", name, tried, self.used)

    def _guarded(self, request: Request, call: Callable[[], T]) -> T | Failed:
        outcome = guarded(f"{self.generator.info.name} at {request.sample_id}", call)
        if isinstance(outcome, Failed) and outcome.out_of_memory:
            _free_memory(self.device)
        return outcome


def _whole(request: Request, fitted: Fitted, windows: list[Window]) -> Answer:
    """The windows of one video as its answer; the first that failed fails it."""
    parts: list[Measured[Result]] = []
    for window in windows:
        if isinstance(window, Failed):
            raise ItemError(window.code, window.text, retryable=window.retryable)
        parts.append(window)
    peaks = [part.peak_memory_bytes for part in parts if part.peak_memory_bytes is not None]
    return Answer(
        checked(unfit([part.value for part in parts], fitted), request),
        sum(part.seconds for part in parts),
        max(peaks, default=None),
    )


def _same_shape(one: Request, other: Request) -> bool:
    return (one.size, one.frames) == (other.size, other.frames)


def _free_memory(device: str) -> None:
    """Give back what the failed call held, as torch keeps freed blocks for itself."""
    gc.collect()
    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()
