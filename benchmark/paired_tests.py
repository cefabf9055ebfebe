"""Is one entrant better than another? Paired tests over garment groups, with size and power.

A group's mean difference is one observation. The test flips signs: under the null hypothesis a
difference could as well have come out the other way round, whatever its distribution.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmark.statistics import Interval, group_differences, interval

DRAWS = 10_000
EXACT_GROUPS = 13  # up to 8,192 sign patterns are all looked at
LEAST_GROUPS = 6  # the least p of n groups is 2 / 2^n; below six it cannot reach 0.05
POWER = 0.8
Key = TypeVar("Key", bound=Hashable)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedTest:
    """What a - b says over the samples that both measured."""

    interval: Interval  # of the mean difference over groups
    samples: int  # complete cases
    dropped: int  # samples that only one of the two measured
    p: float | None  # two-sided sign-flip test; None: too few groups
    effect: float | None  # Cohen's d_z: mean over standard deviation of the group differences
    wins: int | None  # groups in which a is above b; None: of sets, which have no number a group
    losses: int | None
    ties: int | None
    detectable: float | None  # least |d_z| found with power 0.8 at this many groups
    reason: str | None  # why there is no p, where there is none


def paired_test(
    a: Mapping[str, float | None],
    b: Mapping[str, float | None],
    group_of: Mapping[str, str],
    level: float = 0.95,
    seed: int = 0,
) -> PairedTest:
    """Test a - b, values by sample id, on complete cases; the others are counted."""
    paired = group_differences(a, b, group_of)
    means = np.array([math.fsum(of_group) / len(of_group) for of_group in paired.groups.values()])
    enough = len(means) >= LEAST_GROUPS
    reason = None if enough else f"{len(means)} garment groups; a test needs {LEAST_GROUPS}"
    return PairedTest(
        interval=interval(paired.groups, level, seed),
        samples=paired.samples,
        dropped=paired.dropped,
        p=sign_flip_p(means, seed) if enough else None,
        effect=_effect(means),
        wins=int((means > 0).sum()),
        losses=int((means < 0).sum()),
        ties=int((means == 0).sum()),
        detectable=detectable_effect(len(means), 1 - level) if enough else None,
        reason=reason,
    )


def sign_flip_p(differences: Floats, seed: int = 0, draws: int = DRAWS) -> float:
    """Two-sided p of the mean being zero; exact up to 13 values, else from seeded draws.

    Drawn p counts the data as one of the draws, so it is never 0 and never too small
    (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585).
    """
    observed = abs(float(differences.sum()))
    slack = 1e-12 * float(np.abs(differences).sum())  # sums of the same numbers, in another order
    if len(differences) <= EXACT_GROUPS:
        signs = np.array(list(product((-1.0, 1.0), repeat=len(differences))))
        return float((np.abs(signs @ differences) >= observed - slack).mean())
    rng = np.random.default_rng(seed)
    signs = rng.choice((-1.0, 1.0), (draws, len(differences)))
    reached = int((np.abs(signs @ differences) >= observed - slack).sum())
    return (1 + reached) / (1 + draws)


def holm(p_values: Mapping[Key, float | None]) -> dict[Key, float | None]:
    """p adjusted for looking at all of them (Holm 1979); None stays, and is no member."""
    tested = sorted((p, place) for place, p in enumerate(p_values.values()) if p is not None)
    adjusted: dict[int, float] = {}
    largest = 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = largest
    return {key: adjusted.get(place) for place, key in enumerate(p_values)}


def power(groups: int, effect: float, alpha: float = 0.05) -> float:
    """Chance that so many groups show an effect d_z at `alpha`, two-sided.

    That of the t test at the level the sign flips can reach: few groups have few sign patterns.
    """
    reached = _attainable(groups, alpha)
    if not reached:
        return 0.0
    critical = stats.t.ppf(1 - reached / 2, groups - 1)
    shift = abs(effect) * math.sqrt(groups)
    above = stats.nct.sf(critical, groups - 1, shift)
    below = stats.nct.cdf(-critical, groups - 1, shift)
    return float(above + below)


def _attainable(groups: int, alpha: float) -> float:
    """The largest level up to `alpha` that an exact test of so many groups can have."""
    if groups > EXACT_GROUPS:
        return alpha
    patterns: int = 2 ** (groups - 1)  # a pattern and its opposite are one
    return math.floor(alpha * patterns) / patterns


def groups_needed(effect: float, alpha: float = 0.05, least_power: float = POWER) -> int:
    """Garment groups it takes to find an effect d_z with that power."""
    if not (math.isfinite(effect) and effect):
        raise ValueError(f"effect is {effect}; needed: a finite number other than 0")
    low, high = 1, 2
    while power(high, effect, alpha) < least_power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if power(middle, effect, alpha) < least_power:
            low = middle
        else:
            high = middle
    return high


def detectable_effect(groups: int, alpha: float = 0.05, least_power: float = POWER) -> float | None:
    """Least d_z that so many groups find with that power; None where they find none."""
    if not _attainable(groups, alpha):
        return None
    low, high = 0.0, 1.0
    while power(groups, high, alpha) < least_power:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if power(groups, middle, alpha) < least_power else (low, middle)
    return high


def _effect(means: Sequence[float] | Floats) -> float | None:
    """None where the differences do not vary: no number says how sure they are."""
    values = np.asarray(means, np.float64)
    if len(values) < 2:
        return None
    spread = float(values.std(ddof=1))
    return float(values.mean()) / spread if spread > 1e-12 * float(np.abs(values).max()) else None
