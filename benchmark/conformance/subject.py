"""The generator under examination: every request to it goes through here, and is made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmark.attempts import measured
from benchmark.conditions import array_hash
from benchmark.conformance import probes
from benchmark.conformance.findings import NotApplicable
from benchmark.conformance.surroundings import Traces, other_random_states
from benchmark.fitting import fit, unfit
from benchmark.reduction import reduce_references
from benchmark.requests import request_digest
from mrfashion.generation import Generator, GeneratorInfo, Request, Result

NOT_LOADED = "it is not loaded"


@dataclass(frozen=True, eq=False)
class Take:
    """One request as it was asked, and what came back."""

    windows: tuple[Request, ...]
    raw: tuple[Result, ...]
    hashes: tuple[str, ...]  # of the raw frames when they came
    result: Result  # in the asked size
    touched: bool  # the generator changed its request
    seconds: float
    peak_memory_bytes: int | None

    @property
    def now(self) -> tuple[str, ...]:
        """Hashes of the raw frames as they are by now."""
        return tuple(array_hash(result.frames) for result in self.raw)


@dataclass(eq=False)
class Subject:
    """A fresh generator, the one that runs (itself or its rehearsal), and what they did."""

    which: str
    declared: Generator
    start: Callable[[], Generator] | None  # what runs; None: it cannot run here
    rehearsed: bool
    device: str
    dtype: str
    traces: Traces = field(default_factory=Traces)
    answers: dict[str, Take | Exception] = field(default_factory=dict)
    running: Generator | None = None  # once it is loaded

    @property
    def info(self) -> GeneratorInfo:
        """What the generator says it is."""
        return self.declared.info

    def load(self) -> None:
        """Make and load what runs; whatever it raises comes through."""
        start = self.start
        if start is None:
            raise NotApplicable("it cannot run here")

        def ready() -> Generator:
            generator = start()
            if self.rehearsed and (lacks := generator.check()):
                raise NotApplicable(f"its rehearsal lacks: {'; '.join(lacks)}")
            generator.load(self.device, self.dtype)
            return generator

        self.running = self.traces.watch(ready)

    def ask(self, name: str, build: Callable[[], Request], *, frozen: bool = False) -> Take:
        """The answer to a named request, asked once; whatever was raised is raised again."""
        if self.running is None:
            raise NotApplicable(NOT_LOADED)
        if name not in self.answers:
            try:
                self.answers[name] = self._take(build(), frozen)
            except Exception as error:  # of code that is not ours: it becomes a finding
                self.answers[name] = error
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def needed(self, name: str, build: Callable[[], Request], *, frozen: bool = False) -> Take:
        """`ask` where the check is about something else than whether there is an answer."""
        try:
            return self.ask(name, build, frozen=frozen)
        except NotApplicable:
            raise
        except Exception as error:  # told where the answer itself is examined
            raise NotApplicable(f"no answer to the {name} request to look at") from error

    def first(self) -> Take:
        """The first request, asked before all others."""
        return self.needed("first", probes.first)

    def again(self) -> Take:
        """The same with read-only arrays, after other code moved the global random states."""
        self.first()
        with other_random_states(1234):
            return self.needed("again", probes.first, frozen=True)

    def second(self) -> Take:
        """The second request."""
        return self.needed("second", probes.second)

    def after_second(self) -> Take:
        """The first request after the second."""
        self.second()
        return self.needed("after", probes.first)

    def _take(self, request: Request, frozen: bool) -> Take:
        assert self.running is not None, "only what runs is loaded"
        generate = self.running.generate
        request = reduce_references(request, "front", self.info.max_references)
        fitted = fit(request, self.info)
        before = [request_digest(window) for window in fitted.requests]
        if frozen:
            for window in fitted.requests:
                _freeze(window)

        def call() -> list[Result]:
            return [generate(window) for window in fitted.requests]

        raw = self.traces.watch_random(lambda: measured(call, self.device))
        hashes = tuple(array_hash(result.frames) for result in raw.value)
        return Take(
            windows=fitted.requests,
            raw=tuple(raw.value),
            hashes=hashes,
            result=unfit(raw.value, fitted),
            touched=before != [request_digest(window) for window in fitted.requests],
            seconds=raw.seconds,
            peak_memory_bytes=raw.peak_memory_bytes,
        )


def _freeze(request: Request) -> None:
    arrays: list[np.ndarray[Any, Any]] = [request.keypoints, request.yaw_deg]
    for reference in request.references:
        arrays += [reference.image, reference.keypoints]
    for array in arrays:
        array.setflags(write=False)
