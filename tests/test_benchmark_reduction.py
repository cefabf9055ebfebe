"""Reduction rules: which references a method gets that takes fewer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.reduction import RULES, as_rule, kept_references, reduce_references
from mrfashion.errors import UnknownNameError
from mrfashion.generation import Reference, Request

IMAGE = np.zeros((2, 2, 3), np.uint8)
POSE = np.zeros((133, 3), np.float32)


def request(yaws: tuple[float | None, ...], driving: list[float]) -> Request:
    references = tuple(Reference(IMAGE, POSE, yaw, None) for yaw in yaws)
    poses = np.zeros((len(driving), 133, 3), np.float32)
    yaw_deg = np.array(driving, np.float32)
    return Request("s", references, poses, yaw_deg, (2, 2), 25.0, (2, 2), seed=0)


YAWS = (100.0, None, -10.0, 170.0, 10.0)


@pytest.mark.parametrize(
    ("rule", "n", "kept"),
    [
        ("front", 1, (2,)),
        ("front", 2, (2, 4)),
        ("front", 5, (0, 1, 2, 3, 4)),
        ("frame0", 1, (0,)),
        ("frame0", 3, (0, 1, 2)),
        ("nearest", 1, (3,)),
        ("nearest", 2, (0, 3)),
        ("nearest", 9, (0, 1, 2, 3, 4)),
    ],
)
def test_rules_keep_the_best_in_their_order(rule: str, n: int, kept: tuple[int, ...]) -> None:
    asked = request(yaws=YAWS, driving=[170.0, -170.0, np.nan])
    assert kept_references(asked, as_rule(rule), n) == kept
    reduced = reduce_references(asked, as_rule(rule), n)
    assert [r.yaw_deg for r in reduced.references] == [YAWS[i] for i in kept]


@given(st.permutations(range(4)), st.integers(1, 4), st.sampled_from(["front", "nearest"]))
def test_rules_keep_the_same_references_in_any_order(order: list[int], n: int, rule: str) -> None:
    asked = request(yaws=(0.0, 95.0, -80.0, 170.0), driving=[20.0, 130.0])
    permuted = replace(asked, references=tuple(asked.references[i] for i in order))
    kept = {order[i] for i in kept_references(permuted, as_rule(rule), n)}
    assert kept == set(kept_references(asked, as_rule(rule), n))


def test_nearest_rule_without_any_driving_yaw_keeps_the_first_that_have_one() -> None:
    asked = request(yaws=(None, 90.0, 0.0), driving=[np.nan, np.nan])
    assert kept_references(asked, "nearest", 1) == (1,)


def test_an_unknown_rule_lists_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean front"):
        as_rule("frontal")


@pytest.mark.parametrize(
    ("rule", "yaws", "driving", "kept"),
    [
        ("front", (180.0, -180.0), [0.0], (0,)),  # a tie, to the first
        ("front", (20.0, -10.0, 10.0), [0.0], (1,)),
        ("front", (np.nan, 170.0), [0.0], (1,)),
        ("front", (None, np.nan), [0.0], (0,)),  # nothing to choose by
        ("frame0", (np.nan, 0.0), [0.0], (0,)),
        ("nearest", (-175.0, 160.0), [175.0], (0,)),  # 10 and 15 degrees, across the seam
        ("nearest", (0.0, 180.0, -90.0), [170.0, -170.0], (1,)),  # a plain mean would say 0
        ("nearest", (0.0, 90.0), [0.0, 0.0, 90.0, np.nan, np.nan, np.nan], (0,)),
        ("nearest", (90.0, -90.0), [0.0, 180.0], (0,)),
        ("nearest", (np.nan, 180.0), [0.0], (1,)),
        ("nearest", (90.0, 0.0), [np.inf, 0.0], (1,)),
    ],
)
def test_missing_yaws_ties_and_the_seam(
    rule: str, yaws: tuple[float | None, ...], driving: list[float], kept: tuple[int, ...]
) -> None:
    assert kept_references(request(yaws, driving), as_rule(rule), 1) == kept


@given(
    yaws=st.lists(st.none() | st.floats(-180, 180) | st.just(np.nan), min_size=1, max_size=6),
    driving=st.lists(st.floats(-180, 180, width=32) | st.just(np.nan), min_size=1, max_size=6),
    rule=st.sampled_from(RULES),
)
def test_fewer_are_always_among_more(
    yaws: list[float | None], driving: list[float], rule: str
) -> None:
    asked = request(tuple(yaws), driving)
    kept = [set(kept_references(asked, as_rule(rule), n)) for n in range(1, len(yaws) + 1)]
    assert [len(indices) for indices in kept] == list(range(1, len(yaws) + 1))
    assert all(fewer < more for fewer, more in pairwise(kept))


def test_at_least_one_is_kept() -> None:
    with pytest.raises(ValueError, match="at least one"):
        kept_references(request((0.0,), [0.0]), "front", 0)
