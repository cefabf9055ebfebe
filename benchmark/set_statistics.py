"""Intervals of numbers that only a set of videos has: Frechet and kernel distances of features.

A video brings one feature or several (its clips), which stay together. Resampling such numbers with
replacement covers nothing: equal videos shrink a covariance. What is left out one after another (a
jackknife) does cover the expected distance at this number of videos, which is what is printed:
distances of sets fall with their size, so numbers of other sizes are other numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

VideoFeatures = NDArray[np.floating]  # clips d, of one video
Distance = Callable[[NDArray[np.float64], NDArray[np.float64]], float]  # of n d and m d
LEAST_UNITS = 3  # below, a leave-out tells nothing of the next
BLOCKS = 100  # at most so many leave-outs: more units leave together
SPLITS = 20  # halvings of the targets that a floor is the mean of
POINTS = 15  # sizes an extrapolation is fitted to (Chong and Forsyth 2020, arXiv 1911.07023)
LEAST_EXTRAPOLATED = 2 * POINTS  # videos


@dataclass(frozen=True, slots=True)
class SetInterval:
    """A distance of sets, or a difference of two, with its jackknife interval."""

    value: float
    low: float | None
    high: float | None
    videos: int
    clips: int
    units: int  # what was left out one after another: garment groups
    reason: str | None = None  # why there is no interval, where there is none
    p: float | None = None  # of a difference: two-sided, of its being 0


@dataclass(frozen=True, slots=True)
class Floor:
    """What halves of the targets reach against each other: real videos of other garments.

    A generator that shows the targets' own garments may lie below it.
    """

    value: float  # mean over halvings
    videos: int  # in each half: fewer than were scored, so the floor lies high
    splits: int


def kernel_distance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Squared maximum mean discrepancy, unbiased, kernel (x.y / d + 1)^3; may be negative.

    KID (Binkowski et al. 2018, arXiv 1801.01401), over the whole sets instead of subsets: the same
    expectation without a draw. ValueError for fewer than two features a side.
    """
    n, m, d = len(x), len(y), x.shape[1]
    if min(n, m) < 2:
        raise ValueError(f"sets have {n} and {m} features; needed: 2 each")
    own = [(a @ a.T / d + 1) ** 3 for a in (x, y)]
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in own]
    return float(within[0] + within[1] - 2 * ((x @ y.T / d + 1) ** 3).mean())


@dataclass(frozen=True, slots=True)
class LeaveOuts:
    """A distance of sets, and what it is without each unit in turn."""

    value: float
    without: tuple[float, ...]  # by unit, or by block of units; none below three units
    videos: int
    clips: int
    units: int


def leave_outs(
    generated: Sequence[VideoFeatures],
    target: Sequence[VideoFeatures],
    units: Sequence[str],
    distance: Distance,
) -> LeaveOuts:
    """Distance of generated from target videos, whose order and units are the same."""
    _check_videos(units, generated, target)
    whole, names = np.arange(len(units)), sorted(set(units))
    block_of = {name: i % BLOCKS for i, name in enumerate(names)}
    blocks = np.array([block_of[unit] for unit in units])
    count = min(BLOCKS, len(names)) if len(names) >= LEAST_UNITS else 0
    kept = [whole, *(whole[blocks != block] for block in range(count))]
    value, *without = (distance(_joined(generated, some), _joined(target, some)) for some in kept)
    clips = sum(map(len, generated))
    return LeaveOuts(value, tuple(without), len(units), clips, len(names))


def difference(a: LeaveOuts, b: LeaveOuts) -> LeaveOuts:
    """Of a less b, both of the same videos."""
    if (a.videos, a.units, len(a.without)) != (b.videos, b.units, len(b.without)):
        raise ValueError(f"{a.videos} and {b.videos} videos; needed: the same ones")
    without = tuple(x - y for x, y in zip(a.without, b.without, strict=True))
    return LeaveOuts(a.value - b.value, without, a.videos, a.clips, a.units)


