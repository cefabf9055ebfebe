"""One attempt at one video: fit, generate, undo the fitting, check; errors become item errors."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from benchmark.fitting import fit, unfit
from mrfashion.artefacts import canonical_json
from mrfashion.errors import ItemError, MRFashionError, OutOfMemory, without_places
from mrfashion.generation import Generator, Request, Result

logger = logging.getLogger(__name__)
T = TypeVar("T")
OUT_OF_MEMORY = OutOfMemory("").code
FULL = ("out of memory", "STATUS_ALLOC_FAILED", "can't allocate memory")


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A checked result in the asked size, and what it cost."""

    result: Result
    seconds: float  # of the generator alone
    peak_memory_bytes: int | None  # None: not measured


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that came to nothing, as an ItemError tells it, without holding a traceback."""

    code: str
    text: str
    retryable: bool = False

    @property
    def out_of_memory(self) -> bool:
        """Whether fewer at once may help."""
        return self.code == OUT_OF_MEMORY

    @property
    def broke_device(self) -> bool:
        """Whether the process can use its card no more: such an error stays in CUDA's context."""
        return "CUDA error:" in self.text and not self.out_of_memory


@dataclass(frozen=True, slots=True, eq=False)
class Measured(Generic[T]):
    """What a call returned, and what it cost."""

    value: T
    seconds: float
    peak_memory_bytes: int | None


def attempt(generator: Generator, request: Request, device: str) -> Answer:
    """Ask a loaded generator; ItemError where it does not answer what was asked."""
    fitted = fit(request, generator.info)
    raw = measured(lambda: [generator.generate(window) for window in fitted.requests], device)
    result = checked(unfit(raw.value, fitted), request)
    told = [one.peak_memory_bytes for one in raw.value if one.peak_memory_bytes is not None]
    # A generator that works in another process knows its peak, which we cannot see.
    return Answer(result, raw.seconds, max(told, default=raw.peak_memory_bytes))


def measured(call: Callable[[], T], device: str) -> Measured[T]:
    """Call, and measure seconds and, on a CUDA device, the peak of the memory."""
    _reset_peak(device)
    started = time.perf_counter()
    value = call()
    seconds = time.perf_counter() - started
    return Measured(value, seconds, _peak(device))


def checked(result: Result, request: Request) -> Result:
    """The result; ItemError where it does not answer the request."""
    result.check(request)
    weights = result.reference_weights
    if weights is not None and not np.allclose(weights.sum(axis=1), 1, atol=1e-3):
        raise ItemError("generate.invalid", "rows of the reference weights do not sum to 1")
    try:
        canonical_json(result.effective)
    except (TypeError, ValueError) as error:
        raise ItemError("generate.invalid", f"effective is no plain JSON: {error}") from None
    return result


def guarded(what: str, call: Callable[[], T]) -> T | Failed:
    """What the call returns, or how it failed; a whole run's error goes through."""
    try:
        with bugs_as_item_errors(what):
            return call()
    except ItemError as error:
        return Failed(error.code, error.text, error.retryable)


@contextmanager
def bugs_as_item_errors(what: str) -> Iterator[None]:
    """An exception nobody foresaw costs one item, not the run; the log has its traceback."""
    try:
        yield
    except MRFashionError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {without_places(str(error))}"
        if _is_out_of_memory(error):
            raise OutOfMemory(text) from error
        logger.exception("%s: unexpected error", what)
        raise ItemError("internal.bug", text, retryable=True) from error


def _is_out_of_memory(error: Exception) -> bool:
    """By torch's own exception, where torch is there, or in the words of libraries below it."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in FULL)


def _reset_peak(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: str) -> int | None:
    """Only CUDA counts per request; a process's peak RSS is that of all it ever did."""
    if not device.startswith("cuda"):
        return None
    import torch

    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device))
