"""Features of target frames: computed once, by whoever comes first, and no more than fit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from benchmark.backbones.feature_cache import FeatureCache, Features


def floats(count: int) -> Features:
    return (torch.zeros(count // 4), torch.zeros(count - count // 4))


def test_workers_that_ask_at_once_compute_once() -> None:
    cache, calls, gate = FeatureCache(1 << 20), [], threading.Barrier(8)

    def compute() -> Features:
        calls.append(1)
        return floats(8)

    def ask() -> Features:
        gate.wait()
        return cache.get("a", compute)

    with ThreadPoolExecutor(8) as pool:
        found = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
    assert len(calls) == 1
    assert all(features is found[0] for features in found)


def test_no_more_is_kept_than_fits() -> None:
    cache = FeatureCache(10 * 4 * 100)
    for key in range(50):
        cache.get(str(key), lambda: floats(100))
        assert sum(cache._sizes.values()) <= 4000
        assert cache._sizes.keys() == cache._kept.keys()
    assert len(cache._kept) == 10
    assert cache.get("large", lambda: floats(2000))[1].numel() == 1500
    assert "large" not in cache._kept


def test_a_clip_longer_than_the_cache_is_found_in_part() -> None:
    """Where the least recently used made room, no frame would ever be found."""
    cache, computed = FeatureCache(8 * 400), 0
    for _ in range(30):
        for frame in range(10):
            before = cache._kept.keys() >= {str(frame)}
            cache.get(str(frame), lambda: floats(100))
            computed += not before
    assert 60 < computed < 200  # of 300


def test_a_failure_is_told_and_not_kept() -> None:
    cache = FeatureCache(1 << 20)

    def fail() -> Features:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        cache.get("a", fail)
    assert cache.get("a", lambda: floats(4))