def jackknife(found: LeaveOuts, level: float = 0.95) -> SetInterval:
    """t quantiles times the leave-one-unit-out error around the value; p is of its being 0."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; needed: between 0 and 1, such as 0.95")
    value, counts = found.value, (found.videos, found.clips, found.units)
    count = len(found.without)
    if not count:
        reason = f"{found.units} garment groups; an interval needs {LEAST_UNITS}"
        return SetInterval(value, None, None, *counts, reason)
    spread = np.square(np.subtract(found.without, np.mean(found.without))).sum()
    error = math.sqrt((count - 1) / count * spread)
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * error
    p = 2 * float(stats.t.sf(abs(value) / error, count - 1)) if error else float(value == 0)
    return SetInterval(value, value - half, value + half, *counts, p=p)


def set_interval(
    generated: Sequence[VideoFeatures],
    target: Sequence[VideoFeatures],
    units: Sequence[str],
    distance: Distance,
    level: float = 0.95,
) -> SetInterval:
    """Distance of generated from target videos, whose order and units are the same."""
    return replace(jackknife(leave_outs(generated, target, units, distance), level), p=None)


def set_difference(
    a: Sequence[VideoFeatures],
    b: Sequence[VideoFeatures],
    target: Sequence[VideoFeatures],
    units: Sequence[str],
    distance: Distance,
    level: float = 0.95,
) -> SetInterval:
    """Distance of a less that of b, from the same targets: negative where a is nearer."""
    found = (leave_outs(made, target, units, distance) for made in (a, b))
    return jackknife(difference(*found), level)


def target_floor(
    target: Sequence[VideoFeatures], distance: Distance, seed: int = 0
) -> Floor | None:
    """Mean distance between random halves of the targets; None below four videos."""
    if len(target) < 4:
        return None
    random, half = np.random.default_rng(seed), len(target) // 2
    values = []
    for _ in range(SPLITS):
        order = random.permutation(len(target))
        one, other = order[:half], order[half : 2 * half]
        values.append(distance(_joined(target, one), _joined(target, other)))
    return Floor(math.fsum(values) / SPLITS, half, SPLITS)


def extrapolated(
    generated: Sequence[VideoFeatures],
    target: Sequence[VideoFeatures],
    distance: Distance,
    seed: int = 0,
) -> float:
    """Distance at an infinite number of videos, by a line in 1 / n through random subsets.

    Halves the bias on heavy-tailed features and does not remove it; ValueError below 30 videos.
    """
    _check_videos([""] * len(target), generated, target)
    n, random = len(target), np.random.default_rng(seed)
    if n < LEAST_EXTRAPOLATED:
        raise ValueError(f"{n} videos; an extrapolation needs {LEAST_EXTRAPOLATED}")
    sizes = np.linspace(n // 2, n, POINTS).astype(int)
    values = []
    for size in sizes:
        kept = random.permutation(n)[:size]
        values.append(distance(_joined(generated, kept), _joined(target, kept)))
    return float(np.polynomial.Polynomial.fit(1 / sizes, values, 1).convert().coef[0])


def _joined(videos: Sequence[VideoFeatures], some: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.concatenate([videos[i] for i in some]).astype(np.float64)


def _check_videos(units: Sequence[str], *sets: Sequence[VideoFeatures]) -> None:
    """ValueError unless every set has a video a unit and all features have one width."""
    if not units or any(len(videos) != len(units) for videos in sets):
        counts = ", ".join(str(len(videos)) for videos in sets)
        raise ValueError(f"sets have {counts} videos, {len(units)} units; needed: equal, above 0")
    shapes = {video.shape[1:] for videos in sets for video in videos}
    if len(shapes) > 1 or any(video.ndim != 2 for videos in sets for video in videos):
        raise ValueError(f"features are of shapes (clips, *{sorted(shapes)}); needed: one (n, d)")
