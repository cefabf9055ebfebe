"""One attempt at one video: fit, generate, undo the fitting, check; errors become item errors."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmark.fitting import fit, unfit
from mrfashion.artefacts import canonical_json
from mrfashion.errors import ItemError, MRFashionError
from mrfashion.generation import Generator, Request, Result

logger = logging.getLogger(__name__)
MAX_TEXT = 500


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A checked result in the asked size, and what it cost."""

    result: Result
    seconds: float  # of the generator alone
    peak_memory_bytes: int | None  # None: not measured


def attempt(generator: Generator, request: Request, device: str) -> Answer:
    """Ask a loaded generator; ItemError where it does not answer what was asked."""
    fitted = fit(request, generator.info)
    _reset_peak(device)
    started = time.perf_counter()
    raw = [generator.generate(window) for window in fitted.requests]
    seconds = time.perf_counter() - started
    peak = _peak(device)
    result = unfit(raw, fitted)
    result.check(request)
    weights = result.reference_weights
    if weights is not None and not np.allclose(weights.sum(axis=1), 1, atol=1e-3):
        raise ItemError("generate.invalid", "rows of the reference weights do not sum to 1")
    try:
        canonical_json(result.effective)
    except (TypeError, ValueError) as error:
        raise ItemError("generate.invalid", f"effective is no plain JSON: {error}") from None
    return Answer(result, seconds, peak)


@contextmanager
def bugs_as_item_errors(what: str) -> Iterator[None]:
    """An exception nobody foresaw costs one item, not the run; the log has its traceback."""
    try:
        yield
    except MRFashionError:
        raise
    except Exception as error:
        logger.exception("%s: unexpected error", what)
        text = f"{type(error).__name__}: {without_places(str(error))}"
        raise ItemError("internal.bug", text, retryable=True) from error


def without_places(text: str) -> str:
    """The text without the folders of absolute paths, addresses and our process id."""
    text = re.sub(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+", "", text)
    text = re.sub(r"0x[0-9a-fA-F]{6,}", "0x...", text)
    return re.sub(rf"\b{os.getpid()}\b", "PID", text)[:MAX_TEXT]


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
