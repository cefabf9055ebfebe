"""Frechet distance: closed forms, scipy's square root of a matrix, and what must not change it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from benchmark.frechet import frechet_distance

# Fewer samples than dimensions, as many, and more: both ways to the trace of the root.
counts = st.tuples(st.integers(2, 24), st.integers(2, 24))
seeds = st.integers(0, 2**32 - 1)
D = 12


def features(seed: int, n: int, d: int = D) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def both(seed: int, n: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return features(seed, n[0]), features(seed + 1, n[1])


def by_definition(a: np.ndarray, b: np.ndarray, ddof: int) -> float:
    """Published formula on numpy's covariances, as the field computes it."""
    one, two = (np.cov(x, rowvar=False, ddof=ddof) for x in (a, b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # singular products
        root = np.real(linalg.sqrtm(one @ two))
    gap = a.mean(0) - b.mean(0)
    return float(gap @ gap + np.trace(one + two - 2 * root))


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("n", [(40, 50), (13, 200), (12, 13)])
def test_it_equals_the_square_root_of_the_product(n: tuple[int, int], ddof: int) -> None:
    a, b = both(3, n)
    want = by_definition(a, b, ddof)
    assert frechet_distance(a, b, ddof) == pytest.approx(want, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(seeds, counts)
def test_eigenvalues_of_the_product_say_the_same(seed: int, n: tuple[int, int]) -> None:
    """tr (A B)^1/2 is the sum of the roots of the product's eigenvalues, singular or not."""
    a, b = both(seed, n)
    one, two = (np.cov(x, rowvar=False) for x in (a, b))
    roots = np.sqrt(np.maximum(np.linalg.eigvals(one @ two).real, 0)).sum()
    gap = a.mean(0) - b.mean(0)
    want = gap @ gap + np.trace(one) + np.trace(two) - 2 * roots
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-5)


def test_round_gaussians_have_a_closed_form() -> None:
    rng = np.random.default_rng(0)
    basis = np.concatenate([np.eye(D), -np.eye(D)]) * np.sqrt(D)  # covariance: identity, ddof 0
    shift = rng.normal(size=D)
    got = frechet_distance(basis * 3, basis * 0.5 + shift, ddof=0)
    assert got == pytest.approx(shift @ shift + D * (3 - 0.5) ** 2, rel=1e-12)


def test_commuting_covariances_have_a_closed_form() -> None:
    basis = np.concatenate([np.eye(D), -np.eye(D)]) * np.sqrt(D)
    one, two = np.arange(1.0, D + 1), np.linspace(0.1, 2, D)
    got = frechet_distance(basis * one, basis * two, ddof=0)
    assert got == pytest.approx(np.square(one - two).sum(), rel=1e-12)


def test_of_one_feature_only_the_mean_counts() -> None:
    assert frechet_distance([[1.0, 2.0]], [[4.0, 6.0]], ddof=0) == 25


@settings(max_examples=40, deadline=None)
@given(seeds, counts)
def test_what_must_and_must_not_change_it(seed: int, n: tuple[int, int]) -> None:
    a, b = both(seed, n)
    rng = np.random.default_rng(seed)
    distance = frechet_distance(a, b)
    size = np.square(a - a.mean(0)).sum() + np.square(b - b.mean(0)).sum() + distance
    close = {"rel": 1e-6, "abs": 1e-9 * size}
    assert frechet_distance(b, a) == pytest.approx(distance, **close)
    assert frechet_distance(rng.permutation(a), rng.permutation(b)) == pytest.approx(
        distance, **close
    )
    rotation, _ = np.linalg.qr(rng.normal(size=(D, D)))
    assert frechet_distance(a @ rotation, b @ rotation) == pytest.approx(distance, **close)
    assert frechet_distance(7 * a, 7 * b) == pytest.approx(49 * distance, rel=1e-6)
    assert frechet_distance(np.repeat(a, 2, 0), np.repeat(b, 2, 0), 0) == pytest.approx(
        frechet_distance(a, b, 0), **close
    )
    shift = rng.normal(size=D)
    moved = frechet_distance(a - a.mean(0), b - b.mean(0) + shift)
    still = frechet_distance(a - a.mean(0), b - b.mean(0))
    assert moved == pytest.approx(still + shift @ shift, **close)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(2, 30))
def test_equal_sets_are_no_distance_apart(seed: int, n: int) -> None:
    a = features(seed, n)
    assert 0 <= frechet_distance(a, a) < 1e-10 * np.square(a).sum()


@pytest.mark.parametrize("n", [5, 60])
def test_large_means_cost_no_digits(n: int) -> None:
    """Raw second moments in float64 are wrong from the third digit here."""
    a, b = both(5, (n, n))
    assert frechet_distance(a + 1e6, b + 1e6) == pytest.approx(frechet_distance(a, b), rel=1e-6)


@pytest.mark.parametrize("d", [1, 5, 40])
def test_degenerate_sets_give_a_number(d: int) -> None:
    flat = np.ones((20, d))
    line = flat * np.arange(20)[:, None]
    for a, b in ((flat, flat), (flat, line), (line, line), (line, 1e-30 * line)):
        distance = frechet_distance(a, b)
        assert isinstance(distance, float)
        assert np.isfinite(distance)
        assert distance >= 0


@pytest.mark.parametrize(
    ("a", "ddof", "message"),
    [
        (np.zeros((1, 4)), 1, r"needed: \(n, d\) with n > 1"),
        (np.zeros((0, 4)), 0, "needed"),
        (np.zeros((3, 0)), 0, "needed"),
        (np.zeros(4), 1, "needed"),
        (np.full((3, 4), np.nan), 1, "no measurement"),
        (np.full((3, 4), -np.inf), 1, "no measurement"),
        (np.full((3, 4), 1e200), 1, "no measurement"),
        (np.zeros((3, 5)), 1, "5 and 4 dimensions"),
        (np.zeros((3, 4)), 2, "allowed: 0, 1"),
    ],
)
def test_bad_features_are_refused(a: np.ndarray, ddof: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, np.ones((3, 4)), ddof)
