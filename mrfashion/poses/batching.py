"""One batch out of what several threads ask for at the same time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Run = Callable[[NDArray[np.float32]], list[NDArray[Any]]]  # n ... => each output, n ...


@dataclass(eq=False)
class _Request:
    batch: NDArray[np.float32]
    outputs: list[NDArray[Any]] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class Merger:
    """Runs a network for many threads; what arrives while it is busy shares the next batch.

    Nobody waits for company: a thread that finds the network idle runs at once.
    """

    def __init__(self, run: Run, largest: int) -> None:
        self._run = run
        self._largest = largest
        self._busy = threading.Lock()
        self._waiting: deque[_Request] = deque()  # append and popleft are atomic

    def __call__(self, batch: NDArray[np.float32]) -> list[NDArray[Any]]:
        """The outputs of `batch`; an error reaches the thread whose images caused it."""
        request = _Request(batch)
        self._waiting.append(request)
        while not request.done:
            with self._busy:
                if not request.done:
                    self._serve(self._next())
        if request.error is not None:
            raise request.error
        return request.outputs

    def _next(self) -> list[_Request]:
        """The oldest requests, of one shape, that fit into a batch; at least one."""
        taken = [self._waiting.popleft()]
        room = self._largest - len(taken[0].batch)
        while self._waiting and self._fits(self._waiting[0], taken[0], room):
            taken.append(self._waiting.popleft())
            room -= len(taken[-1].batch)
        return taken

    def _fits(self, request: _Request, first: _Request, room: int) -> bool:
        return len(request.batch) <= room and request.batch.shape[1:] == first.batch.shape[1:]

    def _serve(self, requests: list[_Request]) -> None:
        try:
            outputs = self._run(np.concatenate([request.batch for request in requests]))
            ends = np.cumsum([len(request.batch) for request in requests])[:-1]
            parts = zip(*(np.split(output, ends) for output in outputs), strict=True)
            for request, part in zip(requests, parts, strict=True):
                request.outputs = list(part)
        except BaseException as error:
            if len(requests) > 1 and isinstance(error, Exception):  # alone, each has its own answer
                for request in requests:
                    self._serve([request])
                return
            for request in requests:
                request.error = error
        for request in requests:
            request.done = True
