"""Items of a dataset in the order of a sampler, made ahead by processes of their own if asked."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset


def read_ahead(
    dataset: Dataset[Any],
    order: Iterable[Any],
    workers: int,
    batch: int | None = None,
    collate: Callable[[list[Any]], Any] | None = None,
) -> DataLoader[Any]:
    """Items of `order`, which may have no end, alone or in lists of `batch`; 0 workers: none ahead.

    Leaves the random numbers of the caller alone, and may be given up in the middle.
    """
    return DataLoader(
        dataset,
        batch_size=batch,
        sampler=order,
        num_workers=workers,
        prefetch_factor=1 if workers else None,
        collate_fn=collate,
        multiprocessing_context="spawn" if workers else None,  # CUDA does not survive a fork
        worker_init_fn=_leave_at_once,
        generator=torch.Generator(),  # or it would draw from the global one
    )


def _leave_at_once(worker: int) -> None:
    """End a worker without Python's own shutdown.

    That would kill its sending thread inside torch, which aborts the process, and the abort of a
    worker is raised in the training as an error.
    """
    atexit.register(os._exit, 0)
