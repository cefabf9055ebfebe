"""How many threads a worker gets: one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def one_thread_a_worker(learned: bool) -> Iterator[None]:
    """Many clips at once beat many threads on one; torch's too where a metric is `learned`.

    The settings are global: put them back.
    """
    import cv2

    with ExitStack() as settings:
        settings.callback(cv2.setNumThreads, cv2.getNumThreads())
        cv2.setNumThreads(1)
        if learned:
            import torch

            settings.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        yield
