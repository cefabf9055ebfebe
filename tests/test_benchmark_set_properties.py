"""What must and must not change a number of sets, for every set metric, on toy features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark import set_features
from benchmark.backbones.features import extract
from benchmark.set_features import FeatureStore, VideoSource, features_of, video_features
from benchmark.set_metrics import SET_METRICS
from benchmark.set_metrics.spec import Feature, SetMetric
from benchmark.set_statistics import SetInterval, set_interval
from tests.feature_weights import random_network

VIDEOS, FRAMES = 12, 16
UNITS = [f"g{i // 2}" for i in range(VIDEOS)]
MEASURED = [name for name, metric in SET_METRICS.items() if not metric.infinity]
FRECHET = [name for name in MEASURED if SET_METRICS[name].distance == "frechet"]
names, seeds = st.sampled_from(MEASURED), st.integers(0, 2**32 - 1)
Videos = NDArray[np.uint8]
Rows = list[NDArray[np.floating]]


def of_images(metric: SetMetric) -> bool:
    return metric.feature.clips == "frames"


def toy(feature: Feature, device: str):
    """Means of quarters and of columns: of every frame, or of a clip with later frames heavier."""

    def network(clips: Videos) -> NDArray[np.float32]:
        b, f, h, w, _ = clips.shape
        halves = clips.astype(np.float64).reshape(b, f, 2, h // 2, 2, w // 2, 3).mean((3, 5))
        rows = halves.reshape(b, f, -1)
        if feature.clips != "frames":
            weights = np.arange(1, f + 1)[:, None] / f
            rows = np.concatenate([rows.mean(1, keepdims=True), (rows * weights).mean(1)[:, None]])
            rows = rows.reshape(2, b, 1, -1).transpose(1, 2, 0, 3).reshape(b, 1, -1)
        return rows.astype(np.float32)

    return network


@pytest.fixture(autouse=True)
def _toy() -> Iterator[None]:
    with mock.patch.object(set_features, "_network", toy):
        yield


def films(seed: int) -> tuple[Videos, Videos]:
    """Targets that differ from each other and change over time, and worse copies of them."""
    random = np.random.default_rng(seed)
    still = random.integers(30, 200, (VIDEOS, 1, 2, 2, 3)).repeat(2, 2).repeat(2, 3)
    target = still + random.integers(0, 25, (VIDEOS, FRAMES, 4, 4, 3))
    made = target + random.integers(-12, 30, (VIDEOS, 1, 1, 1, 3))
    return made.clip(0, 255).astype(np.uint8), target.astype(np.uint8)


def rows(metric: SetMetric, videos: Videos) -> Rows:
    return [np.asarray(row, np.float64) for row in features_of(metric.feature, videos)]


def measured(
    metric: SetMetric, made: Rows, wanted: Rows, units: list[str] | None = None
) -> SetInterval:
    return set_interval(made, wanted, units or UNITS, metric.measure)


def same(a: SetInterval, b: SetInterval, scale: float = 1.0, rel: float = 1e-6) -> bool:
    """Value and bounds agree to a part of the value."""
    slack = rel * max(abs(a.value * scale), 1e-3)
    pairs = ((a.value, b.value), (a.low, b.low), (a.high, b.high))
    return all(abs(x * scale - y) <= slack for x, y in pairs if x is not None and y is not None)


@settings(max_examples=25, deadline=None)
@given(names, seeds, st.permutations(range(VIDEOS)))
def test_the_order_of_videos_changes_nothing(name: str, seed: int, order: list[int]) -> None:
    metric, (made, wanted) = SET_METRICS[name], (rows(SET_METRICS[name], v) for v in films(seed))
    before = measured(metric, made, wanted)
    units = [UNITS[i] for i in order]
    assert same(before, measured(metric, *([s[i] for i in order] for s in (made, wanted)), units))
    alone = metric.measure(np.concatenate([made[i] for i in order]), np.concatenate(wanted))
    assert alone == pytest.approx(before.value, rel=1e-6, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(names, seeds)
def test_doubling_every_video_narrows_no_interval(name: str, seed: int) -> None:
    """And leaves a distance that divides by n alone."""
    metric, (made, wanted) = SET_METRICS[name], (rows(SET_METRICS[name], v) for v in films(seed))
    once, twice = measured(metric, made, wanted), measured(metric, made * 2, wanted * 2, UNITS * 2)
    assert twice.videos == 2 * once.videos
    assert twice.units == once.units
    if metric.distance == "frechet" and metric.ddof == 0:
        assert same(once, twice)
    elif metric.distance == "frechet":
        widths = [found.high - found.low for found in (once, twice)]  # type: ignore[operator]
        assert widths[1] >= 0.8 * widths[0]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(FRECHET), seeds, st.floats(0.1, 30))
def test_turned_moved_and_scaled_features(name: str, seed: int, factor: float) -> None:
    metric, (made, wanted) = SET_METRICS[name], (rows(SET_METRICS[name], v) for v in films(seed))
    before, random = measured(metric, made, wanted), np.random.default_rng(seed)
    width = wanted[0].shape[1]
    turn, _ = np.linalg.qr(random.normal(size=(width, width)))
    shift = random.normal(size=width) * 50
    moved = measured(metric, *([row @ turn + shift for row in s] for s in (made, wanted)))
    assert same(before, moved, rel=1e-5)
    larger = measured(metric, *([row * factor for row in s] for s in (made, wanted)))
    assert same(before, larger, factor**2, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(names, seeds)
def test_the_order_of_frames_is_seen_by_metrics_of_videos_alone(name: str, seed: int) -> None:
    metric, (made, target) = SET_METRICS[name], films(seed)
    made = np.sort(made, axis=1)  # brighter and brighter, so that backwards is another film
    forwards = measured(metric, rows(metric, made), rows(metric, target))
    backwards = measured(metric, rows(metric, made[:, ::-1]), rows(metric, target))
    assert same(forwards, backwards) is of_images(metric)


@settings(max_examples=25, deadline=None)
@given(names, seeds)
def test_equal_videos_are_no_distance_apart_and_worse_ones_are_some(name: str, seed: int) -> None:
    metric, (made, target) = SET_METRICS[name], films(seed)
    wanted = rows(metric, target)
    exact, poor = measured(metric, wanted, wanted), measured(metric, rows(metric, made), wanted)
    assert exact.value < poor.value
    if metric.distance == "frechet":
        assert exact.value < 1e-9 * np.square(np.concatenate(wanted)).sum()


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["fvd", "fid", "fid-vid", "fvd-disco", "fvd-spaced"]), st.integers(2, 9))
def test_how_many_clips_go_through_at_once_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, name: str, at_once: int
) -> None:
    feature, made = SET_METRICS[name].feature, films(0)[0]
    videos = [VideoSource(str(i), f"k{i}", film.__iter__) for i, film in enumerate(made)]
    found = []
    for count in (1, at_once):
        with mock.patch.object(set_features, "AT_ONCE_CPU", count):
            store = FeatureStore(tmp_path_factory.mktemp("store"), feature)
            found.append(video_features(store, videos))
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_nor_does_it_in_a_real_network(tmp_path: Path) -> None:
    """Random weights; to one part in a million."""
    network, recipe = random_network("efficientnet-lite0"), SET_METRICS["fd-lite0"].feature.recipe
    clips = torch.from_numpy(films(1)[0][:4, :2]).repeat_interleave(16, 2).repeat_interleave(16, 3)
    together = extract(network, clips, recipe)
    apart = torch.cat([extract(network, clip[None], recipe) for clip in clips])
    assert float((together - apart).abs().max() / apart.abs().max()) < 1e-6
