"""Distances of sets: closed forms, oracles, and intervals that hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchmetrics.image.kid import poly_mmd

from benchmark.frechet import frechet_distance
from benchmark.set_statistics import (
    BLOCKS,
    extrapolated,
    kernel_distance,
    set_difference,
    set_interval,
    target_floor,
)

D = 64
SPECTRUM = np.arange(1, D + 1) ** -0.5  # what features look like: few directions hold most


def videos(features: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """One clip a video."""
    return [features[i : i + 1] for i in range(len(features))]


def names(n: int) -> list[str]:
    return [f"g{i}" for i in range(n)]


def drawn(random: np.random.Generator, n: int, kept: float = 0.8) -> tuple[NDArray, NDArray]:
    """Generated and target features of the same samples: alike, a little off, a little aside."""
    target = random.normal(size=(n, D)) * SPECTRUM
    own = random.normal(size=(n, D)) * SPECTRUM
    return kept * target + np.sqrt(1 - kept**2) * own + 0.15 * SPECTRUM, target


@pytest.mark.parametrize(("n", "m", "d"), [(5, 7, 3), (30, 30, 100)])
def test_the_kernel_distance_is_that_of_torchmetrics(n: int, m: int, d: int) -> None:
    random = np.random.default_rng(n)
    x, y = random.normal(size=(n, d)), random.normal(1, 2, size=(m, d))
    x, y = x[: min(n, m)], y[: min(n, m)]  # torchmetrics takes sets of one size only
    kernels = [torch.from_numpy((a @ b.T / d + 1) ** 3) for a, b in ((x, x), (x, y), (y, y))]
    from torchmetrics.image.kid import maximum_mean_discrepancy

    wanted = maximum_mean_discrepancy(*kernels)
    assert kernel_distance(x, y) == pytest.approx(float(wanted), rel=1e-9)
    by_subsets = poly_mmd(torch.from_numpy(x), torch.from_numpy(y), 3, None, 1.0)
    assert kernel_distance(x, y) == pytest.approx(float(by_subsets), rel=1e-9)


def test_the_kernel_distance_is_zero_on_average_where_there_is_none() -> None:
    random = np.random.default_rng(0)
    values = [kernel_distance(*random.normal(size=(2, 20, 8))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
@pytest.mark.parametrize("n", [20, 60])
def test_a_jackknife_covers_the_expected_distance_and_a_bootstrap_does_not(
    n: int, distance
) -> None:
    random, trials = np.random.default_rng(n), 100
    truth = np.mean([distance(*drawn(random, n)) for _ in range(400)])
    covered = naive = 0
    for _ in range(trials):
        generated, target = drawn(random, n)
        found = set_interval(videos(generated), videos(target), names(n), distance)
        covered += found.low <= truth <= found.high
        if distance is frechet_distance:
            again = [random.integers(n, size=n) for _ in range(60)]
            values = [distance(generated[some], target[some]) for some in again]
            low, high = np.percentile(values, [2.5, 97.5])
            naive += low <= truth <= high
    print(f"n {n}: jackknife covers {covered} %, naive bootstrap {naive} %")
    assert covered >= (93 if distance is frechet_distance else 90)
    assert naive <= 55


def test_a_difference_of_two_on_the_same_targets_is_covered_and_found() -> None:
    random, n, trials = np.random.default_rng(5), 24, 60
    found = 0
    for _ in range(trials):
        near, target = drawn(random, n, kept=0.9)
        far = 0.2 * target + random.normal(size=(n, D)) * SPECTRUM
        gap = set_difference(videos(near), videos(far), videos(target), names(n), frechet_distance)
        found += gap.high < 0
    assert found >= 0.9 * trials


def test_equal_methods_differ_by_nothing() -> None:
    generated, target = map(videos, drawn(np.random.default_rng(1), 12))
    gap = set_difference(generated, generated, target, names(12), frechet_distance)
    assert (gap.value, gap.low, gap.high) == (0, 0, 0)


def test_clips_of_a_video_and_videos_of_a_group_leave_together() -> None:
    random = np.random.default_rng(2)
    generated, target = random.normal(size=(2, 12, D))
    apart = set_interval(videos(generated), videos(target), names(12), frechet_distance)
    twice = [np.repeat(v, 2, axis=0) for v in videos(generated)]
    targets = [np.repeat(v, 2, axis=0) for v in videos(target)]
    pairs = [f"g{i // 2}" for i in range(12)]
    grouped = set_interval(twice, targets, pairs, frechet_distance)
    assert (apart.clips, apart.units, grouped.clips, grouped.units) == (12, 12, 24, 6)
    assert apart.videos == grouped.videos == 12
    by_hand = [
        frechet_distance(np.delete(generated, [i, i + 1], 0), np.delete(target, [i, i + 1], 0))
        for i in range(0, 12, 2)
    ]
    whole = set_interval(videos(generated), videos(target), pairs, frechet_distance)
    error = np.sqrt(5 / 6 * np.square(by_hand - np.mean(by_hand)).sum())
    assert (whole.high - whole.low) / 2 == pytest.approx(2.5706 * error, rel=1e-4)


def test_more_units_than_blocks_leave_in_blocks() -> None:
    generated, target = map(videos, np.random.default_rng(3).normal(size=(2, 150, 4)))
    calls = []

    def distance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        calls.append(len(x))
        return frechet_distance(x, y)

    set_interval(generated, target, names(150), distance)
    assert len(calls) == 1 + BLOCKS
    assert sum(150 - n for n in calls[1:]) == 150


def test_few_groups_have_a_value_and_no_interval() -> None:
    generated, target = map(videos, np.random.default_rng(4).normal(size=(2, 6, 4)))
    found = set_interval(generated, target, ["a", "a", "a", "b", "b", "b"], frechet_distance)
    assert found.value > 0
    assert (found.low, found.high) == (None, None)
    assert "2 garment groups" in (found.reason or "")


def test_a_floor_is_below_what_a_poor_generator_reaches() -> None:
    random = np.random.default_rng(6)
    target = videos(random.normal(size=(40, D)) * SPECTRUM)
    poor = videos(2 + random.normal(size=(40, D)) * SPECTRUM)
    floor = target_floor(target, frechet_distance)
    assert floor is not None
    assert floor.videos == 20
    assert 0 < floor.value < set_interval(poor, target, names(40), frechet_distance).value
    assert floor == target_floor(target, frechet_distance)
    assert target_floor(target[:3], frechet_distance) is None


def test_an_extrapolation_halves_the_bias_at_least() -> None:
    random = np.random.default_rng(7)
    biased, less = [], []
    for _ in range(10):
        x, y = random.normal(size=(2, 200, D)) * SPECTRUM  # the same distribution: truly 0
        biased.append(frechet_distance(x, y))
        less.append(abs(extrapolated(videos(x), videos(y), frechet_distance)))
    assert np.mean(less) < 0.5 * np.mean(biased)


def test_sets_that_do_not_pair_up_are_refused() -> None:
    two, three = videos(np.zeros((2, 4))), videos(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="3, 2 videos"):
        set_interval(three, two, names(3), frechet_distance)
    with pytest.raises(ValueError, match="shapes"):
        set_interval(videos(np.zeros((2, 5))), two, names(2), frechet_distance)
    with pytest.raises(ValueError, match="needs 30"):
        extrapolated(two, two, frechet_distance)
