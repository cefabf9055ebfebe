"""Features of target frames, kept for the next entrant: half of what LPIPS costs."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

from torch import Tensor

Features = tuple[Tensor, ...]  # of b images: b c h w each


class FeatureCache:
    """At most `capacity` bytes; of workers that ask for the same at once, one computes.

    What makes room is chosen by lot: a clip a little longer than the cache is read in the same
    order by every entrant, so that the least recently used is always what is needed next.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._kept: dict[str, Future[Features]] = {}
        self._sizes: dict[str, int] = {}
        self._lock = Lock()
        self._lots = random.Random(0)

    def get(self, key: str, compute: Callable[[], Features]) -> Features:
        """The features of `key`, computed where they are not here."""
        with self._lock:
            found, first = self._kept.get(key), key not in self._kept
            if found is None:
                found = self._kept[key] = Future()
        if first:
            try:
                found.set_result(compute())
            except BaseException as error:
                found.set_exception(error)
                del self._kept[key]
            else:
                self._make_room(key, found.result())
        return found.result()

    def _make_room(self, key: str, features: Features) -> None:
        size = sum(layer.nbytes for layer in features)
        with self._lock:
            self._sizes[key] = size
            while sum(self._sizes.values()) > self.capacity:
                leaving = self._lots.choice(list(self._sizes))
                del self._sizes[leaving], self._kept[leaving]
