"""Paired tests: oracles, false positives and power by simulation, Holm's family."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark.paired_tests import (
    LEAST_GROUPS,
    detectable_effect,
    groups_needed,
    holm,
    paired_test,
    power,
    sign_flip_p,
)

Values = dict[str, float | None]


def two_entrants(
    rng: np.random.Generator, groups: int, effect: float, skewed: bool = False
) -> tuple[Values, Values, dict[str, str]]:
    """Scores whose group differences have that d_z; clips of a group share most of theirs."""
    a: Values = {}
    b: Values = {}
    group_of = {}
    for g in range(groups):
        hard = rng.normal(20, 5)
        shared = rng.exponential() - 1 if skewed else rng.normal()
        flipped = shared * rng.choice((-1, 1)) if skewed else shared
        for clip in range(1 + g % 3):
            name = f"{g:03d}-{clip}"
            group_of[name] = f"{g:03d}"
            b[name] = hard
            a[name] = hard + effect + flipped
    return a, b, group_of


@pytest.mark.parametrize("count", [6, 9, 13])
def test_small_samples_are_tested_exactly(count: int) -> None:
    values = np.random.default_rng(count).normal(0.5, 1, count)
    want = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert sign_flip_p(values) == pytest.approx(want, abs=1e-12)


def test_large_samples_are_drawn_with_a_seed_and_close_to_the_t_test() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 40)
    assert sign_flip_p(values) == sign_flip_p(values)
    assert sign_flip_p(values) != sign_flip_p(values, seed=1)
    assert sign_flip_p(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    assert sign_flip_p(np.full(40, 2.0)) == 1 / 10_001  # the data are one of the draws


def test_rounding_of_equal_sums_does_not_make_a_result_significant() -> None:
    assert sign_flip_p(np.array([0.1, 0.2, 0.3, -0.1, -0.2, -0.3])) == 1.0
    assert sign_flip_p(np.zeros(8)) == 1.0


@pytest.mark.parametrize(("groups", "skewed"), [(6, False), (10, True), (10, False), (20, True)])
def test_of_two_thousand_null_comparisons_at_most_six_percent_are_found(
    groups: int, skewed: bool
) -> None:
    """By chance 5 % would be; 2,000 trials leave half a point of error."""
    rng = np.random.default_rng(groups)
    found = 0
    for _ in range(2000):
        values = rng.normal(size=groups)
        if skewed:  # symmetric about zero, but far from normal
            values = rng.choice((-1, 1), groups) * rng.exponential(size=groups) ** 2
        found += sign_flip_p(values, draws=1999) <= 0.05
    assert found / 2000 <= 0.06


def test_of_null_families_holm_errs_in_at_most_six_percent() -> None:
    rng = np.random.default_rng(3)
    erring = 0
    for _ in range(500):
        p = {name: sign_flip_p(rng.normal(size=10)) for name in "abcd"}
        adjusted = holm(p)
        erring += any(value is not None and value <= 0.05 for value in adjusted.values())
    assert erring / 500 <= 0.06


@pytest.mark.parametrize("effect", [0.5, 0.8, 1.5, 3.0])
def test_planted_effects_are_found_with_the_stated_power(effect: float) -> None:
    groups = groups_needed(effect)
    rng = np.random.default_rng(int(10 * effect))
    found = sum(sign_flip_p(rng.normal(effect, 1, groups), draws=1999) <= 0.05 for _ in range(1000))
    assert found / 1000 >= 0.8 - 2.6 * math.sqrt(0.8 * 0.2 / 1000)
    assert power(groups - 1, effect) < 0.8 <= power(groups, effect)


def test_power_is_that_of_the_t_test() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0.6, 1, (4000, 20))
    found = stats.ttest_1samp(values, 0, axis=1).pvalue <= 0.05
    assert power(20, 0.6) == pytest.approx(found.mean(), abs=0.02)
    assert power(20, 0.0) == pytest.approx(0.05, abs=1e-9)
    assert power(20, -0.6) == power(20, 0.6)
    assert power(20, detectable_effect(20) or 0) == pytest.approx(0.8, abs=1e-6)
    assert detectable_effect(LEAST_GROUPS - 1) is None


def test_a_pair_is_tested_on_complete_cases_and_the_rest_is_counted() -> None:
    a, b, group_of = two_entrants(np.random.default_rng(0), 8, effect=3.0)
    b["000-0"] = None
    got = paired_test(a, b, group_of)
    assert (got.samples, got.dropped) == (len(a) - 1, 1)
    assert (got.wins, got.losses, got.ties) == (7, 0, 0)
    assert got.p == 2 / 2**7
    assert got.effect is not None
    assert got.effect > 1
    assert got.interval.low is not None
    assert got.interval.low > 0


def test_few_groups_have_no_p_and_say_so() -> None:
    a, b, group_of = two_entrants(np.random.default_rng(0), LEAST_GROUPS - 1, effect=9.0)
    got = paired_test(a, b, group_of)
    assert got.p is None
    assert got.reason == "5 garment groups; a test needs 6"
    assert got.interval.low is not None


def test_equal_entrants_tie_and_have_no_effect() -> None:
    a, _, group_of = two_entrants(np.random.default_rng(0), 8, effect=0.0)
    got = paired_test(a, a, group_of)
    assert (got.p, got.effect, got.ties) == (1.0, None, 8)


def test_swapping_the_entrants_turns_the_sign_and_nothing_else() -> None:
    a, b, group_of = two_entrants(np.random.default_rng(5), 9, effect=0.4, skewed=True)
    one, other = paired_test(a, b, group_of), paired_test(b, a, group_of)
    assert (one.p, one.wins, one.losses) == (other.p, other.losses, other.wins)
    assert one.effect == pytest.approx(-(other.effect or 0))


def test_holm_is_the_textbooks() -> None:
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005, "missing": None}
    assert holm(p) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02, "missing": None})


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_p_nor_turns_their_order(values: list[float]) -> None:
    p = dict(enumerate(values))
    adjusted = holm(p)
    got = [adjusted[place] or 0.0 for place in sorted(p, key=lambda place: values[place])]
    assert all(first <= second for first, second in pairwise(got))
    assert all(values[place] <= (adjusted[place] or 0.0) <= 1 for place in p)


@pytest.mark.parametrize("effect", [0.0, math.nan, math.inf])
def test_no_number_of_groups_finds_no_effect(effect: float) -> None:
    with pytest.raises(ValueError, match="finite number other than 0"):
        groups_needed(effect)
